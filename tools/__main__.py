"""`python -m tools COMMAND --stack NAME`: what a person does around a deployed stack. `--help` lists the commands."""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from tools.console import complain
from tools.errors import Exit, ToolError

COMMANDS: Final[Mapping[str, str]] = {
    "verify": "prove that the right one gets in and the wrong one does not",
    "profile": "write the stack's two AWS profiles to your AWS config file",
    "adopt": "take over a relationship that was made by hand, under the configured names",
    "diagram": "draw the deployed relationship as a Mermaid flowchart",
    "rotate": "replace the access key without a gap, a step at a time",
    "revoke": "in an emergency: stop every key and every session at once",
    "fleet": "run a make command on many stacks, side by side",
}
ON_MANY: Final = frozenset({"fleet"})  # these take a pattern of names in place of one name
EXIT_CODES: Final = (
    "Exit codes: 0 done or proven; 1 failed or disproven; 2 could not tell, or nothing was done; "
    "3 not finished, run it again."
)


def parser_of(command: str | None) -> argparse.ArgumentParser:
    """Return the parser of the command line; only the module of ``command`` is imported, the others cost nothing."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        own = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=EXIT_CODES)
        if name not in ON_MANY:
            own.add_argument("--stack", required=True, metavar="NAME", help="name of the stack")
        if name == command:
            import_module(f"tools.commands.{name}").add_arguments(own)
    return parser


def sentence(error: BaseException) -> tuple[str, Exit]:
    """Return what a person is told of an error, and the exit code: the one table of both."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only here, where all is lost already

    match error:
        case ToolError():
            return str(error), error.code
        case KeyboardInterrupt():
            return "Interrupted. Run the same again: it goes on where it stopped.", Exit.UNFINISHED
        case BotoCoreError() | ClientError():
            return f"AWS did not do it: {error}. Look at what it says, then run the same again.", Exit.CANNOT_TELL
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return (
                f"This machine did not do it:{where} {error.strerror or error}. Correct that, then run the same again.",
                Exit.FAILED,
            )
        case _:
            raise error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = parser_of(next((word for word in words if word in COMMANDS), None))
    options = parser.parse_args(words)
    # What a command makes for a moment is removed when a CI job is cancelled, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return int(import_module(f"tools.commands.{options.command}").run(options))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - `sentence` raises again what is no message
        text, code = sentence(error)
        complain(f"error: {text}" if code is not Exit.UNFINISHED else f"Not finished. {text}")
        return code


if __name__ == "__main__":
    sys.exit(main())
