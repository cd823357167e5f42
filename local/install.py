"""`python3 -I local/install.py LIST STAMP`: install a list of packages into `.venv`, which is made if need be.

pip installs uv, whose version and hashes are in the list; uv installs the rest in a tenth of pip's time. An old Python
runs this file too, to print why it is too old.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
VENV = Path(".venv")
PYTHON = str(VENV / "bin" / "python")
# Settings for other projects, which would lead packages elsewhere, or bring modules of other projects here.
ELSEWHERE = re.compile("PIP_(USER|TARGET|PREFIX|ROOT)|PYTHON(PATH|HOME|USERBASE|DONTWRITEBYTECODE)")
PIP_INSTALL = [PYTHON, "-m", "pip", "install", "--no-user", "--quiet", "--disable-pip-version-check"]


def main(requirements: str, stamp: str, anew: str = "") -> None:
    """Install a list of packages.

    Args:
        requirements: the list, with a hash of each package.
        stamp: the file that is written last, so that an interrupted installation is done again.
        anew: not empty: `.venv` has to be of this very Python.
    """
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"error: this needs Python 3.11 or newer, and {sys.executable} is {version}. "
            "Install it: https://www.python.org/downloads"
        )
    fits = is_venv(sys.version_info[:2] if anew else None)
    if fits and Path(stamp).exists() and Path(stamp).stat().st_mtime >= Path(requirements).stat().st_mtime:
        return
    say(f"Installing the packages of {requirements} into {VENV} (half a minute, once) ...")
    if not fits and not run(sys.executable, "-m", "venv", "--clear", str(VENV)):
        sys.exit(f"error: {VENV} could not be made (see above).")
    only_uv = VENV / "uv.txt"
    uv = re.search(r"^uv==.*\\\n(?:.*\\\n)*.*\n", Path(requirements).read_text(encoding="utf-8"), re.MULTILINE)
    only_uv.write_text(uv.group() if uv else "", encoding="utf-8")
    by_uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes"]
    if not (run(*PIP_INSTALL, "--require-hashes", "-r", str(only_uv)) and run(*by_uv, "-r", requirements)):
        say("uv could not install them (see above). Trying pip, which takes two minutes and prints nothing ...")
        if not run(*PIP_INSTALL, "--require-hashes", "-r", requirements):
            sys.exit(
                f"error: the packages of {requirements} could not be installed (see above). "
                "Check the way to PyPI, then try again."
            )
    # uv leaves byte code out. Of the AWS package, most of which is never loaded, that of what the program loads.
    run(PYTHON, "-m", "compileall", "-q", "-j", "0", "-x", "/pulumi_aws/", str(VENV / "lib"), quiet=True)
    run(PYTHON, "-c", "import components.relationship", quiet=True)
    Path(stamp).touch()


def is_venv(version: "tuple[int, ...] | None") -> bool:
    """Return whether `.venv` works, with that version of Python or, with None, any that is new enough."""
    try:
        printed = subprocess.check_output([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"])
        found = tuple(map(int, printed.split()))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False
    return found == version if version else found >= OLDEST


def run(*command: str, quiet: bool = False) -> bool:
    """Run a command, and return whether it succeeded. Its output goes to standard error: the other is for scripts."""
    environment = {name: value for name, value in os.environ.items() if not ELSEWHERE.fullmatch(name)}
    output = subprocess.DEVNULL if quiet else sys.stderr
    return subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode == 0


def say(text: str) -> None:
    """Print a line for the user."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run the same again.")
