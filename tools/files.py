"""Files as the tools read and write them: regular files only, never a device or a pipe."""

import errno
import os
import stat
import tempfile
from pathlib import Path


def real_path(file: Path) -> Path:
    """Return the path of a file behind all links: a regular file, or nothing yet.

    Raises:
        OSError: it is something else, as a device, a pipe or a folder, or the links go round in a circle.
    """
    path = Path(os.path.realpath(file))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "This is no regular file but a device, a pipe or a folder. Name another", str(path))
    return path


def read(file: Path) -> str:
    """Return the text of a regular file, line ends as they are.

    Raises:
        OSError: as ``real_path``, or there is none, or it cannot be read.
        UnicodeDecodeError: it is no text.
    """
    return real_path(file).read_bytes().decode()


def write_privately(file: Path, content: str) -> None:
    """Write a file whole or not at all, for its owner only; a link stays a link. Its folder is made if need be.

    Raises:
        OSError: as ``real_path``, or it cannot be written.
    """
    file = real_path(file)
    file.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600 from the first byte on
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as written:
            written.write(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
