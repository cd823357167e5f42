"""Write a stack's two AWS profiles where AWS tools look for them, so that ``--profile assume-role-NAME`` works.

Usage: python -m tools.profile --stack NAME [--file PATH]. The file is AWS_CONFIG_FILE or ~/.aws/config. Only the lines
between this stack's own two marks are written; the rest of the file stays as it is. Exit code 0: written or already
there, 1: not.
"""

import argparse
import os
import re
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.stack import Outputs, StackError, read_outputs

OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR  # the file holds a secret
FOLDER_OWNER_ONLY = stat.S_IRWXU
SECTION = re.compile(r"^[ \t]*\[[ \t]*(?:profile[ \t]+)?[\"']?(?P<profile>[^\]\"']+?)[\"']?[ \t]*\]", re.MULTILINE)


class ProfileError(Exception):
    """The profiles cannot be written; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the profiles and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.profile", description="Write a stack's AWS profiles to your AWS config file."
    )
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--file", type=Path, help="the config file (default: AWS_CONFIG_FILE or ~/.aws/config)")
    options = parser.parse_args(arguments)
    file: Path = options.file or config_file(os.environ)
    try:
        outputs = read_outputs(options.stack)
        done = write_profiles(file, stack=options.stack, text=_config_text(outputs, options.stack))
    except (StackError, ProfileError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"error: {file} cannot be read or written: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(done)  # noqa: T201
    if outputs.secret_access_key is None:
        print("The key pair is still missing: the stack does not hand it out. The file says how to add it.")  # noqa: T201
    return 0


def config_file(environment: Mapping[str, str]) -> Path:
    """Return the file where AWS tools look for profiles.

    https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
    """
    return Path(environment.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()


def write_profiles(file: Path, *, stack: str, text: str) -> str:
    """Put the profiles of a stack into an AWS config file, in place of those that it wrote before.

    Args:
        file: the config file; where it is a link, what it points to. It and its folder are made if need be.
        stack: name of the stack, which marks its own lines.
        text: the profiles, as the stack's output ``awsConfig``.

    Returns:
        What was done, for the user.

    Raises:
        ProfileError: somebody else's profile has the same name, or the marks of this stack are damaged.
        OSError: the file cannot be read or written.
    """
    file = file.resolve()
    # As bytes: text mode would change the line ends of everybody's lines.
    old = file.read_bytes().decode() if file.exists() else ""
    new = with_profiles(old, stack=stack, text=text, file=file)
    use = f"Use it as: aws --profile assume-role-{stack} sts get-caller-identity"
    if new == old:
        file.chmod(OWNER_ONLY)
        return f"{file} has the profiles of stack {stack} already. {use}"
    file.parent.mkdir(mode=FOLDER_OWNER_ONLY, parents=True, exist_ok=True)
    kept = f", and kept the old file as {_back_up(file, old)}" if old else ""
    _replace(file, new)
    return f"Wrote the profiles of stack {stack} to {file}{kept}. {use}"


def with_profiles(old: str, *, stack: str, text: str, file: Path) -> str:
    """Return the content of a config file with this stack's block put in, or put in place of its last one.

    Raises:
        ProfileError: as ``write_profiles``.
    """
    first, last = (f"# {word} of profiles written by assume-role for stack {stack}" for word in ("begin", "end"))
    block = f"{first}\n{text.strip()}\n{last}\n"
    lines = [line.strip() for line in old.splitlines()]
    marks = (lines.count(first), lines.count(last))
    if marks not in {(0, 0), (1, 1)} or (marks == (1, 1) and lines.index(first) > lines.index(last)):
        raise ProfileError(f"{file} has not one each of the lines '{first}' and '{last}'. Remove what is left.")
    if marks == (1, 1):
        whole = old.splitlines(keepends=True)
        before = "".join(whole[: lines.index(first)])
        after = "".join(whole[lines.index(last) + 1 :])
    else:
        before, after = (f"{old.rstrip()}\n\n" if old.strip() else ""), ""
    theirs = {match["profile"] for match in SECTION.finditer(before + after)}
    taken = sorted(theirs & {match["profile"] for match in SECTION.finditer(text)})
    if taken:
        raise ProfileError(
            f"{file} has profiles that this command did not write: {', '.join(taken)}. Remove or rename them."
        )
    return before + block + after


def _config_text(outputs: Outputs, stack: str) -> str:
    if outputs.aws_config is None:
        raise ProfileError(
            f"Stack {stack} has no active access key, so there is no profile to write. Set the status of a key to "
            f"Active in its configuration (accessKeys), then: make up STACK={stack}"
        )
    return outputs.aws_config.get_secret_value()


def _back_up(file: Path, content: str) -> Path:
    """Keep the content beside the file, under a name that says when, readable by the owner only."""
    backup = file.with_name(f"{file.name}.before-assume-role-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    _replace(backup, content)
    return backup


def _replace(file: Path, content: str) -> None:
    """Write a file whole or not at all. ``mkstemp`` makes it readable by the owner only from the first byte on."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as written:
            written.write(content)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
