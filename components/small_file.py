"""The files that settings name: small, regular ones. A device or a pipe would hold a preview up for ever."""

from pathlib import Path

MAX_BYTES = 1_000_000  # an IAM policy has at most 6,144 characters, an OpenPGP certificate some ten thousand bytes


def read_small_file(file: Path) -> bytes:
    """Return what is in a file.

    Raises:
        ValueError: it is not there, is no regular file, is larger than ``MAX_BYTES``, or may not be read; the text
            says which, to stand in brackets.
    """
    # Looked at before it is opened: opening a pipe waits for whoever writes into it.
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise ValueError("it is not a regular file")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror) from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    return content
