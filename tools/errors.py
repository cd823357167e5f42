"""How a command ends when it does not end well: each error is a sentence for the person, and an exit code."""

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
            where = f" {error.filename}" if error.filename else ""
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
