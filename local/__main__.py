"""`python -m local`: find, download or build the Pulumi CLI beforehand, which can take minutes."""

import os
import sys
from pathlib import Path

from local import LocalError
from local.checkout import Checkout
from local.cli import find_cli
from local.console import say

if __name__ == "__main__":
    try:
        say(f"Pulumi CLI: {find_cli(Checkout(Path(__file__).resolve().parent.parent), os.environ)}")
    except (LocalError, OSError) as error:
        sys.exit(f"error: {error}")
