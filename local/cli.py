"""The Pulumi CLI of stacks on an emulator: the user's own, else the official download, else built from Go."""

import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from local import LocalError
from local.checkout import Checkout, user_pulumi_home
from local.console import progress, say
from local.locks import exclusive

# The newest release that Go proxies serve which do not carry the ones after it; it works with the SDK's 3.272.
BUILT_VERSION = "3.259.0"
MODULE = "github.com/pulumi/pulumi"
COMMAND = f"{MODULE}/pkg/v3/cmd/pulumi"
# Older ones do not know what this project and its SDK ask for.
OLDEST_VERSION = (3, 200, 0)
OLDEST_GO = (1, 21)  # from then on, Go fetches the newer toolchain that go.mod asks for
DOWNLOAD_SITE = "https://get.pulumi.com"
PROBE_SECONDS = 3.0  # many machines that build software have no way out: do not wait long for it
BUILD_SECONDS = 3600.0
# The engine's own switch for "never download anything".
NO_DOWNLOADS = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"


def find_cli(checkout: Checkout, environment: Mapping[str, str]) -> Path:
    """Return the CLI to use; download or build it if there is none.

    Raises:
        LocalError: there is none, and none can be had.
    """
    cache = user_pulumi_home(environment)
    if on_path := _on_path(checkout, environment):
        return on_path
    downloaded = cache / "versions" / version("pulumi")
    built = cache / "built" / f"v{BUILT_VERSION}" / "pulumi"
    for cached in (downloaded / "bin" / "pulumi", built):
        if cached.exists():
            return cached
    with exclusive(cache / "built" / "lock", "the Pulumi CLI", timeout=BUILD_SECONDS):
        if built.exists():  # another process has built it meanwhile
            return built
        if can_download(environment):
            return _download(downloaded)
        _build(built, environment)
        return built


def can_download(environment: Mapping[str, str]) -> bool:
    """Return whether downloads are wanted and Pulumi's download site answers."""
    if environment.get(NO_DOWNLOADS, "").lower() in ("1", "true"):
        return False
    try:
        with urllib.request.urlopen(DOWNLOAD_SITE, timeout=PROBE_SECONDS):
            return True
    except OSError:  # also an answer that is an error
        return False


def _on_path(checkout: Checkout, environment: Mapping[str, str]) -> Path | None:
    """Return the user's own CLI if it is new enough; say so if it is not."""
    folders = [folder for folder in environment.get("PATH", "").split(os.pathsep) if Path(folder) != checkout.bin]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    if found is None:
        return None
    said, numbers = _version([found, "version"], environment)
    if numbers >= OLDEST_VERSION:
        return Path(found)
    oldest = ".".join(map(str, OLDEST_VERSION))
    say(f"Not using {found}: its version is {said or 'unknown'}, older than v{oldest}, which works.")
    return None


def _version(command: list[str], environment: Mapping[str, str]) -> tuple[str, tuple[int, ...]]:
    """Return what a program says when it is asked for its version, and the numbers in that, or none."""
    settings = {**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    said = subprocess.run(command, env=settings, capture_output=True, text=True, check=False).stdout.strip()
    match = re.match(r"(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?", said)
    return said, tuple(map(int, match.groups(default="0"))) if match else ()


def _download(folder: Path) -> Path:
    from pulumi.automation import PulumiCommand  # noqa: PLC0415 - takes 0.4 s, of every command

    say(f"Downloading the official Pulumi CLI {folder.name} to {folder} ...")
    try:
        PulumiCommand.install(root=str(folder))
    except Exception as error:  # noqa: BLE001 - the SDK raises whatever went wrong on the way
        raise LocalError(
            f"The official Pulumi CLI could not be downloaded: {error}. Try again, install it from "
            f"https://www.pulumi.com/docs/install, or set {NO_DOWNLOADS}=true to build it instead."
        ) from None
    return folder / "bin" / "pulumi"


def _build(target: Path, environment: Mapping[str, str]) -> None:
    """Build the CLI; an interrupted build leaves nothing at ``target`` and goes on where it was, out of Go's cache."""
    module = Path(__file__).parent / "cli_module"
    go = _go(environment)
    settings = {**environment, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name("pulumi.unfinished")
    say(f"There is no Pulumi CLI, nor a way to download it: building it from its Go module, once, into {target.parent}")
    # Not `go mod download`: that fetches every module of go.mod, and some proxies lack one that no package needs.
    listed = _follow("Fetching its Go modules", [go, "list", "-deps", COMMAND], module, settings)
    packages = sum(not line.startswith("go: ") for line in listed)
    version_flag = f"-X {MODULE}/sdk/v3/go/common/version.Version=v{BUILT_VERSION}"
    command = [go, "build", "-v", "-trimpath", "-ldflags", f"-s -w {version_flag}", "-o", str(unfinished), COMMAND]
    _follow(f"Compiling {packages} packages (3 to 6 minutes on 2 cores)", command, module, settings)
    unfinished.replace(target)
    say(f"Built the Pulumi CLI v{BUILT_VERSION}.")


def _go(environment: Mapping[str, str]) -> str:
    remedy = (
        "Install Pulumi (https://www.pulumi.com/docs/install) or "
        f"Go {'.'.join(map(str, OLDEST_GO))} or newer (https://go.dev/dl), then try again."
    )
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise LocalError(f"There is no Pulumi CLI, {DOWNLOAD_SITE} does not answer, and there is no Go. {remedy}")
    said, numbers = _version([go, "env", "GOVERSION"], environment)
    if numbers < OLDEST_GO:
        raise LocalError(f"{go} is {said or 'broken'}, too old to build the Pulumi CLI. {remedy}")
    return go


def _follow(title: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run a Go command, show how far it is, and return what it said."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for _ in progress(title, _counted(process, lines)):
            pass
    if process.returncode != 0:
        tail = "\n".join(lines[-20:])
        raise LocalError(
            f"`{' '.join(command[:3])}` failed, so there is no Pulumi CLI. Check that this machine reaches a Go module "
            f"proxy (`go env GOPROXY`), then try again. Go said:\n{tail}"
        )
    return lines


def _counted(process: subprocess.Popen[str], lines: list[str]) -> Iterator[str]:
    for line in process.stdout or ():
        lines.append(line.rstrip())
        yield f"{len(lines)}: {lines[-1][:80]}"
