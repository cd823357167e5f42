"""`python -m tools.make COMMAND`: run a command of the tools with the variables of `make` as its arguments.

`make` exports its variables unchanged, so that neither make nor a shell ever evaluates them.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping, MutableMapping
from typing import Final

from tools.__main__ import main
from tools.console import Exit, complain

VARIABLES: Final[Mapping[str, str]] = {"YES": "--yes", "JSON": "--json", "OUTPUT": "--output={}", "JOBS": "--jobs={}"}
# The variables that each command takes, beside STACK and ARGS.
TAKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "up": ("YES",),
    "destroy": ("YES",),
    "adopt": ("YES",),
    "rotate": ("YES",),
    "revoke": ("YES",),
    "outputs": ("JSON",),
    "verify": ("JSON",),
    "diagram": ("OUTPUT",),
    "fleet": ("YES", "JOBS"),
}
# What make sets for itself and for makes below it: nothing of it may reach pulumi, or a make in `make shell`.
OF_MAKE: Final = re.compile(r"MAKE(FLAGS|LEVEL|OVERRIDES|FILES|_TERMOUT|_TERMERR)|MFLAGS|STACKS?|ARGS|COMMAND")


def take_arguments(command: str, environment: MutableMapping[str, str]) -> list[str]:
    """Return the arguments of a command that make's variables stand for, and remove those from the environment.

    Raises:
        ValueError: a quote in ARGS is not closed.
    """
    taken = {name: environment.get(name, "") for name in TAKEN.get(command, ())}
    arguments = environment.get("ARGS", "")
    words = [command]
    if command == "fleet":
        words += [environment.get("COMMAND") or "preview", f"--stacks={environment.get('STACKS') or '*'}"]
    else:
        words += [f"--stack={environment.get('STACK', 'dev')}"]
    if command == "verify":
        words += [f"--save=.local/proof-{environment.get('STACK', 'dev')}.json"]  # for the diagram
    words += [VARIABLES[name].format(value) for name, value in taken.items() if value]
    words += [f"--args={arguments}"] if command == "fleet" else shlex.split(arguments)
    for name in [name for name in environment if OF_MAKE.fullmatch(name) or name in VARIABLES]:
        del environment[name]
    return words


def run(command: str) -> int:
    """Run a command and return its exit code."""
    try:
        words = take_arguments(command, os.environ)
    except ValueError as error:
        complain(f"error: ARGS cannot be split into arguments: {error}. Close each quote, as in: ARGS=\"--name 'a b'\"")
        return Exit.CANNOT_TELL
    code = main(words)
    if code == Exit.UNFINISHED:
        complain("This is no failure, though make reports its exit code 3 as an error.")
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
