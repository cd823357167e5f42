"""The Pulumi CLI of stacks on an emulator: the user's own, else the official download, else built from Go."""

import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from local.checkout import Checkout, user_pulumi_home
from local.cli_build import build, built_version, program_version, version_numbers
from local.cli_download import DOWNLOAD_SITE, NO_DOWNLOADS, archive_name, download, reach
from local.console import say
from local.locks import exclusive

# Older ones do not know what this project and its SDK ask for; Pulumi.yaml says the same to plain `pulumi`.
OLDEST_VERSION = (3, 219, 0)
PROBE_SECONDS = 3.0  # many machines that build software have no way out: do not wait long for it
BUILD_SECONDS = 3600.0


def find_cli(checkout: Checkout, environment: Mapping[str, str], site: str = DOWNLOAD_SITE) -> Path:
    """Return the CLI to use; download it from ``site`` or build it if there is none.

    Raises:
        LocalError: there is none, and none can be had.
    """
    if own := _on_path(checkout, environment):
        return own
    cache = user_pulumi_home(environment)
    downloaded = cache / "versions" / version("pulumi")
    built = cache / "built" / f"v{built_version()}" / "pulumi"
    cached = (downloaded / "bin" / "pulumi", built, *_built_before(built))
    if found := next(filter(Path.exists, cached), None):
        return found
    with exclusive(cache / "built" / "lock", "the Pulumi CLI", timeout=BUILD_SECONDS):
        if found := next(filter(Path.exists, cached), None):  # another process has made it meanwhile
            return found
        if archive_name(downloaded.name) and _can_download(environment, site):
            return download(downloaded, site)
        build(built, environment)
        return built


def _built_before(built: Path) -> list[Path]:
    """Return the CLIs that were built for earlier versions of this project and are new enough, the newest first.

    A build takes minutes.
    """
    others = {version_numbers(cli.parent.name): cli for cli in built.parent.parent.glob("v*/pulumi")}
    return [others[version] for version in sorted(others, reverse=True) if version >= OLDEST_VERSION]


def _can_download(environment: Mapping[str, str], site: str) -> bool:
    """Return whether downloads are wanted and Pulumi's download site answers."""
    if environment.get(NO_DOWNLOADS, "").lower() in ("1", "true"):
        return False
    try:
        with reach(site, PROBE_SECONDS):
            return True
    except OSError:  # also an answer that is an error
        return False


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
