"""`python -m tools down`: stop the emulator of this checkout; its state is kept."""

import argparse

from local import LocalError
from local.emulator import stop
from tools.console import Exit, ToolError, complain
from tools.environment import CHECKOUT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take a stack as other commands do; the checkout has one emulator."""
    parser.add_argument("--stack", help=argparse.SUPPRESS)


def run(_options: argparse.Namespace) -> Exit:
    """Stop it."""
    try:
        stopped = stop(CHECKOUT)
    except LocalError as error:
        raise ToolError(str(error)) from None
    complain("Stopped the emulator; its state is kept." if stopped else "No emulator of this checkout runs.")
    return Exit.DONE
