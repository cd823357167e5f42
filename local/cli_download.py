"""The official Pulumi CLI: downloaded, checked against the checksums of its release, and only then unpacked."""

import hashlib
import http.client
import platform
import shutil
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from local import LocalError
from local.console import progress

DOWNLOAD_SITE = "https://get.pulumi.com"
# The engine's own switch for "never download anything".
NO_DOWNLOADS = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
TIMEOUT_SECONDS = 60.0  # without a byte
CHUNK_BYTES = 1 << 20
SYSTEMS = {"linux": "linux", "darwin": "darwin"}
MACHINES = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}
REMEDY = (
    "Try again, install it from https://www.pulumi.com/docs/install, or build it instead: "
    f"set {NO_DOWNLOADS}=true and try again."
)


def archive_name(version: str) -> str | None:
    """Return the name of the release's archive for this machine; None where there is none."""
    system, machine = SYSTEMS.get(sys.platform), MACHINES.get(platform.machine().lower())
    return f"pulumi-v{version}-{system}-{machine}.tar.gz" if system and machine else None


def reach(url: str, seconds: float) -> http.client.HTTPResponse:
    """Open what is at ``url``, through the user's proxy if there is one; raise OSError where that fails."""
    return urllib.request.build_opener().open(url, timeout=seconds)


def download(folder: Path, site: str) -> Path:
    """Download the release that ``folder`` is named after into it, and return the CLI there.

    The folder appears once everything is in it. The checksums come from the same site: they find what was cut off or
    mixed up, not a site that was taken over.

    Raises:
        LocalError: it could not be downloaded, or is not what the release says it is.
    """
    name, releases = archive_name(folder.name), f"{site}/releases/sdk"
    checksums = f"{releases}/pulumi-{folder.name}-checksums.txt"  # https://github.com/pulumi/pulumi/issues/10807
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        with reach(checksums, TIMEOUT_SECONDS) as answer:
            lines = [line.split() for line in answer.read().decode().splitlines()]
        expected = [words[0].lower() for words in lines if words[1:] == [name]]
        archive = unfinished / "archive"
        for _ in progress(f"Downloading the official Pulumi CLI {folder.name}", _fetch(f"{releases}/{name}", archive)):
            pass
        with archive.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
            if actual not in expected:
                raise LocalError(
                    f"{releases}/{name} has the SHA-256 {actual}, and {checksums} says "
                    f"{' or '.join(expected) or 'nothing of it'}: not used. {REMEDY}"
                )
            _unpack(content, unfinished / "bin")
        archive.unlink()
        shutil.rmtree(folder, ignore_errors=True)  # as an interrupted installation by other means left it
        unfinished.rename(folder)
    except (OSError, http.client.HTTPException, ValueError, tarfile.TarError) as error:
        raise LocalError(f"The official Pulumi CLI could not be downloaded from {site}: {error}. {REMEDY}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder / "bin" / "pulumi"


def _fetch(url: str, file: Path) -> Iterator[str]:
    """Write what is at ``url`` to a file, and yield how far it is."""
    with reach(url, TIMEOUT_SECONDS) as answer, file.open("wb") as target:
        while chunk := answer.read(CHUNK_BYTES):
            target.write(chunk)
            yield f"{target.tell() / 1e6:.0f} MB"


def _unpack(content: BinaryIO, folder: Path) -> None:
    """Write the programs of an archive, which lie in its one folder, into a folder."""
    content.seek(0)
    folder.mkdir()
    with tarfile.open(fileobj=content, mode="r:gz") as archive:
        for member in archive:
            if source := archive.extractfile(member):
                program = folder / PurePosixPath(member.name).name
                with source, program.open("wb") as target:
                    shutil.copyfileobj(source, target)
                program.chmod(0o755)
    if not (folder / "pulumi").exists():
        raise ValueError("there is no program named pulumi in the archive")
