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
    """Open what is at ``url``, through the user's proxy if there is one; raise OSError where that cannot be had."""
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
            expected = _checksum(answer.read().decode(), name)
        if expected is None:
            raise LocalError(f"{checksums} has no checksum of {name}, so the Pulumi CLI was not downloaded. {REMEDY}")
        archive = unfinished / "archive"
        for _ in progress(f"Downloading the official Pulumi CLI {folder.name}", _fetch(f"{releases}/{name}", archive)):
            pass
        with archive.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
            if actual != expected:
                raise LocalError(
                    f"{releases}/{name} has the SHA-256 {actual}, and its release says {expected}: not used. {REMEDY}"
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


def _checksum(text: str, name: str | None) -> str | None:
    """Return the SHA-256 of the file ``name`` in lines of a checksum and a name each."""
    lines = (line.split() for line in text.splitlines())
    return next((words[0].lower() for words in lines if words[1:] == [name]), None)


def _fetch(url: str, file: Path) -> Iterator[str]:
    """Write what is at ``url`` to a file, and yield how far it is."""
    with reach(url, TIMEOUT_SECONDS) as answer, file.open("wb") as target:
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(CHUNK_BYTES):
            target.write(chunk)
            yield f"{target.tell() / 1e6:.0f} of {total / 1e6:.0f} MB"


def _unpack(content: BinaryIO, folder: Path) -> None:
    """Write the programs of an archive, which lie in its one folder, into a folder."""
    content.seek(0)
    folder.mkdir()
    with tarfile.open(fileobj=content, mode="r:gz") as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isfile() else None
            if source is None:
                continue
            target = folder / PurePosixPath(member.name).name
            with source, target.open("wb") as program:
                shutil.copyfileobj(source, program)
            target.chmod(0o755)
    if not (folder / "pulumi").exists():
        raise ValueError("there is no program named pulumi in the archive")
