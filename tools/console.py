"""How every command talks to a person: lines, questions, what it waits for, and how it ends."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum


class Exit(IntEnum):
    """The exit code of every command."""

    DONE = 0  # or proven
    FAILED = 1  # or disproven
    CANNOT_TELL = 2  # nothing was done
    UNFINISHED = 3  # run it again


class ToolError(Exception):
    """A command ends here; the message says what was wrong, with which value, and what to do."""

    code = Exit.CANNOT_TELL


class StackError(ToolError):
    """The stack or an account could not be read, so nothing was done."""


class FailedError(ToolError):
    """Something failed, or would be unsafe."""

    code = Exit.FAILED


class UnfinishedError(ToolError):
    """The command has to wait; the message says for what, and how to go on."""

    code = Exit.UNFINISHED


def sentence(error: BaseException) -> tuple[str, Exit]:
    """Return the message of an error and the exit code: the one table of both. Anything unexpected is raised again."""
    match error:
        case ToolError():
            return str(error), error.code
        case KeyboardInterrupt():
            return "Interrupted. Run the same again: it goes on where it stopped.", Exit.UNFINISHED
        case OSError():
            file = error.filename2 or error.filename
            where = f" {file}" if file else ""
            return (
                f"This machine did not do it:{where} {error.strerror or error}. Correct that, then run the same again.",
                Exit.FAILED,
            )
        case _:
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - it takes 0.1 s

            if isinstance(error, (BotoCoreError, ClientError)):
                words = str(error).rstrip(".")
                return f"AWS did not do it: {words}. Look at what it says, then run the same again.", Exit.CANNOT_TELL
            raise error


def say(*lines: str) -> None:
    """Print lines, at once: ``pulumi`` writes to the same place."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def complain(*lines: str) -> None:
    """Print lines where output for scripts does not go."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def agreed(question: str, *, yes: bool) -> bool:
    """Ask a question and return whether the answer is yes; ``yes`` answers it. Where nobody can answer, it is no."""
    if yes:
        say(f"{question} [y/N] y (--yes)")
        return True
    if not sys.stdin.isatty():
        say(f"{question} [y/N] n (there is no terminal to ask on; --yes answers)")
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


@contextmanager
def waiting(title: str) -> Generator[Callable[[str], None]]:
    """Give a function that shows what is waited for: in one moving line of a terminal, else a line each."""
    if not sys.stderr.isatty():
        yield complain
        return
    from rich.console import Console  # noqa: PLC0415 - takes 0.1 s, and scripts wait for nothing
    from rich.markup import escape  # noqa: PLC0415 - as above

    with Console(stderr=True, highlight=False, soft_wrap=True).status(title) as status:
        yield lambda message: status.update(escape(message))
