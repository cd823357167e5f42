"""What the engine starts for a program that uses the package. The `__main__.py` beside Pulumi.yaml is the program."""

import sys
from pathlib import Path

from pulumi.provider import main

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from components.package import Package

main(Package(), sys.argv[1:])
