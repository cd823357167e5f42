"""`make bench`: what each command costs, beside an empty program on the same engine, and beside Terraform.

All take turns, so that what else the machine does meets all of them; ratios are of one round. Where Terraform is
installed, it makes the same relationship (`bench/terraform/`) on the same emulator. TF_PLUGINS names a folder of its
providers; without it they come from the registry.
"""

import os
import shutil
import statistics
import subprocess
from collections import Counter
from pathlib import Path

import pygal
import pytest
from pygal.style import CleanStyle

from tests.conftest import ROOT
from tests.measuring import measured

ROUNDS = int(os.environ.get("ROUNDS") or 5)
PLOT = Path(os.environ.get("OUTPUT") or ROOT / ".local/performance.svg")
STEPS = ("preview", "first up", "no change", "make up", "change", "refresh", "verify", "destroy")
OURS, EMPTY, TERRAFORM = "relationship", "empty program", "Terraform"
READS = ("Get", "List")
NO_TERRAFORM = "Terraform is left out: it or its AWS provider is not here. TF_PLUGINS=FOLDER names a folder of that."


class Pulumi:
    """The relationship, or whatever the program says, by Pulumi's commands; `verify` and `make up` are ours alone."""

    def __init__(self, project, *, program=None):
        self.project = project.with_own_plugins()
        if program is not None:
            (project.path / "__main__.py").write_text(program)
        self.steps = {
            "preview": self.project.preview,
            "first up": self.project.up,
            "no change": self.project.up,
            "change": self.project.up if program else self.change,
            "refresh": lambda: self.project.pulumi("refresh", "--yes", "--skip-preview"),
            "destroy": self.project.destroy,
        }
        if program is None:
            self.steps["verify"] = lambda: self.project.python("-m", "tools", "verify", "--stack", "test")
            self.steps["make up"] = lambda: self.project.run("make", "up", "STACK=test")

    def change(self):
        self.project.configure({"role": {"description": "changed"}})
        self.project.up()
        self.project.configure({"role": None})

    def look(self, proxy):
        self.project.configure({"endpoint": proxy.url})


class Terraform:
    """The same relationship by Terraform, in an empty folder."""

    def __init__(self, folder, endpoint):
        folder.mkdir(exist_ok=True)
        shutil.copy2(ROOT / "bench/terraform/main.tf", folder)
        self.folder = folder
        automatic = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        self.environment = os.environ | automatic | {"TF_VAR_endpoint": endpoint}
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
        """Return whether Terraform and its AWS provider are, and make the folder ready for them."""
        plugins = os.environ.get("TF_PLUGINS")
        try:
            self.run("init", *([f"-plugin-dir={plugins}"] if plugins else []))
        except (FileNotFoundError, subprocess.CalledProcessError):
            return False
        return True

    def use(self, accounts):
        for side in ("trusting", "trusted"):
            self.environment[f"TF_VAR_{side}_account_id"] = getattr(accounts, side)

    def run(self, *words):
        subprocess.run(
            ["terraform", *words], cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, check=True
        )

    def look(self, proxy):
        self.environment["TF_VAR_endpoint"] = proxy.url


@pytest.fixture
def show(capsys):
    def line(title, *cells):
        with capsys.disabled():
            print(f"{title:34}" + "".join(f"{cell:>15}" for cell in cells))  # noqa: T201 - its purpose

    return line


@pytest.mark.timeout(0)
def test_bench(tmp_path, make_project, next_accounts, proxy, show):
    all_of_them = {
        EMPTY: Pulumi(make_project(tmp_path / EMPTY, next_accounts()), program="import pulumi\n"),
        OURS: Pulumi(make_project(tmp_path / OURS, next_accounts())),
    }
    terraform = Terraform(tmp_path / TERRAFORM, proxy.emulator)
    if terraform.is_here():
        terraform.use(next_accounts())
        all_of_them[TERRAFORM] = terraform
    else:
        show(f"\n{NO_TERRAFORM}")
    costs = {(name, step): [] for name, tool in all_of_them.items() for step in STEPS if step in tool.steps}
    for _ in range(ROUNDS):
        for step in STEPS:
            for name, tool in all_of_them.items():
                if step in tool.steps:
                    costs[name, step].append(measured(tool.steps[step]))

    show(f"\nmedians of {ROUNDS} rounds", *all_of_them, *(f"/ {name}" for name in all_of_them if name != OURS))
    for what in ("cpu", "wall"):
        for step in STEPS:
            taken = {name: [getattr(cost, what) for cost in costs.get((name, step), [])] for name in all_of_them}
            ratios = [ratio(taken[OURS], taken[name]) for name in all_of_them if name != OURS]
            show(f"{step}, seconds{' of CPU' if what == 'cpu' else ''}", *map(middle, taken.values()), *ratios)
    for name, tool in all_of_them.items():
        look_at(name, tool, proxy, show)
    draw(all_of_them, costs)
    show(f"\nThe plot: {PLOT}")


def middle(seconds):
    return f"{statistics.median(seconds):.2f}" if seconds else "-"


def ratio(ours, theirs):
    """Return the median of the ratios of each round."""
    return f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}" if theirs else "-"


def look_at(name, tool, proxy, show):
    """Go through the steps once more, through the proxy, and tell what they ask of AWS and how large they become."""
    tool.look(proxy)
    show(f"\n{name}", "writes", "reads", "other calls", "MB at once")
    largest = {}
    for step in STEPS:
        if step in tool.steps:
            proxy.calls.clear()
            cost = measured(tool.steps[step])
            kinds = Counter(kind(call) for call in proxy.calls)
            show(f"  {step}", kinds["write"], kinds["read"], kinds["other"], f"{cost.memory:.0f}")
            for command, memory in cost.largest.items():
                largest[process(command)] = max(largest.get(process(command), 0), memory)
    for title, memory in sorted(largest.items(), key=lambda item: -item[1]):
        show(f"  the largest {title}", "", "", "", f"{memory:.0f}")


def kind(call):
    if call.service != "iam":
        return "other"
    return "read" if call.action.startswith(READS) else "write"


def process(command):
    """Return what a process is, by its command line."""
    kinds = {
        "terraform-provider-aws": "Terraform's AWS provider",
        "terraform": "Terraform",
        "local.plugins.aws": "AWS plugin",
        "language_host": "language host",
        "tools": "python -m tools",
        "bin/pulumi": "Pulumi CLI",
        "pulumi": "Pulumi CLI",
    }
    return next((title for part, title in kinds.items() if part in command), "others")


def draw(all_of_them, costs):
    """Draw the medians by the clock."""
    chart = pygal.HorizontalBar(js=[], style=CleanStyle, legend_at_bottom=True, x_title="seconds", print_values=True)
    chart.title = f"What a command takes (medians of {ROUNDS} rounds)"
    chart.x_labels = STEPS
    for name in all_of_them:
        taken = [costs.get((name, step)) for step in STEPS]
        chart.add(name, [round(statistics.median(cost.wall for cost in each), 2) if each else None for each in taken])
    PLOT.parent.mkdir(exist_ok=True)
    chart.render_to_file(str(PLOT))
