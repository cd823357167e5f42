"""The workflows are correct and safe: actionlint and zizmor read them, offline. `make lint` runs these tests too."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ACTIONLINT = ("go", "-C", str(ROOT / ".github/actionlint"), "tool", "actionlint")
# `$/` instead of `./` is for runners since 2.336 only, and actionlint does not know it yet.
ZIZMOR = "rules:\n  self-repository:\n    disable: true\n"
FILES = [*sorted((ROOT / ".github/workflows").glob("*.yml")), *sorted((ROOT / "examples/ci").rglob("*.yml"))]


@pytest.fixture(params=[".github", "examples/ci"])
def repository(request, tmp_path):
    """Return a repository with these files as its own: they call each other by their places in `.github`."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(ROOT / request.param, tmp_path / ".github")
    return tmp_path


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing(repository):
    if not shutil.which("go") or run(*ACTIONLINT, "-version").returncode:
        pytest.skip("actionlint needs Go 1.25 or newer, and the Go module proxy once")
    workflows = sorted((repository / ".github/workflows").glob("*.yml"))
    done = run(*ACTIONLINT, "-shellcheck=", *workflows)
    assert workflows
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing(repository):
    config = repository / "zizmor.yml"
    config.write_text(ZIZMOR)
    zizmor = ROOT / ".venv/bin/zizmor"
    done = run(zizmor, "--offline", "--persona=pedantic", "--config", config, repository / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_action_is_pinned_and_its_version_named(file):
    uses = [action for action in re.findall(r"uses: (.*)", file.read_text()) if not action.startswith("./.github/")]
    assert uses
    assert [action for action in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []
