"""The cases: every call that an operation makes, with everything that can happen to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.operations import run
from tests.proxy import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.conftest import Project
    from tests.faults.operations import Done, Operation
    from tests.proxy import Proxy

# Where nothing is done, it makes no difference whether the fault comes before it or after.
OF_WRITES = (Fault.ERROR_AFTER, Fault.LOSE)
FAULTS = tuple(fault for fault in Fault if fault not in (Fault.NONE, Fault.WAIT, Fault.STOP, Fault.HOLD))


@dataclass(frozen=True)
class Step:
    """A call, by the account that it goes to: the n-th of its kind there."""

    side: str
    action: str
    number: int = 1

    @property
    def reads(self) -> bool:
        return self.action.startswith(("Get", "List"))

    def plan(self, project: Project, proxy: Proxy, fault: Fault) -> None:
        """Plan that a fault happens here."""
        before = [Fault.NONE] * (self.number - 1)
        proxy.plan(self.action, *before, fault, key_id=getattr(project.accounts, self.side))

    def __str__(self) -> str:
        return f"{self.action} in the {self.side} account" + (f", no. {self.number}" if self.number > 1 else "")


@dataclass(frozen=True)
class Case:
    """A fault at a step of an operation."""

    operation: Operation
    step: Step
    fault: Fault

    def happen(self, project: Project, proxy: Proxy) -> Done:
        """Run the operation with the fault."""
        self.step.plan(project, proxy, self.fault)
        agreed = (
            ("YES=1",) if "assume-role:endpoint" not in project.config() and self.operation.command[0] == "make" else ()
        )
        return run(project, *self.operation.command, *agreed)

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.fault} at {self.step}"


def steps(calls: Iterable[tuple[str, str]]) -> Iterator[Step]:
    """Yield the calls of a run, by side and action, that differ: all that change something, a read once a run.

    A read changes nothing, and what asks is the same code in either account and at any time of the run.
    """
    counted: Counter[tuple[str, str]] = Counter()
    read: set[str] = set()
    for side, action in calls:
        counted[side, action] += 1
        step = Step(side, action, counted[side, action])
        if not step.reads or action not in read:
            yield step
        if step.reads:
            read.add(action)


def cases(operation: Operation, calls: Iterable[tuple[str, str]]) -> Iterator[Case]:
    for step in steps(calls):
        yield from (Case(operation, step, fault) for fault in FAULTS if not (step.reads and fault in OF_WRITES))
