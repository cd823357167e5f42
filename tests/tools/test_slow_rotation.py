"""Rotations on a fake clock, killed after each step, while a client calls 20 times a second."""

import functools
import os
from collections import Counter
from random import Random
from types import SimpleNamespace

import pytest

from tests.tools.slow_aws import ModelCaller, SlowCase
from tests.tools.slow_rotation import (
    LONGEST_DELAY,
    Engine,
    KeyAdministrator,
    Machine,
    MachineLostError,
    Person,
    UsedAws,
)
from tools.__main__ import main
from tools.aws.propagation import Delay

COUNT = int(os.environ.get("ROTATIONS") or 100)
SEED = int(os.environ.get("ROTATION_SEED") or 1)
STEPS = ("create", "tried", "handed over", "update", "delete")
MOST_RUNS = 60  # of one rotation
LONGEST_PAUSE = 30.0  # seconds between runs


class Rotations:
    """One stack, rotated again and again."""

    def __init__(self, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - no secret
        self.machine = Machine(self.random)
        self.aws = UsedAws(self.random, machine=self.machine, longest_delay=LONGEST_DELAY, one_administrator=False)
        self.engine = Engine(self.aws)
        person = Person(self.aws, self.engine)
        self.runs, self.killed_after = 0, Counter[str]()
        self.said, self.recoveries = list[str](), 0
        time = {"clock": lambda: self.aws.now, "sleep": self.aws.sleep}
        delay = functools.partial(Delay, **time, today=self.aws.today)
        for name, value in {
            **{
                f"tools.commands.rotate.{name}": getattr(self.engine, name)
                for name in ("read_stack", "read_state", "declare_keys", "preview", "run_visibly")
            },
            "tools.commands.rotate.administrator": lambda *_: ModelCaller(KeyAdministrator(self.aws)),
            "tools.commands.rotate.datetime": SimpleNamespace(now=lambda _: self.aws.today()),
            "tools.rotation.trial.Case": functools.partial(SlowCase, aws=self.aws),
            "tools.rotation.trial.Delay": delay,
            "tools.commands.rotate.Delay": delay,
            "tools.__main__.complain": self.said.append,
            "sys.stdin": person,
            "builtins.input": person.answer,
        }.items():
            patch.setattr(name, value)

    def rotate(self) -> None:
        """Run the tool until it says that the key is rotated, as often as the machine is lost or it says to go on."""
        self.machine.steps.clear()
        quiet = self.random.choice(("0", "0.01"))
        for _ in range(MOST_RUNS):
            self.runs += 1
            self.machine.lost = False
            try:
                if main(["rotate", "--stack", "test", "--quiet-hours", quiet]) == 0:
                    self.killed_after.update(self.machine.steps)
                    return
                if "make up STACK=test" in self.said[-1]:
                    self.recoveries += 1
                    self.engine.recover()
            except MachineLostError:
                pass
            self.aws.sleep(self.random.uniform(0, LONGEST_PAUSE))
        raise AssertionError(self.said)


@pytest.fixture
def rotations(monkeypatch):
    return Rotations(monkeypatch, SEED)


def test_the_client_never_meets_a_key_that_does_not_work(rotations, capsys):
    shown = ""
    for _ in range(COUNT):
        rotations.rotate()
        shown += capsys.readouterr().out
    aws, after = rotations.aws, rotations.killed_after
    assert aws.failures == []
    assert aws.broken == []
    assert "\n  no resource changes, only the outputs\n" in shown
    assert min(after[step] for step in STEPS) > COUNT * 0.8
    # A rotation stops for nothing else.
    reasons = ("when nothing has used it for 0.01 hours", "that the stack does not know", "while it created key")
    assert [text for text in rotations.said if not any(reason in text for reason in reasons)] == []


@pytest.mark.parametrize("module", ["tools.commands.rotate", "tools.rotation.trial"])
def test_a_tool_that_does_not_wait_for_propagation_is_noticed(rotations, module, monkeypatch):
    """The tool as it would be if AWS had only one server."""
    monkeypatch.setattr(f"{module}.Delay", lambda **_: Delay())

    def noticed():
        stopped = any("it is active again" in text for text in rotations.said)
        return bool(rotations.aws.failures) if module == "tools.rotation.trial" else stopped

    for _ in range(COUNT):
        if not noticed():
            rotations.rotate()
    assert noticed()
