"""`python -m tools preview --stack NAME`: what the next `up` would change, all policy documents included."""

import argparse

from tools.cli import show
from tools.console import Exit


def run(options: argparse.Namespace) -> Exit:
    """Run ``pulumi preview`` in front of the user."""
    return Exit.DONE if show(options.stack, "preview", "--diff", *options.arguments, interactive=True) else Exit.FAILED
