"""`python -m tools outputs --stack NAME`: print the stack's outputs."""

import argparse

from tools.cli import show
from tools.console import Exit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def run(options: argparse.Namespace) -> Exit:
    """Run ``pulumi stack output`` in front of the user."""
    flags = ["--json"] if options.json else []
    return Exit.DONE if show(options.stack, "stack", "output", *flags, *options.arguments) else Exit.FAILED
