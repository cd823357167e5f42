"""`profile`: write a stack's two AWS profiles where AWS tools look for them.

Only the lines between this stack's own two marks are written; the rest of the file stays unchanged.
"""

import argparse
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from components.iam.names import profile_name
from local.environment import users_own
from tools.console import Exit, FailedError, complain, say
from tools.files import read, real_path, write_privately
from tools.stack import Outputs, read_outputs

OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR  # the file holds a secret
SECTION = re.compile(r"^[ \t]*\[[ \t]*(?:profile[ \t]+)?[\"']?(?P<profile>[^\]\"']+?)[\"']?[ \t]*\]", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--file", type=Path, help="the config file (default: AWS_CONFIG_FILE or ~/.aws/config)")


def run(options: argparse.Namespace) -> Exit:
    """Write the profiles."""
    file: Path = options.file or config_file(os.environ)
    outputs = read_outputs(options.stack)
    text = _config_text(outputs, options.stack)
    try:
        say(write_profiles(file, stack=options.stack, text=text))
    except UnicodeDecodeError as error:
        raise FailedError(f"{file} is no text: {error}. Name another file with --file.") from None
    if outputs.secret_access_key is None:
        say("The key pair is still missing: the stack does not hand it out. The file says how to add it.")
    elif warning := overridden(credentials_file(os.environ), text):
        complain(warning)
    if where := unreadable(file):
        complain(f"error: AWS tools refuse all of {file}, because of {where}. Correct that, and the profiles work.")
        return Exit.FAILED
    return Exit.DONE


def config_file(environment: Mapping[str, str]) -> Path:
    """Return the file where AWS tools look for profiles.

    https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
    """
    return Path(users_own(environment, "AWS_CONFIG_FILE") or "~/.aws/config").expanduser()


def credentials_file(environment: Mapping[str, str]) -> Path:
    """Return the file where AWS tools look for keys first."""
    return Path(users_own(environment, "AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def unreadable(file: Path) -> str | None:
    """Return where AWS tools cannot parse a config file, as a section that it has twice; None where they can."""
    from botocore.configloader import load_config  # noqa: PLC0415 - takes 0.2 s, and nothing else here needs it
    from botocore.exceptions import ConfigParseError  # noqa: PLC0415 - as above

    try:
        load_config(str(file))
    except ConfigParseError as error:
        cause: Any = cast("dict[str, Any]", error.kwargs)["error"]  # its text quotes the line, which may be a secret
        line = getattr(cause, "lineno", None) or next((number for number, _ in getattr(cause, "errors", ())), None)
        return f"line {line}" if line else "a value that is no list of name = value"
    return None


def overridden(credentials: Path, text: str) -> str:
    """Return a warning where the credentials file has profiles of the same names; empty where it has not.

    https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
    """
    try:
        same = sorted(profile_names(read(credentials)) & profile_names(text))
    except (OSError, UnicodeDecodeError):  # AWS tools cannot read it either
        return ""
    if not same:
        return ""
    return (
        f"warning: {credentials} has the profiles {', '.join(same)} too, and AWS tools prefer what it says, silently. "
        "Remove them there, or the key that was written just now is not the one that is used."
    )


def profile_names(text: str) -> set[str]:
    """Return the names of the profiles in a config or a credentials file."""
    return {match["profile"] for match in SECTION.finditer(text)}


def write_profiles(file: Path, *, stack: str, text: str) -> str:
    """Put the profiles of a stack into an AWS config file, in place of those that it wrote before.

    Args:
        file: the config file; where it is a link, what it points to. It and its folder are made if need be.
        stack: name of the stack, which marks its own lines.
        text: the profiles, as the stack's output ``awsConfig``.

    Returns:
        What was done, for the user.

    Raises:
        FailedError: a profile of that name is there already, or the marks of this stack are damaged.
        OSError: the file cannot be read or written, or is no regular file.
    """
    file = real_path(file)
    old = read(file) if file.exists() else ""
    new = _with_profiles(old, stack=stack, text=text, file=file)
    use = f"Use it as: aws --profile {profile_name(stack)} sts get-caller-identity"
    if new == old:
        file.chmod(OWNER_ONLY)
        return f"{file} has the profiles of stack {stack} already. {use}"
    kept = ""
    if old:
        # One copy, not one each time: it may hold a secret, the one that was replaced just now.
        backup = file.with_name(f"{file.name}.before-assume-role")
        write_privately(backup, old)
        kept = f", and kept the file as it was, with any secret in it, as {backup}"
    write_privately(file, new)
    return f"Wrote the profiles of stack {stack} to {file}{kept}. {use}"


def _with_profiles(old: str, *, stack: str, text: str, file: Path) -> str:
    """Return the content of a config file with this stack's block put in, or put in place of its last one."""
    first, last = (f"# {word} of profiles written by assume-role for stack {stack}" for word in ("begin", "end"))
    block = f"{first}\n{text.strip()}\n{last}\n"
    lines = [line.strip() for line in old.splitlines()]
    marks = (lines.count(first), lines.count(last))
    if marks not in {(0, 0), (1, 1)} or (marks == (1, 1) and lines.index(first) > lines.index(last)):
        raise FailedError(f"{file} has not one each of the lines '{first}' and '{last}'. Remove what is left.")
    if marks == (1, 1):
        whole = old.splitlines(keepends=True)
        before = "".join(whole[: lines.index(first)])
        after = "".join(whole[lines.index(last) + 1 :])
    else:
        before, after = (f"{old.rstrip()}\n\n" if old.strip() else ""), ""
    if taken := sorted(profile_names(before + after) & profile_names(text)):
        raise FailedError(
            f"{file} has profiles that this command did not write: {', '.join(taken)}. Remove or rename them."
        )
    return before + block + after


def _config_text(outputs: Outputs, stack: str) -> str:
    if "user" not in outputs.managed:
        raise FailedError(f"The other party makes the user of stack {stack}, so it has the key and the profile.")
    if outputs.aws_config is None:
        raise FailedError(
            f"Stack {stack} has no active access key, so there is no profile to write. Set the status of a key to "
            f"Active in its configuration (accessKeys), then: make up STACK={stack}"
        )
    return outputs.aws_config.get_secret_value()
