"""`make bench FLEET=100`: whether the cost of a stack grows with the number of stacks.

So many stacks stand, each in an account pair of its own, and a fleet runs SAMPLE of them.
"""

import os
from dataclasses import replace

import pytest
import yaml

from bench.bench import cost
from tests.standing import readable_state, stand

FLEET = int(os.environ.get("FLEET") or 10)
SIZES = [size for size in (1, 10, 100, 1000) if size <= FLEET]
SAMPLE = 2


@pytest.fixture
def add_stack(standing, next_accounts, aws_client):
    """Return a function that makes one more stack of the project, deployed, without the seconds of an `up`."""
    state, config = readable_state(standing), yaml.safe_load(standing.stack_file.read_text())

    def add(name):
        project = replace(standing, accounts=next_accounts())
        own = state
        for former in ("urn:pulumi:{}::", "assume-role-{}", "assume-role/{}"):
            own = own.replace(former.format("test"), former.format(name))
        stand(project, own, standing.accounts, aws_client)
        project.state_file.rename(project.state_file.with_name(f"{name}.json"))
        for side in ("trusting", "trusted"):
            config["config"][f"assume-role:{side}"] = {"accountId": getattr(project.accounts, side)}
        (project.path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(config))

    return add


@pytest.mark.timeout(0)
def test_bench_fleet(standing, add_stack, capsys):
    project, stacks = standing.with_own_plugins(), 0
    for size in SIZES:
        while stacks < size:
            add_stack(f"s{stacks:03}")
            stacks += 1
        for command in ("preview", "up", "verify"):
            words = ["fleet", command, "--stacks", f"s00[0-{SAMPLE - 1}]", "--jobs", "1"]
            wall, cpu = cost(lambda words=words: project.run("python", "-m", "tools", *words, timeout=None))
            each = min(size, SAMPLE)
            with capsys.disabled():
                print(f"{size:5} stacks, {command:8} {cpu / each:6.2f} s of CPU, {wall / each:6.2f} s by the clock")  # noqa: T201 - its purpose
