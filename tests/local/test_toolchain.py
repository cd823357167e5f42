"""Commands put the plugins where the engine finds them, and leave stacks for real AWS alone."""

import os
import shlex
import subprocess
import sys

import pytest

from local import LocalError
from local.checkout import Checkout
from local.environment import may_have_lost
from local.launchers import place_aws_plugin, place_language_host
from tests.conftest import ROOT
from tests.local.conftest import script
from tools.__main__ import COMMANDS
from tools.environment import Accounts, unattended


class TestPlugins:
    def test_stand_ins_beside_a_built_cli_alone(self, checkout, machine, tmp_path):
        cli = script(tmp_path / "built/pulumi", "")
        folder = checkout.pulumi_home / "plugins"

        place_language_host(checkout, cli, machine)
        place_aws_plugin(checkout, machine)

        hosts = [folder / "language-python-v0.0.0/pulumi-language-python"]
        plugins = [folder / "resource-aws-v7.51.1/pulumi-resource-aws"]
        assert (
            sorted(file for file in folder.rglob("*") if os.access(file, os.X_OK) and file.is_file()) == hosts + plugins
        )
        script(cli.with_name("pulumi-language-python"), "")  # the official one
        place_language_host(checkout, cli, machine)
        assert [file for file in folder.rglob("*") if file.is_file()] == plugins

    def test_the_official_plugin_is_used_as_soon_as_the_user_has_it(self, checkout, machine, tmp_path):
        place_aws_plugin(checkout, machine)
        official = tmp_path / "home/pulumi/plugins/resource-aws-v7.51.1/pulumi-resource-aws"
        official.parent.mkdir(parents=True)
        official.write_bytes(b"\x7fELF")
        unfinished = official.parent.with_name("resource-aws-v7.51.1.partial")  # the engine's mark
        unfinished.touch()
        placed = checkout.pulumi_home / "plugins/resource-aws-v7.51.1/pulumi-resource-aws"

        place_aws_plugin(checkout, machine)
        assert b"local.plugins.aws" in placed.read_bytes()
        unfinished.unlink()
        place_aws_plugin(checkout, machine)
        assert placed.read_bytes() == b"\x7fELF"
        place_aws_plugin(checkout, machine | {"PLUGIN": "stand-in"})
        assert b"local.plugins.aws" in placed.read_bytes()
        place_aws_plugin(checkout, machine | {"PLUGIN": "official"})
        assert placed.read_bytes() == b"\x7fELF"

        official.unlink()
        place_aws_plugin(checkout, machine)
        assert b"local.plugins.aws" in placed.read_bytes()

    def test_an_official_plugin_that_is_a_script_stays(self, checkout, machine):
        official = checkout.pulumi_home / "plugins/resource-aws-v7.51.1/pulumi-resource-aws"
        script(official, "exec bridge")

        place_aws_plugin(checkout, machine)

        assert "exec bridge" in official.read_text()

    @pytest.mark.parametrize(
        ("choice", "says"), [("official", "neither on PATH nor at"), ("best", "'best', and there")]
    )
    def test_a_choice_that_cannot_be(self, checkout, machine, choice, says):
        with pytest.raises(LocalError, match=says):
            place_aws_plugin(checkout, machine | {"PLUGIN": choice})

    @pytest.mark.parametrize("choice", ["", "stand-in"])
    def test_the_engine_loads_the_one_on_path_unless_the_stand_in_is_chosen(self, project, tmp_path, choice):
        bin_, used = tmp_path / "bin", tmp_path / "used"
        words = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "local.plugins.aws"]
        script(bin_ / "pulumi-resource-aws", f"touch {shlex.quote(str(used))}\nexec {shlex.join(words)}")
        cli = (project.path / ".local/pulumi").resolve().parent
        environment = {
            "PATH": os.pathsep.join([str(bin_), str(cli), project.environment["PATH"]]),
            "PULUMI_HOME": str(tmp_path / "home"),
            "PLUGIN": choice,
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "",
        }

        done = project.with_own_plugins().run("make", "preview", "STACK=test", environment=environment)

        assert used.exists() == (not choice)
        said = f"using pulumi-resource-aws from $PATH at {bin_}" in done.stdout + done.stderr
        assert said == (not choice)


@pytest.fixture
def make(tmp_path, machine):
    """Return a function that runs `make` beside a stack for real AWS, with a `pulumi` that only prints."""
    for name in ("Makefile", "requirements.txt", "requirements-tools.txt", "components", "local", "tools"):
        subprocess.run(["cp", "-pr", ROOT / name, tmp_path / name], check=True)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "Pulumi.real.yaml").write_text('config:\n  assume-role:endpoint: ""\n')
    script(tmp_path / "bin" / "pulumi", 'case "$*" in *export*) echo {} ;; *) echo "told: $*" ;; esac')

    def run(*words, environment=None):
        return subprocess.run(
            ["make", *words], cwd=tmp_path, env=environment or machine, capture_output=True, text=True, check=False
        )

    return run


class TestReal:
    """A stack for real AWS runs in what its user has, or it is said what that lacks."""

    def test_gets_the_users_environment_and_nothing_else(self, make, machine, tmp_path):
        script(tmp_path / "bin" / "pulumi", "env")
        environment = machine | {"AWS_PROFILE": "mine", "PULUMI_BACKEND_URL": "s3://mine"}

        done = make("outputs", "STACK=real", environment=environment)

        seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert {name: seen[name] for name in environment} == environment
        assert not {name for name in seen.keys() - environment.keys() if name.startswith(("AWS_", "PULUMI_"))}
        assert not (tmp_path / ".local").exists()

    def test_what_it_lacks(self, make, machine, tmp_path):
        assert make("preview", "STACK=prod").stderr.startswith(
            "error: There is no Pulumi.prod.yaml, so stack prod is not configured here. Configured are: real. "
            "Make a new one as the README says: pulumi stack init prod\n"
        )
        shell = machine | {"PULUMI_HOME": str(tmp_path / ".local/pulumi-home")}
        done = make("up", "STACK=real", environment=shell)
        assert done.stdout == ""
        assert "this shell is set up for emulated stacks. Leave it (exit)" in done.stderr
        (tmp_path / "bin" / "pulumi").unlink()
        assert make("verify", "STACK=real").stderr.startswith(
            "error: Stack real has no endpoint on this machine, so it is for real AWS and needs your own Pulumi CLI, "
            "and there is none on PATH. Install it: https://www.pulumi.com/docs/install\n"
        )
        (tmp_path / "Pulumi.real.yaml").write_text("config: [")
        done = make("up", "STACK=real", "YES=1")
        assert done.stdout == ""
        assert done.stderr.startswith("error: Pulumi.real.yaml cannot be read: while parsing")

    @pytest.mark.parametrize(
        ("name", "value", "refused"),
        [
            ("PULUMI_STACK", "other", True),
            ("PULUMI_OPTION_STACK", "other", True),
            ("PULUMI_STACK", "real", False),
            ("PULUMI_STACK", "", False),
            ("PULUMI_OPTION_CWD", "/", True),
            ("PULUMI_OPTION_CONFIG_FILE", "other.yaml", True),
            ("PULUMI_OPTION_CONFIG", "assume-role:endpoint=", True),
            ("PULUMI_OPTION_COLOR", "never", False),
        ],
    )
    def test_what_leads_pulumi_elsewhere_is_refused(self, make, machine, name, value, refused):
        done = make("destroy", "STACK=real", environment=machine | {name: value})

        assert (done.stdout == "") == (done.returncode != 0) == (f"Remove it: unset {name}\n" in done.stderr) == refused


def test_a_checkout_that_cannot_be_written(make, tmp_path):
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  assume-role:endpoint: http://127.0.0.1:1\n")
    (tmp_path / ".local").touch()

    assert make("preview").stderr.startswith(
        f"error: This machine could not be made ready: [Errno 17] File exists: '{tmp_path}/.local'. "
        f"Is the disk full, or {tmp_path} read-only? Put that right, then try again.\n"
    )


class TestQuestions:
    """`make up` and `make destroy` change only emulated accounts without confirmation."""

    @pytest.mark.parametrize(
        "value",
        [
            *('""', "null", "# http://127.0.0.1:4599", "0", "false", "{}", "[http://127.0.0.1:4599]"),
            *('" http://127.0.0.1:4599"', "{secure: v1:AAAA}", "http://10.0.0.1:4599"),
            *("http://127.0.0.1:1\n  endpoint: http://127.0.0.1:2", "http://127.0.0.1:1\n  endpoint: x"),
        ],
    )
    def test_what_counts_as_real(self, tmp_path, value):
        (tmp_path / "Pulumi.test.yaml").write_text(f"config:\n  assume-role:endpoint: {value}\n")

        assert Checkout(tmp_path).endpoint("test") is None

    @pytest.mark.parametrize(
        ("content", "endpoint"),
        [
            ("config:\n  assume-role:endpoint: 'http://127.0.0.1:1' # here\n", "http://127.0.0.1:1"),
            (
                "config: {assume-role:endpoint: 'http://127.0.0.1:1', endpoint: 'http://127.0.0.1:1'}",
                "http://127.0.0.1:1",
            ),
            ("config:\n  endpoint: http://127.0.0.1:1\n  1: x\n", "http://127.0.0.1:1"),
            ("\ufeffconfig: {assume-role:endpoint: 'http://127.0.0.1:1'}", "http://127.0.0.1:1"),
            ("x: &x {assume-role:endpoint: 'http://127.0.0.1:1'}\nconfig: {<<: *x}", "http://127.0.0.1:1"),
            ("config: [assume-role:endpoint]", None),
            ("", None),
            ("--- text", None),
        ],
    )
    def test_forms_of_a_file(self, tmp_path, content, endpoint):
        (tmp_path / "Pulumi.test.yaml").write_text(content)

        assert Checkout(tmp_path).endpoint("test") == endpoint

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"config:\n\tassume-role:endpoint: x", "found character"),
            (b"config: {a: 2026-13-01}", "month must be in 1..12"),
            (b"[" * 5000, "recursion"),
            (b"\xff\xfe\x00", "codec can't decode"),
        ],
    )
    def test_what_no_file_of_a_stack_is(self, tmp_path, content, reason):
        (tmp_path / "Pulumi.test.yaml").write_bytes(content)

        with pytest.raises(LocalError, match=rf"^Pulumi\.test\.yaml cannot be read: .*{reason}.*\. Correct it\.$"):
            Checkout(tmp_path).endpoint("test")

    @pytest.mark.parametrize(
        ("arguments", "emulated", "yes", "flags"),
        [
            (["--debug", "--continue-on-error"], True, True, ["--yes", "--skip-preview"]),
            (["-c", "assume-role:endpoint="], True, False, []),
            (["--config=assume-role:endpoint="], True, False, []),
            (["-fsprod"], True, False, []),
        ],
    )
    def test_flags(self, arguments, emulated, yes, flags):
        assert unattended(arguments, Accounts(emulated=emulated), yes=yes) == flags

    def test_a_state_of_another_name_may_be_lost(self, tmp_path):
        """As one that was compressed by the user's setting; the next `up` looks, and writes it under its own name."""
        assert may_have_lost(Checkout(tmp_path), "test", "http://127.0.0.1:1")

    def test_real_accounts_are_asked_about(self, make):
        assert "told: up --suppress-outputs --diff --stack real\n" in make("up", "STACK=real", "ARGS=--diff").stdout
        assert make("destroy", "STACK=real").stdout == "told: destroy --stack real\n"
        assert make("destroy", "STACK=real", "YES=1").stdout == "told: destroy --yes --skip-preview --stack real\n"

    def test_an_emulated_stack_asks_if_the_command_overrides_the_endpoint(self, project):
        for target in ("up", "destroy"):
            done = project.run("make", target, "STACK=test", "ARGS=-c assume-role:endpoint=", check=False)

            assert "--yes" in done.stderr
            assert "non-interactive mode" in done.stderr

    @pytest.mark.parametrize("name", ["real prod", "", "../real", "-s"])
    def test_what_is_no_name_of_a_stack(self, make, name):
        done = make("up", f"STACK={name}")

        assert done.stdout == ""
        assert done.stderr.startswith(f"error: {name!r} is no name of a stack: those are made of letters")


class TestVariables:
    """Whatever is in a variable of `make`: nothing evaluates it on its way to Python."""

    @pytest.mark.parametrize(
        "words",
        [
            ["up", "STACK=real; touch odd"],
            ["up", "STACK=real; touch odd", ".SHELLFLAGS=-c"],
            ["up", "STACK=real; touch odd", "SHELL=/bin/bash"],
            ["up", "STACK=real\ntouch odd"],
            ["up", "STACK=$(shell touch odd)real"],
            ["fleet", "STACKS=$(shell touch odd)"],
            ["fleet", "STACKS='; touch odd; '"],
            ["fleet", "STACKS=real", "COMMAND=$$(touch odd)"],
            ["fleet", "STACKS=real", "JOBS=1; touch odd"],
            ["diagram", "STACK=nope", "OUTPUT=x; touch odd"],
            ["verify", "STACK=nope", "ARGS=`touch odd`"],
            ["verify", "STACK=nope", "YES=$(shell touch odd)", "JSON=$(touch odd)"],
        ],
    )
    def test_what_is_refused_runs_nothing(self, make, tmp_path, words):
        script(tmp_path / "bin" / "pulumi", f"touch {tmp_path}/odd")

        done = make(*words)

        assert done.returncode == 2
        assert done.stdout == ""
        assert not (tmp_path / "odd").exists()

    @pytest.mark.parametrize("given", ["command line", "environment"])
    def test_arguments_reach_pulumi_as_they_are(self, make, machine, given):
        text = "ARGS=--target 'urn:pulumi:real::p::a$assume-role' \"-c\" 'a=$(shell b) `c` $$d'"
        words, environment = ([text], machine) if given == "command line" else ([], machine | {"ARGS": text[5:]})

        done = make("preview", "STACK=real", *words, environment=environment)

        told = "told: preview --diff --target urn:pulumi:real::p::a$assume-role -c a=$(shell b) `c` $$d --stack real\n"
        assert done.stdout == told

    def test_help_fits_a_terminal_and_lists_every_command_of_the_tools(self, make):
        lines = make("help").stdout.splitlines()

        assert max(map(len, lines)) <= 80
        assert set(COMMANDS) - {"stacks", "mend"} <= {line.split()[1] for line in lines if line.startswith("  make")}

    def test_mend_says_what_to_use(self, make):
        assert "run `make up`, which recovers by itself, or `make adopt`" in make("mend").stderr

    def test_a_make_that_cannot_pass_them_on_is_refused(self, tmp_path):
        """One older than 3.80 knows no `value`."""
        (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text().replace("$(value ", "$(unknown "))

        done = subprocess.run(["make", "help"], cwd=tmp_path, capture_output=True, text=True, check=False)

        assert "This needs GNU Make 3.81 or newer" in done.stderr


class TestEnvironment:
    def test_what_leads_pulumi_elsewhere_does_not_reach_emulated_stacks(self, project, tmp_path):
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules/yaml.py").write_text("raise SystemExit('another yaml')")
        environment = {
            "PULUMI_STACK": "r2",
            "PULUMI_OPTION_STACK": "r2",
            "PULUMI_OPTION_CWD": "/",
            "PULUMI_OPTION_CONFIG_FILE": "other.yaml",
            "PYTHONPATH": str(tmp_path / "modules"),
            "SHELL": str(script(tmp_path / "shell", "pulumi stack --show-name; pulumi preview --non-interactive")),
        }

        done = project.with_own_plugins().run("make", "shell", "STACK=test", environment=environment)

        assert "works on stack test here" in done.stderr
        assert done.stdout.startswith("test\n")
        assert "+ 13 to create" in done.stdout

    def test_settings_for_real_aws_do_not_reach_the_emulator(self, project):
        environment = {
            "no_proxy": "internal",
            "NO_PROXY": "example.com",
            "AWS_PROFILE": "mine",
            "AWS_ENDPOINT_URL": "http://192.0.2.1",
            "PULUMI_CONFIG_PASSPHRASE": "secret",
            "PULUMI_SELF_MANAGED_STATE_GZIP": "true",
        }

        printed = project.run("make", "-s", "env", "STACK=test", environment=environment).stdout
        done = project.run("sh", "-c", f"{printed}\nenv; pulumi stack --show-name", environment=environment)

        assert all(line.startswith(("export ", "unset ")) for line in printed.splitlines())
        assert done.stdout.endswith("\ntest\n")
        seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        assert "AWS_PROFILE" not in seen
        assert "AWS_ENDPOINT_URL" not in seen
        assert seen["PULUMI_CONFIG_PASSPHRASE"] == ""
        assert seen["PULUMI_SELF_MANAGED_STATE_GZIP"] == "false"
        assert seen["no_proxy"] == seen["NO_PROXY"] == "internal,example.com,localhost,127.0.0.1,::1"

    def test_the_users_aws_files_are_not_read(self, standing, tmp_path):
        """A section that stands twice stops every AWS client; `make profile` writes to the file all the same."""
        config = tmp_path / "config"
        config.write_text("[profile a]\n" * 2)
        users = {"AWS_CONFIG_FILE": str(config)}

        assert "is proven" in standing.run("make", "verify", "STACK=test", environment=users).stdout
        in_a_shell = 'eval "$(make -s env STACK=test)"; make profile STACK=test'
        standing.run("bash", "-c", in_a_shell, environment=users, check=False)  # it says that AWS tools refuse the file

        assert "[profile assume-role-test]" in config.read_text()

    def test_the_users_pulumi_home_is_known_in_a_shell_too(self, project, tmp_path):
        cli = (project.path / ".local/pulumi").resolve().parent
        environment = {
            "PATH": os.pathsep.join([str(cli), project.environment["PATH"]]),
            "PULUMI_HOME": f"{project.environment['PULUMI_HOME']}/.",
            "USERS_PULUMI_HOME": str(tmp_path),
            "PLUGIN": "stand-in",  # the other one lies in the home that is the user's own in all other tests
        }

        done = project.run("bash", "-c", 'eval "$(make -s env STACK=test)"; env', environment=environment)

        assert f"\nPULUMI_HOME={project.environment['PULUMI_HOME']}\n" in done.stdout
        assert f"\nUSERS_PULUMI_HOME={tmp_path}\n" in done.stdout

    def test_a_set_up_checkout_is_clean_to_git(self, project):
        (project.path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
        for command in (["init", "-q"], ["add", "."]):
            project.run("git", *command)
        project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")
        project.up()

        assert project.run("git", "status", "--porcelain").stdout == ""
