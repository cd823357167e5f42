"""A rotation on a fake clock: an AWS that is eventually consistent, an engine, a machine, a person, a client.

AWS counts a user's keys right whatever its servers know, and changes each key in the order of the calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from tests.tools.slow_aws import (
    KEY,
    LONG_AGO,
    PRINTED,
    RIGHT,
    SERVERS,
    AdministratorClient,
    Change,
    SlowAws,
    fails,
)
from tools.aws.keys import AccessKey
from tools.console import FailedError
from tools.engine import ACCESS_KEY, State
from tools.stack import Outputs

SECONDS_BETWEEN_CALLS = 0.05
LONGEST_DELAY = 20.0  # seconds until a change has propagated
USE_DELAY = 15.0  # seconds until AWS reports a key's use
PREVIEW_SECONDS = UP_SECONDS = 2.0
MOST_KEYS = 2
RANDOM_LOSS = 0.04  # how often the machine is lost where it need not be
NAME = "assume-role-trusted-key-"
URN = f"urn:pulumi:test::assume-role::assume-role:index:TrustedUser${ACCESS_KEY}::{NAME}"


class MachineLostError(BaseException):
    """The process is gone, as by SIGKILL: nothing of it runs any more."""


@dataclass
class Machine:
    """What the tool and the engine run on: lost once after each step of a rotation, and at random anywhere."""

    random: Random
    lost: bool = False
    kills: int = 0
    steps: set[str] = field(default_factory=set)  # of this rotation, after which it was lost

    def passes(self, step: str = "") -> None:
        """Go on, or be lost here; where a step has just ended, it is named."""
        if not self.lost and ((step and step not in self.steps) or self.random.random() < RANDOM_LOSS):
            self.steps.add(step)
            self.lost = True
            self.kills += 1
        if self.lost:
            raise MachineLostError


@dataclass(kw_only=True)
class UsedAws(SlowAws):
    """AWS, and a client that calls it 20 times a second with the newest key that it was handed."""

    machine: Machine
    held: str = KEY
    calls: int = 0
    failures: list[str] = field(default_factory=list)  # of the client's calls
    broken: list[str] = field(default_factory=list)  # what must never be, and was
    uses: dict[str, tuple[float, float]] = field(default_factory=dict)  # of each key, the first and the last

    def __post_init__(self) -> None:
        for name, value in RIGHT.items():
            self.facts[name] = [Change(LONG_AGO, value, (LONG_AGO,) * (SERVERS + 1))]

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        end = self.now + seconds
        while (moment := self.calls * SECONDS_BETWEEN_CALLS) <= end:
            latest = self.facts[self.held][-1]
            if latest.value == "Active" and max(latest.heard) <= moment:  # no call until the end can fail
                self.calls = max(self.calls, int(end / SECONDS_BETWEEN_CALLS))
                moment = self.calls * SECONDS_BETWEEN_CALLS
            self.now = moment
            self.calls += 1
            self.uses[self.held] = (self.uses.get(self.held, (moment, 0))[0], moment)
            if (status := self.known(self.held, int(self.random.random() * SERVERS))) != "Active":
                self.failures.append(f"second {moment:.2f}: {self.held} is {status}")
        self.now = end

    def statuses(self) -> list[str]:
        """Return the status of each key that there is."""
        return [status for key in self.keys if (status := self.facts[key][-1].value) != "deleted"]

    def turn(self, key: str, status: str) -> None:
        """Change a key, and look at what there is then."""
        self.change(key, status, self.now)
        there = self.statuses()
        if "Active" not in there or len(there) > MOST_KEYS:
            self.broken.append(f"second {self.now:.2f}: {key} became {status}: {there}")


@dataclass
class KeyAdministrator(AdministratorClient):
    """What IAM does for the trusted account's administrator: for the tool and for the engine."""

    aws: UsedAws

    def list_access_keys(self, **names: Any) -> Any:
        self.aws.machine.passes()
        return super().list_access_keys(**names)

    def get_access_key_last_used(self, *, AccessKeyId: str) -> Any:  # noqa: N803 - AWS's name
        if self.aws.ask(administrator=True)(AccessKeyId) == "deleted":
            raise fails("NoSuchEntity")
        first, last = self.aws.uses.get(AccessKeyId, (self.aws.now, 0))
        told = min(last, self.aws.now - USE_DELAY)
        return {"AccessKeyLastUsed": {"LastUsedDate": self.aws.date(told)} if first <= told else {}}

    def create_access_key(self) -> str:
        self.aws.ask()
        if len(self.aws.statuses()) >= MOST_KEYS:
            raise fails("LimitExceeded")
        key = f"AKIA{len(self.aws.keys)}"
        self.aws.keys[key] = self.aws.now
        self.aws.facts[key] = [Change(LONG_AGO, "deleted", (LONG_AGO,) * (SERVERS + 1))]
        self.aws.turn(key, "Active")
        return key

    def update_access_key(self, *, AccessKeyId: str, Status: str) -> None:  # noqa: N803 - as above
        self._change(AccessKeyId, Status)

    def delete_access_key(self, *, AccessKeyId: str, **_: Any) -> None:  # noqa: N803 - as above
        self.aws.machine.passes()
        self._change(AccessKeyId, "deleted")

    def _change(self, key: str, status: str) -> None:
        self.aws.ask()
        if self.aws.facts[key][-1].value == "deleted":
            raise fails("NoSuchEntity")
        self.aws.turn(key, status)


@dataclass
class Engine:
    """The Pulumi CLI on a stack that has nothing but access keys.

    As the real engine does, it notes what it begins before AWS hears of it, and what became of it afterwards; it makes
    and changes before it deletes; outputs are written at the end; what was begun and never ended stays noted until
    recovery. Reading takes no time and cannot be killed: it changes nothing.
    """

    aws: UsedAws
    declared: dict[str, str] = field(default_factory=lambda: {"1": "Active"})
    state: dict[str, dict[str, str]] = field(default_factory=lambda: {"1": {"id": KEY, "status": "Active"}})
    begun: list[str] = field(default_factory=list)  # labels of keys
    outputs: dict[str, dict[str, str]] = field(default_factory=lambda: {"1": {"id": KEY, "status": "Active"}})
    written: float = LONG_AGO  # when the state was
    proposed: dict[str, str] = field(default_factory=dict)
    plan: list[tuple[str, str]] = field(default_factory=list)

    def current(self) -> str:
        """Return the id of the key that the outputs hand over."""
        return next(key["id"] for key in reversed(self.outputs.values()) if key["status"] == "Active")

    def read_stack(self, _stack: str) -> tuple[Outputs, dict[str, Any]]:
        handed_out = {label: key | {"secret": "s"} for label, key in self.outputs.items()}
        outputs = Outputs.model_validate(PRINTED | {"accessKeys": handed_out, "accessKeyId": self.current()})
        return outputs, {"accessKeys": [{"label": label, "status": status} for label, status in self.declared.items()]}

    def read_state(self, _stack: str) -> State:
        keys = tuple(AccessKey(label=label, id=key["id"], deployed=key["status"]) for label, key in self.state.items())
        return State(keys=keys, interrupted=frozenset(self.begun), written=self.aws.date(self.written))

    def declare_keys(self, _stack: str, declared: dict[str, str], *flags: str) -> None:
        """Write the stack's file, or with a flag a copy of it."""
        self.proposed = dict(declared)
        if not flags:
            self.aws.machine.passes()
            self.declared = dict(declared)
            self.aws.machine.passes()

    def preview(self, _stack: str, _flag: str, _plan: str, *flags: str) -> list[dict[str, Any]]:
        self.aws.sleep(PREVIEW_SECONDS)
        self.plan = list(self._changes(self.proposed if flags else self.declared))
        return [{"op": op, "urn": URN + label, "diffReasons": ["status"]} for op, label in self.plan]

    def recover(self) -> None:
        """Do what recovery does once a killed deployment has propagated: delete keys that the state does not know."""
        self.aws.sleep(LONGEST_DELAY)
        known = {key["id"] for key in self.state.values()}
        for key in self.aws.keys:
            if key not in known and self.aws.facts[key][-1].value != "deleted":
                self.aws.turn(key, "deleted")
        self.begun = []

    def run_visibly(self, *_: str) -> None:
        """Do what `pulumi up --plan` does to keys."""
        self.aws.machine.passes()
        self.aws.sleep(UP_SECONDS)
        changes = list(self._changes(self.declared))
        if changes != self.plan:
            raise FailedError("the plan is another")
        for operation, label in changes:
            try:
                self._change(operation, label)
            except ClientError as error:
                raise FailedError(f"`pulumi up` failed: {operation} {label}: {error}") from None
        self.outputs = {label: self.state[label] for label in self.declared}
        self._write()
        self.aws.machine.passes(step=" ".join(operation for operation, _ in changes))

    def _changes(self, declared: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Yield what differs from what is declared, in the order in which it is done."""
        for label, status in declared.items():
            if label not in self.state:
                yield "create", label
            elif self.state[label]["status"] != status:
                yield "update", label
        yield from (("delete", label) for label in self.state if label not in declared)

    def _change(self, operation: str, label: str) -> None:
        iam, key = KeyAdministrator(self.aws), self.state.get(label, {})
        if operation == "create":
            self.begun.append(label)
        self._write()
        match operation:
            case "create":
                key = {"id": iam.create_access_key(), "status": "Active"}
            case "update":
                iam.update_access_key(AccessKeyId=key["id"], Status=self.declared[label])
            case _:
                self._delete(iam, key["id"])
        self.aws.machine.passes()
        if operation == "create":
            self.begun.remove(label)
        if operation == "delete":
            del self.state[label]
        else:
            self.state[label] = key | {"status": self.declared[label]}
        self._write()

    def _delete(self, iam: KeyAdministrator, key: str) -> None:
        try:
            iam.delete_access_key(AccessKeyId=key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise

    def _write(self) -> None:
        self.written = self.aws.now
        self.aws.machine.passes()


@dataclass
class Person:
    """Who sits at the terminal, answers yes, and hands the new key to the client when asked whether that is done."""

    aws: UsedAws
    engine: Engine

    def isatty(self) -> bool:
        return True

    def answer(self, question: str) -> str:
        """Return the answer, after a while."""
        hands_over = question.startswith("Has everybody")
        self.aws.machine.passes(step="tried" if hands_over else "")
        self.aws.sleep(self.aws.random.choice((0.0, 1.0, 30.0)))
        if hands_over:
            self.aws.held = self.engine.current()
            self.aws.machine.passes(step="handed over")
        return "y"
