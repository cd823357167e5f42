"""The two judges of who gets in."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local.checkout import Checkout
from local.locks import exclusive
from tests.trust.judges import Emulator

HERE = Path(__file__).parent
FOLDER = Checkout(HERE.parents[1]).state / "second-opinion"
INSTALL_SECONDS = 120.0
INSTALL = ("npm", "ci", "--engine-strict", "--ignore-scripts", "--fetch-retries=0", "--no-audit", "--no-fund")


@pytest.fixture(scope="session")
def emulated(emulator, aws_client):
    return Emulator(emulator, aws_client)


@pytest.fixture(scope="session")
def evaluator():
    """Return the folder of the second opinion, which is fetched once; without Node.js there is none."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("the second opinion on who gets in needs Node.js 18 or newer with npm: https://nodejs.org")
    with exclusive(FOLDER / "lock", "the installation of the second opinion", timeout=INSTALL_SECONDS):
        lock, installed = HERE / "package-lock.json", FOLDER / "installed.json"
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            for file in (lock, HERE / "package.json"):
                shutil.copy(file, FOLDER)
            done = subprocess.run(
                INSTALL, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
            )
            if done.returncode:
                problem = (done.stderr.splitlines() or ["it does not say why"])[0]
                pytest.skip(f"the second opinion on who gets in could not be fetched from npm's registry ({problem})")
            shutil.copy(lock, installed)
    return FOLDER
