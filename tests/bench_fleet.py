"""`make bench FLEET=100`: what a stack costs as their number grows, and how many at once this machine takes.

So many stacks stand, each in an account pair of its own, and SAMPLE of them are run: a cost that grew with the number
of all would show in each. What is compared is the CPU time of all processes that a command starts, the engine and its
plugins included: other work on the machine changes it less than the clock. The emulator's own is not in it. Where
Terraform is installed, the same by `bench/terraform/`, a workspace each; TF_PLUGINS names a folder of its providers,
else they come from the registry.
"""

import os
from dataclasses import replace

import pytest
import yaml

from tests.bench import NO_TERRAFORM, Terraform
from tests.measuring import measured
from tests.standing import readable_state, stand

FLEET = int(os.environ.get("FLEET") or 10)
SIZES = [size for size in (1, 10, 100, 1000) if size <= FLEET]
SAMPLE = 2
JOBS = (1, 2, 4)
AT_ONCE = 4  # stacks that are run with each of JOBS
WORKSPACES = 2  # of Terraform: the second shows whether the cost grows


@pytest.fixture
def report(capsys):
    def show(*cells):
        with capsys.disabled():
            print("".join(f"{cell:>12}" if n else f"\n{cell:<26}" for n, cell in enumerate(cells)), end="")  # noqa: T201 - its purpose

    return show


def numbers(cost, stacks):
    return (f"{cost.cpu / stacks:.2f}", f"{cost.wall / stacks:.2f}", f"{cost.memory:.0f}")


@pytest.fixture
def add_stack(standing, next_accounts, aws_client):
    """Return a function that makes one more stack of the project, deployed, without the seconds of an `up`."""
    state, config = readable_state(standing), yaml.safe_load(standing.stack_file.read_text())

    def add(name):
        project = replace(standing, accounts=next_accounts())
        own = state.replace("urn:pulumi:test::", f"urn:pulumi:{name}::").replace(
            "assume-role-test", f"assume-role-{name}"
        )
        stand(project, own.replace("assume-role/test", f"assume-role/{name}"), standing.accounts, aws_client)
        project.state_file.rename(project.state_file.with_name(f"{name}.json"))
        for side in ("trusting", "trusted"):
            config["config"][f"assume-role:{side}"] = {"accountId": getattr(project.accounts, side)}
        (project.path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(config))

    return add


@pytest.mark.timeout(0)
def test_bench_fleet(standing, add_stack, report):
    project, stacks = standing.with_own_plugins(), 0

    def fleet(command, jobs, number):
        words = ["fleet", command, "--stacks", f"s00[0-{number - 1}]", "--jobs", str(jobs)]
        return numbers(measured(lambda: project.run("python", "-m", "tools", *words, timeout=None)), number)

    report("stacks, command, jobs", "CPU s each", "wall s each", "MB in all")
    for size in SIZES:
        while stacks < size:
            add_stack(f"s{stacks:03}")
            stacks += 1
        for command in ("preview", "up", "verify"):
            report(f"{size}, {command}, 1", *fleet(command, 1, min(size, SAMPLE)))
    if stacks >= AT_ONCE:
        for jobs in JOBS:
            report(f"{AT_ONCE} at once, verify, {jobs}", *fleet("verify", jobs, AT_ONCE))


@pytest.mark.timeout(0)
def test_bench_terraform(tmp_path, emulator, next_accounts, report):
    terraform = Terraform(tmp_path, emulator)
    if not terraform.is_here():
        pytest.skip(NO_TERRAFORM)
    report("Terraform, workspaces", "CPU s each", "wall s each", "MB in all")
    for number in range(1, WORKSPACES + 1):
        terraform.use(next_accounts())
        terraform.run("workspace", "new", f"t-{number}")
        for title, step in (("plan, new", "preview"), ("apply, new", "first up"), ("apply, no change", "no change")):
            report(f"{number}, {title}", *numbers(measured(terraform.steps[step]), 1))
