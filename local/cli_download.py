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
from tempfile import TemporaryDirectory

from local import LocalError
from local.cli import NO_DOWNLOADS
from local.console import follow

PROBE_SECONDS = 3.0  # many machines that build software have no way out: do not wait long for it
TIMEOUT_SECONDS = 60.0  # without a byte
CHUNK_BYTES = 1_000_000
MACHINES = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}
REMEDY = (
    "Try again, install it from https://www.pulumi.com/docs/install, or build it instead: "
    f"set {NO_DOWNLOADS}=true and try again."
)


def archive_name(version: str) -> str | None:
    """Return the name of the release's archive for this machine; None where there is none."""
    system, machine = sys.platform, MACHINES.get(platform.machine().lower())
    return f"pulumi-v{version}-{system}-{machine}.tar.gz" if system in ("linux", "darwin") and machine else None


def is_offered(version: str, site: str) -> bool:
    """Return whether there is a release for this machine, and the download site answers."""
    try:
        with _reach(site, PROBE_SECONDS):
            return archive_name(version) is not None
    except OSError:  # also an answer that is an error
        return False


def download(folder: Path, site: str) -> Path:
    """Download the release that ``folder`` is named after into it, and return the CLI there.

    The folder appears once everything is in it. The checksums come from the same site: they find what was cut off or
    mixed up, not a site that was taken over.

    Raises:
        LocalError: it could not be downloaded, or is not what the release says it is.
    """
    name, releases = archive_name(folder.name), f"{site}/releases/sdk"
    checksums = f"{releases}/pulumi-{folder.name}-checksums.txt"  # https://github.com/pulumi/pulumi/issues/10807
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=folder.parent) as temporary:
            archive, unfinished = Path(temporary, "archive"), Path(temporary, "release")
            with _reach(checksums, TIMEOUT_SECONDS) as answer:
                lines = [line.split() for line in answer.read().decode().splitlines()]
            expected = [words[0].lower() for words in lines if words[1:] == [name]]
            follow(f"Downloading the official Pulumi CLI {folder.name}", _fetch(f"{releases}/{name}", archive))
            with archive.open("rb") as content:
                actual = hashlib.file_digest(content, "sha256").hexdigest()
            if actual not in expected:
                raise LocalError(
                    f"{releases}/{name} has the SHA-256 {actual}, and {checksums} says "
                    f"{' or '.join(expected) or 'nothing of it'}: not used. {REMEDY}"
                )
            _unpack(archive, unfinished / "bin")
            shutil.rmtree(folder, ignore_errors=True)  # as an interrupted installation by other means left it
            unfinished.rename(folder)
    except (OSError, http.client.HTTPException, ValueError, tarfile.TarError) as error:
        raise LocalError(f"The official Pulumi CLI could not be downloaded from {site}: {error}. {REMEDY}") from None
    return folder / "bin" / "pulumi"


def _reach(url: str, seconds: float) -> http.client.HTTPResponse:
    """Open what is at ``url``, through the user's proxy if there is one; raise OSError where that fails."""
    return urllib.request.build_opener().open(url, timeout=seconds)


def _fetch(url: str, file: Path) -> Iterator[str]:
    """Write what is at ``url`` to a file, a megabyte a step."""
    with _reach(url, TIMEOUT_SECONDS) as answer, file.open("wb") as target:
        while chunk := answer.read(CHUNK_BYTES):
            target.write(chunk)
            yield "MB"


def _unpack(archive: Path, folder: Path) -> None:
    """Write the programs of an archive, which lie in its one folder, into a folder."""
    folder.mkdir(parents=True)
    with tarfile.open(archive) as content:
        for member in content:
            if source := content.extractfile(member):
                program = folder / PurePosixPath(member.name).name
                program.write_bytes(source.read())
                program.chmod(0o755)
