"""The handover: the config text works as it is, and is written without touching what is not ours."""

import os
import stat
from pathlib import Path

import pytest

from tools.commands.profile import config_file, overridden, unreadable, write_profiles
from tools.console import FailedError

TEXT = "[profile assume-role-dev-user]\nregion = us-east-1\n\n[profile assume-role-dev]\nregion = us-east-1\n"
THEIRS = "[default]\r\nregion = eu-west-1\r\n\n# mine\n[profile work]\nsso_session = x\n"
WHO_AM_I = """
import sys, boto3
session = boto3.Session(profile_name=sys.argv[1])
session.client("s3").list_buckets()
print(session.client("sts").get_caller_identity()["Arn"], session.region_name)
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "aws" / "config"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def backups(file):
    return sorted(file.parent.glob("config.before-assume-role*"))


class TestHandover:
    """The output ``awsConfig``, and ``make profile``."""

    def test_the_text_appended_to_an_empty_file_acts_as_the_role(self, project, tmp_path):
        project.configure(
            {
                "trust": {"externalId": "for-profile-1"},
                "trusting": {"accountId": project.accounts.trusting, "region": "eu-west-1"},
            }
        )
        project.up()
        by_hand, written = tmp_path / "by-hand", tmp_path / "home" / ".aws" / "config"
        outputs = project.outputs()
        by_hand.write_text(outputs["awsConfig"])
        done = project.run(
            "python", "-m", "tools", "profile", "--stack", "test", environment={"AWS_CONFIG_FILE": str(written)}
        )
        secret = outputs["secretAccessKey"]
        assert secret not in done.stdout + done.stderr
        assert secret in written.read_text()
        assert (mode(written), mode(written.parent)) == (0o600, 0o700)
        for config in (by_hand, written):
            settings = {"AWS_CONFIG_FILE": str(config)}

            who = project.run("python", "-c", WHO_AM_I, "assume-role-test", environment=settings).stdout
            arn, region = who.split()
            assert arn.startswith(f"arn:aws:sts::{project.accounts.trusting}:assumed-role/Assume-Role-1/")
            assert region == "eu-west-1"

    def test_a_stack_that_is_not_there_is_one_sentence(self, deployed):
        done = deployed.python("-m", "tools", "profile", "--stack", "nosuch", "--file", "config", check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert "nosuch" in done.stderr
        assert not (deployed.path / "config").exists()

    def test_a_file_that_is_no_text_is_one_sentence(self, deployed):
        content = b"\xff\xfe[default]"
        (deployed.path / "binary").write_bytes(content)
        done = deployed.python("-m", "tools", "profile", "--stack", "test", "--file", "binary", check=False)
        assert done.returncode == 1
        assert "\nerror: binary is no text: " in f"\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert (deployed.path / "binary").read_bytes() == content

    def test_a_file_that_aws_tools_cannot_parse_is_written_and_named(self, deployed):
        (deployed.path / "broken").write_text("[profile a]\naws_secret_access_key secret\n")
        done = deployed.python("-m", "tools", "profile", "--stack", "test", "--file", "broken", check=False)
        assert done.returncode == 1
        assert "error: AWS tools refuse all of broken, because of line 2. Correct that, and" in done.stderr
        assert "secret" not in done.stderr
        assert "[profile assume-role-test]" in (deployed.path / "broken").read_text()

    def test_it_starts_without_what_calls_aws(self, deployed):
        started = "import sys; from tools.__main__ import parser_of; parser_of('profile'); print(*sys.modules)"
        modules = deployed.python("-c", started).stdout.split()
        assert "tools.commands.profile" in modules
        assert not {"boto3", "botocore", "rich"} & set(modules)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("[profile a]\n[profile a]\n", "line 2"),
        ("[profile a]\nregion = x\nregion = y\n", "line 3"),
        ("region = secret\n", "line 1"),
        ("[a]\ns3 =\n  secret\n", "a value that is no list of name = value"),
    ],
)
def test_where_aws_tools_cannot_parse_a_file_is_told_without_its_text(tmp_path, broken, why):
    (tmp_path / "config").write_text(broken)
    assert unreadable(tmp_path / "config") == why


class TestWriting:
    """What happens to the file."""

    def test_everybody_elses_lines_stay_to_the_byte_and_the_last_change_is_kept(self, file):
        file.parent.mkdir()
        file.write_bytes(THEIRS.encode())
        file.chmod(0o644)
        done = write_profiles(file, stack="dev", text=TEXT)
        (backup,) = backups(file)
        assert str(backup) in done
        assert backup.read_bytes() == THEIRS.encode()
        assert (mode(file), mode(backup)) == (0o600, 0o600)
        write_profiles(file, stack="other", text=TEXT.replace("dev", "other"))
        before = file.read_bytes()
        write_profiles(file, stack="dev", text=TEXT.replace("us-east-1", "us-west-2"))
        assert (backup.read_bytes(), backups(file)) == (before, [backup])
        content = file.read_bytes().decode()
        assert content.startswith(THEIRS)
        assert content.count("[profile assume-role-dev]") == 1
        assert (content.count("us-west-2"), content.count("region = us-east-1")) == (2, 2)
        assert content.index("dev-user") < content.index("other-user")

    def test_a_second_time_changes_nothing_and_says_so(self, file):
        write_profiles(file, stack="dev", text=TEXT)
        before = file.stat()
        assert "already" in write_profiles(file, stack="dev", text=TEXT)
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert backups(file) == []

    def test_a_link_stays_a_link(self, tmp_path, file):
        real = tmp_path / "dotfiles" / "config"
        real.parent.mkdir()
        real.write_text("[default]\n")
        file.parent.mkdir()
        file.symlink_to(real)
        write_profiles(file, stack="dev", text=TEXT)
        assert file.is_symlink()
        assert "assume-role-dev" in real.read_text()

    @pytest.mark.parametrize(
        "section", ["[profile assume-role-dev]", "[ profile  'assume-role-dev' ]", '[profile "assume-role-dev-user"]']
    )
    def test_a_profile_of_the_same_name_that_is_not_ours_is_kept_and_named(self, file, section):
        file.parent.mkdir()
        file.write_text(f"{section}\nregion = x\n")
        with pytest.raises(FailedError, match="assume-role-dev"):
            write_profiles(file, stack="dev", text=TEXT)
        assert file.read_text() == f"{section}\nregion = x\n"
        assert list(file.parent.iterdir()) == [file]

    def test_damaged_marks_are_not_guessed_at(self, file):
        write_profiles(file, stack="dev", text=TEXT)
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:-1]))
        with pytest.raises(FailedError, match="# end of profiles"):
            write_profiles(file, stack="dev", text=TEXT)
        assert file.read_text() == "".join(lines[:-1])

    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(self, file, monkeypatch):
        file.parent.mkdir()
        file.write_text(THEIRS)

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            write_profiles(file, stack="dev", text=TEXT)
        assert list(file.parent.iterdir()) == [file]

    @pytest.mark.parametrize("kind", ["device", "pipe", "folder", "loop"])
    def test_only_a_regular_file_is_read_or_replaced(self, tmp_path, kind):
        other, file = tmp_path / "other", tmp_path / "config"
        if kind == "pipe":
            os.mkfifo(other)
        elif kind == "folder":
            other.mkdir()
        file.symlink_to({"device": "/dev/zero", "loop": file}.get(kind, other))
        with pytest.raises(OSError, match="Too many levels" if kind == "loop" else "no regular file"):
            write_profiles(file, stack="dev", text=TEXT)
        assert file.is_symlink()
        assert Path("/dev/zero").is_char_device()

    def test_a_profile_of_the_same_name_in_the_credentials_file_is_named(self, tmp_path):
        credentials = tmp_path / "credentials"
        assert overridden(credentials, TEXT) == ""
        assert overridden(Path("/dev/zero"), TEXT) == ""
        credentials.write_text("[default]\n[assume-role-other]\n")
        assert overridden(credentials, TEXT) == ""
        credentials.write_text("[assume-role-dev-user]\naws_access_key_id = x\n")
        assert f"{credentials} has the profiles assume-role-dev-user too" in overridden(credentials, TEXT)

    def test_the_file_is_where_aws_tools_look(self):
        assert config_file({"AWS_CONFIG_FILE": "~/x"}) == Path.home() / "x"
        assert config_file({}) == Path.home() / ".aws" / "config"
