"""`python -m tools COMMAND --stack NAME`: what a person does with a stack. `--help` lists the commands."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from tools.console import Exit, ToolError, complain, sentence

COMMANDS: Final[Mapping[str, str]] = {
    "up": "deploy: create or change the relationship, prove it, print its outputs",
    "preview": "show what `up` would change, all policy documents included",
    "outputs": "print the stack's outputs, secrets hidden",
    "destroy": "delete everything that the stack created, in both accounts",
    "verify": "prove that the right one gets in and the wrong one does not",
    "profile": "write the stack's two AWS profiles to your AWS config file",
    "diagram": "draw the deployed relationship as a Mermaid flowchart",
    "adopt": "take over a relationship that was made by hand, under the configured names",
    "handover": "print the other party's stack file, where it makes one of the halves",
    "rotate": "replace the access key without a gap, a step at a time",
    "revoke": "in an emergency: stop every key and every session at once",
    "fleet": "run a command on many stacks, side by side",
    "stacks": "list the stacks that have a file here, and whether their accounts are emulated or real",
    "shell": "start a shell where plain `pulumi` works on the stack",
    "env": 'print that environment for your own shell: eval "$(make -s env)"',
    "down": "stop the emulator; its state is kept",
}
WITHOUT_STACK: Final = frozenset({"fleet", "stacks", "down"})
PASSING_ON: Final = frozenset({"up", "preview", "outputs", "destroy"})  # other arguments are Pulumi's
PACKAGES: Final = "requirements-tools.txt"  # the list of the packages that the tools need
EXIT_CODES: Final = (
    "Exit codes: 0 done or proven; 1 failed or disproven; 2 could not tell, or nothing was done; "
    "3 not finished, run it again."
)


def parser_of(command: str | None) -> argparse.ArgumentParser:
    """Return the parser of the command line; only the module of ``command`` is imported, the others cost nothing."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items() if command is None else [(command, COMMANDS[command])]:
        own = commands.add_parser(
            name,
            help=words.replace("%", "%%"),
            description=f"{words[0].upper()}{words[1:]}." + (" Other arguments are Pulumi's." * (name in PASSING_ON)),
            epilog=EXIT_CODES,
            allow_abbrev=name not in PASSING_ON,
        )
        if name not in WITHOUT_STACK:
            own.add_argument("-s", "--stack", required=True, metavar="NAME", help="name of the stack")
        if name == command:
            module = import_module(f"tools.commands.{name}")
            if hasattr(module, "add_arguments"):
                module.add_arguments(own)
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line. Those that are Pulumi's are its ``arguments``."""
    parser = parser_of(next((word for word in words if word in COMMANDS), None))
    options, arguments = parser.parse_known_args(words)
    if arguments and options.command not in PASSING_ON:
        parser.error(f"unrecognized arguments: {' '.join(arguments)}")
    options.arguments = arguments
    return options


def run(words: Sequence[str]) -> int:
    """Run one command, in the environment of its stack, and return its exit code."""
    options = parse(words)
    options.inherited = dict(os.environ)
    if options.command not in WITHOUT_STACK:
        options.accounts = import_module("tools.environment").enter(options.stack)
    return int(import_module(f"tools.commands.{options.command}").run(options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error becomes a sentence."""
    # Temporary users, roles and buckets are removed when a CI job is cancelled, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        try:
            return run(sys.argv[1:] if arguments is None else arguments)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in ("tools", "local", "components"):
                raise
            raise ToolError(
                f"The Python package {package} is missing. The tools need more packages than the program. "
                f"Install them: {sys.executable} -m pip install -r {PACKAGES}"
            ) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - `sentence` raises again what is no message
        text, code = sentence(error)
        complain(f"error: {text}" if code is not Exit.UNFINISHED else f"Not finished. {text}")
        return code


if __name__ == "__main__":
    sys.exit(main())
