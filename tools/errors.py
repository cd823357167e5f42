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
