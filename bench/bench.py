"""`make bench`: what each command costs, beside the same resources written naively, and beside Terraform.

All take turns, so that other work on the machine meets all of them; a ratio is the median of the ratios of each round.
"""

import os
import resource
import shutil
import statistics
import subprocess
import time

import pytest

from tests.conftest import ROOT

ROUNDS = int(os.environ.get("ROUNDS") or 5)
STEPS = ("preview", "first up", "no change", "change", "refresh", "make up", "verify", "destroy")
OURS, NAIVE, TERRAFORM = "relationship", "naive program", "Terraform"
# Goals for the time by the clock; `make up` has nothing to change.
GOALS = {"preview": 1.05, "first up": 1.05, "no change": 1.05, "destroy": 1.0, "make up": 1.8}
COMPARED_WITH = {"make up": "no change", "verify": "no change"}  # the step of the others


class Pulumi:
    """A program by Pulumi's commands; `make up` and `verify` are ours alone."""

    def __init__(self, project):
        self.project = project.with_passphrase().with_own_plugins()
        self.steps = {
            "preview": self.project.preview,
            "first up": self.project.up,
            "no change": self.project.up,
            "change": self.change,
            "refresh": lambda: self.project.pulumi("refresh", "--yes", "--skip-preview"),
            "destroy": self.project.destroy,
        }

    def change(self):
        self.project.configure({"role": {"description": "changed"}})
        self.project.up()


def ours(project):
    tool = Pulumi(project)
    tool.steps["make up"] = lambda: tool.project.run("make", "up", "STACK=test")
    tool.steps["verify"] = lambda: tool.project.python("-m", "tools", "verify", "--stack", "test")
    return tool


def naive(project):
    shutil.copy2(ROOT / "bench/naive/__main__.py", project.path)
    return Pulumi(project)


class Terraform:
    """The same relationship by Terraform. TF_PLUGINS names a folder of its providers, else its registry serves them."""

    def __init__(self, folder, endpoint, accounts):
        folder.mkdir()
        shutil.copy2(ROOT / "bench/terraform/main.tf", folder)
        self.folder = folder
        automatic = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", "TF_VAR_endpoint": endpoint}
        ids = {f"TF_VAR_{side}_account_id": getattr(accounts, side) for side in ("trusting", "trusted")}
        self.environment = os.environ | automatic | ids
        apply = ("apply", "-auto-approve")
        self.steps = {
            "preview": lambda: self.run("plan"),
            "first up": lambda: self.run(*apply),
            "no change": lambda: self.run(*apply),
            "change": lambda: self.run(*apply, "-var=description=changed"),
            "refresh": lambda: self.run(*apply, "-refresh-only"),
            "destroy": lambda: self.run("destroy", "-auto-approve"),
        }

    def is_here(self):
        plugins = os.environ.get("TF_PLUGINS")
        try:
            self.run("init", *([f"-plugin-dir={plugins}"] if plugins else []))
        except (FileNotFoundError, subprocess.CalledProcessError):
            return False
        return True

    def run(self, *words):
        subprocess.run(
            ["terraform", *words], cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, check=True
        )


@pytest.fixture
def show(capsys):
    def line(title, *cells):
        with capsys.disabled():
            print(f"{title:24}" + "".join(f"{cell:>16}" for cell in cells))  # noqa: T201 - its purpose

    return line


@pytest.mark.timeout(0)
def test_bench(tmp_path, make_project, next_accounts, emulator, show):
    tools = {
        OURS: ours(make_project(tmp_path / OURS, next_accounts())),
        NAIVE: naive(make_project(tmp_path / NAIVE, next_accounts())),
    }
    terraform = Terraform(tmp_path / TERRAFORM, emulator, next_accounts())
    if terraform.is_here():
        tools[TERRAFORM] = terraform
    else:
        show("\nTerraform is left out: it or its AWS provider is not here. TF_PLUGINS=FOLDER names a folder of that.")
    costs = {(name, step): [] for name in tools for step in STEPS}
    for _ in range(ROUNDS):
        for step in STEPS:
            for name, tool in tools.items():
                if step in tool.steps:
                    costs[name, step].append(cost(tool.steps[step]))
    others = [name for name in tools if name != OURS]
    for index, unit in enumerate(("seconds by the clock", "seconds of CPU")):
        show(f"\n{unit}", *tools, *(f"/ {name}" for name in others), "" if index else "goal")
        for step in STEPS:
            taken = {name: [each[index] for each in costs[name, step]] for name in tools}
            compared = [[each[index] for each in costs[name, COMPARED_WITH.get(step, step)]] for name in others]
            goal = "" if index else GOALS.get(step, "")
            show(step, *map(median, taken.values()), *(ratio(taken[OURS], theirs) for theirs in compared), goal)


def cost(command):
    """Run a command; return its seconds by the clock, and those of CPU of all processes that it starts."""
    before, begin = cpu_seconds(), time.perf_counter()
    command()
    return time.perf_counter() - begin, cpu_seconds() - before


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(seconds):
    return f"{statistics.median(seconds):.2f}" if seconds else "-"


def ratio(ours, theirs):
    return median([one / other for one, other in zip(ours, theirs, strict=True)])
