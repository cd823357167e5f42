"""A case is tried: the operation with the fault, then what a user does next, each time with a look at all there is."""

from __future__ import annotations

import io
import shutil
import threading
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.faults.aftermath import differences, doubts, resources
from tests.faults.operations import UP, Done, Operation, run, run_on_a_terminal
from tests.proxy import Proxy, proxy_before
from tests.real_like import make_real_like, real_like_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Accounts, Project
    from tests.faults.cases import Case
    from tests.faults.test_kills import Kill, KillAtWrite


class Verdict(StrEnum):
    """How a case ended."""

    AT_ONCE = "recovered at once"  # the run with the fault itself ended well
    BY_THE_NEXT = "by the next run"
    NOT = "not recovered"
    NOT_MET = "not met"  # the run never came to the call


@dataclass
class Outcome:
    """How a case ended, and why."""

    case: Case | Kill | KillAtWrite
    verdict: Verdict
    runs: list[Done]
    faults: list[str]

    def __str__(self) -> str:
        return "\n    ".join([f"{self.case}: {self.verdict}", *map(str, self.runs), *self.faults])


@dataclass
class Stage:
    """Where cases are tried: each with a project and accounts of its own, before the one emulator."""

    emulator: str
    folder: Path
    next_accounts: Callable[[], Accounts]
    make_project: Callable[[Path, Accounts], Project]
    make_standing: Callable[[Path, Accounts], Project]
    aws_client: Callable[..., Any]
    real: bool = False  # the accounts count as real, and a person on a terminal answers
    # URNs after an operation, by its name.
    wanted: dict[str, set[str]] = field(default_factory=lambda: {"destroy": set()})
    lock: threading.Lock = field(default_factory=threading.Lock)  # boto3 makes its clients one at a time

    @contextmanager
    def project(self, operation: Operation) -> Iterator[tuple[Project, Proxy]]:
        """Yield a project that is ready for an operation, and the proxy before its AWS."""
        accounts = self.next_accounts()
        with proxy_before(self.emulator) as proxy:
            with self.lock, redirect_stderr(io.StringIO()):  # it says each time that an emulator runs already
                make = self.make_standing if operation.stands and not self.real else self.make_project
                project = make(self.folder / accounts.trusting, accounts)
            with real_like_plugin(proxy.url) if self.real else nullcontext({}) as plugin:
                if self.real:
                    project = make_real_like(project, plugin, proxy.url)
                operation.configure(project, proxy.url)
                proxy.calls.clear()
                yield project, proxy
        shutil.rmtree(project.path, ignore_errors=True)  # a process may end just now

    def client(self, *arguments: str) -> Any:
        with self.lock:
            return self.aws_client(*arguments)

    def record(self, operation: Operation) -> list[tuple[str, str]]:
        """Run an operation while nothing fails; return its calls by side and action, and keep what it leaves."""
        with self.project(operation) as (project, proxy):
            sides = {project.accounts.trusting: "trusting", project.accounts.trusted: "trusted"}
            # What deploys, without the proof that `make up` asks for besides: that one changes nothing of the stack.
            up = ("pulumi", "up", "--yes", "--skip-preview", "--refresh", "--stack", "test")
            done = run(project, *(up if operation.command == UP else operation.command))
            calls = [(sides[call.key_id], call.action) for call in proxy.calls if call.key_id in sides]
            if operation.name == "preview":  # what the remedy leaves
                done = run(project, *up)
            assert done.went_well, done.said
            self.wanted[operation.name] = {resource["urn"] for resource in resources(project)}
        return sorted(calls)  # both accounts are built at once, in an order of their own each time

    def attempt(self, case: Case | Kill | KillAtWrite) -> Outcome:
        """Try a case."""
        with self.project(case.operation) as (project, proxy):
            done = [case.happen(project, proxy)]
            if proxy.is_due:
                return Outcome(case, Verdict.NOT_MET, done, [])
            proxy.release()
            leaves_something = case.operation.name != "preview"
            if done[0].went_well and leaves_something and not self.faults(project, case.operation, done[-1]):
                return Outcome(case, Verdict.AT_ONCE, done, [])
            remedy = case.operation.remedy
            answered = run_on_a_terminal(project, *remedy, "YES=1", answers="y\n" * 9) if self.real else None
            done.append(answered or run(project, *remedy))
            faults = [] if done[1].went_well else ["the next run did not end well"]
            faults += self.faults(project, case.operation, done[-1])
            if faults:
                return Outcome(case, Verdict.NOT, done, faults)
            at_once = done[0].went_well and not leaves_something
            return Outcome(case, Verdict.AT_ONCE if at_once else Verdict.BY_THE_NEXT, done, [])

    def faults(self, project: Project, operation: Operation, last: Done) -> list[str]:
        """Return all that is not as it must be after an operation whose last command was that."""
        try:
            found = list(differences(project, self.client, self.wanted[operation.name]))
        except ValueError as error:
            found = [f"the state cannot be read: {error}"]
        if operation.name != "destroy":
            found += doubts(project, last)
        return found
