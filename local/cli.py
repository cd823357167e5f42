"""The Pulumi CLI of stacks on an emulator: the user's own, else the official download, else built from Go.

`python -m local.cli` gets it beforehand, which can take minutes.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from local import LocalError
from local.checkout import Checkout, user_pulumi_home
from local.console import say
from local.locks import exclusive

# Older ones do not know what this project and its SDK ask for; Pulumi.yaml says the same to plain `pulumi`.
OLDEST_VERSION = (3, 219, 0)
DOWNLOAD_SITE = "https://get.pulumi.com"
# The engine's own switch for "never download anything".
NO_DOWNLOADS = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
BUILD_SECONDS = 3600.0


def find_cli(checkout: Checkout, environment: Mapping[str, str], site: str = DOWNLOAD_SITE) -> Path:
    """Return the CLI to use; download it from ``site`` or build it if there is none.

    Raises:
        LocalError: there is none, and none can be had.
    """
    cache = user_pulumi_home(environment)
    if found := _on_path(checkout, environment) or _cached(cache):
        return found
    from local import cli_build, cli_download  # noqa: PLC0415 - seldom needed, and takes 25 ms

    with exclusive(cache / "built" / "lock", "the Pulumi CLI", timeout=BUILD_SECONDS):
        if found := _cached(cache):  # another process has made it meanwhile
            return found
        may_download = environment.get(NO_DOWNLOADS, "").lower() not in ("1", "true")
        if may_download and cli_download.is_offered(version("pulumi"), site):
            return cli_download.download(cache / "versions" / version("pulumi"), site)
        return cli_build.build(cache / "built", environment)


def program_version(command: list[str], environment: Mapping[str, str]) -> tuple[str, tuple[int, ...]]:
    """Return what a program says when it is asked for its version, and the numbers in that, or none."""
    settings = {**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    said = subprocess.run(command, env=settings, capture_output=True, text=True, check=False).stdout.strip()
    return said, version_numbers(said)


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, as ``v3.274.1`` or ``go1.26.6``; none where it is no version."""
    match = re.match(r"(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(map(int, match.groups(default="0"))) if match else ()


def _cached(cache: Path) -> Path | None:
    """Return the CLI that was downloaded for the installed SDK, else the newest one that was built."""
    downloaded = cache / "versions" / version("pulumi") / "bin" / "pulumi"
    if downloaded.exists():
        return downloaded
    built = {version_numbers(cli.parent.name): cli for cli in cache.glob("built/v*/pulumi")}
    newest = max(built, default=())
    return built[newest] if newest >= OLDEST_VERSION else None


def _on_path(checkout: Checkout, environment: Mapping[str, str]) -> Path | None:
    """Return the user's own CLI if it is new enough; say so if it is not."""
    folders = [folder for folder in environment.get("PATH", "").split(os.pathsep) if Path(folder) != checkout.bin]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    if found is None:
        return None
    said, numbers = program_version([found, "version"], environment)
    if numbers >= OLDEST_VERSION:
        return Path(found)
    oldest = ".".join(map(str, OLDEST_VERSION))
    say(f"Not using {found}: its version is {said or 'unknown'}, older than v{oldest}, which works.")
    return None


if __name__ == "__main__":
    try:
        say(f"Pulumi CLI: {find_cli(Checkout(Path(__file__).resolve().parent.parent), os.environ)}")
    except (LocalError, OSError) as error:
        sys.exit(f"error: {error}")
