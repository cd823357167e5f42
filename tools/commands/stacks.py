"""`python -m tools stacks PATTERN`: list the stacks that have a file here, as name and `emulated` or `real`."""

import argparse

from tools.console import Exit, say
from tools.environment import is_emulated, stacks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the pattern."""
    parser.add_argument("pattern", nargs="?", default="*", help="of their names, as a shell's: 'customer-*'")


def run(options: argparse.Namespace) -> Exit:
    """Print a line for each stack."""
    say(*(f"{name}\t{'emulated' if is_emulated(name) else 'real'}" for name in stacks(options.pattern)))
    return Exit.DONE
