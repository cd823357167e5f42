"""`python -m tools env --stack NAME`: print the stack's environment, for a shell to evaluate."""

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping

from tools.cli import pulumi
from tools.console import Exit, say


def run(options: argparse.Namespace) -> Exit:
    """Select the stack and print the lines; a stack for real AWS needs none."""
    pulumi(options.stack, "stack", "select")
    say(*shell_lines(os.environ, options.inherited))
    return Exit.DONE


def shell_lines(environment: Mapping[str, str], inherited: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines with which a shell turns its inherited environment into another one."""
    for name in sorted(inherited.keys() - environment.keys()):
        yield f"unset {shlex.quote(name)}"
    for name, value in environment.items():
        if value != inherited.get(name):
            yield f"export {name}={shlex.quote(value)}"
