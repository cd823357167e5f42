"""The workflows are correct and safe: actionlint and zizmor read them, offline. `make lint` runs these tests too."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = [*sorted((ROOT / ".github/workflows").glob("*.yml")), ROOT / "docs/deploy.yml"]
ACTIONLINT = ("go", "-C", str(ROOT / ".github/actionlint"), "tool", "actionlint")


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing():
    if not shutil.which("go") or run(*ACTIONLINT, "-version").returncode:
        pytest.skip("actionlint needs Go 1.25 or newer, and the Go module proxy once")
    done = run(*ACTIONLINT, "-shellcheck=", *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing():
    done = run(ROOT / ".venv/bin/zizmor", "--offline", "--persona=pedantic", ROOT / ".github", ROOT / "docs/deploy.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_and_its_version_named(workflow):
    uses = re.findall(r"uses: (.*)", workflow.read_text())
    assert uses
    assert [action for action in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []
