"""`python -m tools shell --stack NAME`: a shell where plain `pulumi` works on the stack."""

import argparse
import os
import signal
import subprocess

from tools.cli import pulumi
from tools.console import Exit, complain


def run(options: argparse.Namespace) -> Exit:
    """Select the stack and start the user's shell."""
    pulumi(options.stack, "stack", "select")
    complain(f"Plain `pulumi` works on stack {options.stack} here. Leave with: exit")
    signal.signal(signal.SIGINT, lambda _number, _frame: None)  # Ctrl-C is meant for what runs in the shell
    subprocess.run([os.environ.get("SHELL") or "/bin/sh"], check=False)
    return Exit.DONE
