"""`python -m tools stacks PATTERN`: list the stacks that have a file here, as name and `emulated` or `real`."""

import argparse
import json

from components.iam import SIDES
from local import LocalError
from tools.console import Exit, StackError, say
from tools.environment import CHECKOUT, is_emulated, stacks
from tools.stack import managed_sides, section


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the pattern, and the form of the list."""
    parser.add_argument("pattern", nargs="?", default="*", help="of their names, as a shell's: 'customer-*'")
    parser.add_argument(
        "--matrix", action="store_true", help="print those for real AWS, with their accounts, as a matrix of CI jobs"
    )


def run(options: argparse.Namespace) -> Exit:
    """Print a line for each stack, or all in one."""
    names = stacks(options.pattern)
    if options.matrix:
        say(json.dumps({"include": [job(name) for name in names if not is_emulated(name)]}))
    else:
        say(*(f"{name}\t{'emulated' if is_emulated(name) else 'real'}" for name in names))
    return Exit.DONE


def job(stack: str) -> dict[str, object]:
    """Return a stack and the sections of the accounts that it signs in to; null for a half of the other party."""
    try:
        config = CHECKOUT.config(stack)
    except LocalError as error:
        raise StackError(str(error)) from None
    managed = managed_sides(config)
    return {"stack": stack, **{side: section(config, side) if side in managed else None for side in SIDES}}
