"""`make faults` also kills: all that runs, or a part of it, while a call is on its way or the state is written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.cases import Step, steps
from tests.faults.operations import OPERATIONS, Done, Operation, finish, start
from tests.faults.trial import Verdict
from tests.proxy import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project
    from tests.proxy import Proxy

ROUNDS = 4  # of each victim
STATE_WRITES = 26  # kills while the state is written: 40 in all, as no victim is left out but the language host
LAST_WRITE = 20  # of the state in a first deployment
SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))  # noqa: S311 - no secret
# What stands in the command line of each: of a stand-in, or of the official part.
VICTIMS = {
    "everything": ("",),
    "CLI": ("bin/pulumi ", "pulumi "),
    "AWS plugin": ("local.plugins.aws", "pulumi-resource-aws"),
    "language host": ("local.plugins.language_host", "pulumi-language-python"),
}
# A call may outlive the process that made it, or end with it.
MOMENTS = {Fault.STOP: "before", Fault.WAIT: "just before", Fault.HOLD: "after"}
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Kill:
    """A process is killed during a call of an operation: before AWS does it, just before, or after."""

    operation: Operation
    step: Step
    moment: Fault
    victim: str

    def happen(self, project: Project, proxy: Proxy) -> Done:
        """Run the operation, and kill when the call has arrived."""
        self.step.plan(project, proxy, self.moment)
        process = start(project.with_own_plugins(), *self.operation.command)
        while not proxy.reached.wait(POLL_SECONDS) and process.poll() is None:
            pass
        if proxy.reached.is_set():
            victims = [pid for pid, line in _with_children(process.pid) if _is(self.victim, line)]
            assert victims, f"no {self.victim} runs"
            for pid in victims:
                with suppress(ProcessLookupError):  # it ended because another one did
                    os.kill(pid, signal.SIGKILL)
            proxy.release()
        return finish(process, self.operation.command)

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.victim} killed {MOMENTS[self.moment]} {self.step}"


@dataclass(frozen=True)
class KillAtWrite:
    """All that runs is killed when the engine begins to write the state for the n-th time."""

    operation: Operation
    number: int

    def happen(self, project: Project, _: Proxy) -> Done:
        """Run the operation, and kill at that write, or let it end where it writes less often."""
        process = start(project.with_own_plugins(), *self.operation.command)
        folder, writes, before = project.state_file.parent, 0, set[tuple[str, int]]()
        while writes < self.number and process.poll() is None:
            with suppress(OSError):  # a file that was just renamed
                now = {(each.name, each.stat().st_mtime_ns) for each in folder.iterdir() if each.name.endswith(".tmp")}
                writes, before = writes + len(now - before), now
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        return finish(process, self.operation.command)

    def __str__(self) -> str:
        return f"{self.operation.name}: everything killed at write {self.number} of the state"


def _is(victim: str, line: str) -> bool:
    words = VICTIMS[victim]
    return line.startswith(words) if victim == "CLI" else any(word in line for word in words)


def _with_children(pid: int) -> Iterator[tuple[int, str]]:
    """Yield a process, those that it started, and these in turn, with their command lines."""
    every = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
    listed = subprocess.run(every, capture_output=True, text=True, check=True).stdout
    processes = [line.split(maxsplit=2) for line in listed.splitlines()]
    yield from ((pid, " ".join(line)) for its, _, *line in processes if int(its) == pid)
    parents = {pid}
    while found := [each for each in processes if int(each[1]) in parents and int(each[0]) not in parents]:
        for child, _, *line in found:
            parents.add(int(child))
            yield int(child), " ".join(line)


def kills(operation: Operation, calls: list[tuple[str, str]], chance: random.Random, victim: str) -> Kill:
    """Return a random kill."""
    return Kill(operation, chance.choice(sorted(steps(calls), key=str)), chance.choice(list(MOMENTS)), victim)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_one_more_run_recovers_from_a_kill(stage, capsys):
    chance = random.Random(SEED)  # noqa: S311 - no secret
    # A killed run of plain Pulumi keeps its lock until `pulumi cancel`.
    operations = [name for name in OPERATIONS if name != "plain update"]
    recorded = {name: stage.record(OPERATIONS[name]) for name in operations}
    chosen = [
        kills(OPERATIONS[name], recorded[name], chance, victim)
        for victim in VICTIMS
        for name in chance.choices(operations, k=ROUNDS)
        # The engine destroys and refreshes without the program.
        if victim != "language host" or name not in ("refresh", "destroy")
    ]
    writing = [name for name in operations if name != "preview"]
    chosen += [
        KillAtWrite(OPERATIONS[chance.choice(writing)], chance.randint(1, LAST_WRITE)) for _ in range(STATE_WRITES)
    ]
    outcomes = []
    with capsys.disabled():
        print(f"\nKills of seed {SEED}. Once more: FAULTS_SEED={SEED} make faults")  # noqa: T201 - its purpose
        for kill in chosen:
            outcomes.append(stage.attempt(kill))
            bad = outcomes[-1].verdict in (Verdict.NOT, Verdict.NOT_MET)
            print(outcomes[-1] if bad else f"{kill}: {outcomes[-1].verdict}")  # noqa: T201 - its purpose
    assert not [str(outcome.case) for outcome in outcomes if outcome.verdict in (Verdict.NOT, Verdict.NOT_MET)]
