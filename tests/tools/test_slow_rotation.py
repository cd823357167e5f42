"""100 rotations on a fake clock, killed after each step, with a client that calls 20 times a second all the while."""

import contextlib
import functools
import re
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.tools.slow_aws import ModelCaller, SlowCase
from tests.tools.slow_rotation import (
    LONGEST_DELAY,
    Engine,
    KeyAdministrator,
    Machine,
    MachineLostError,
    Person,
    WitnessedAws,
)
from tools import engine as tools_engine
from tools import rotate, stack, trial
from tools.__main__ import main
from tools.patience import Patience, Window

ROTATIONS = 100
STEPS = {"create", "tried", "handed over", "update", "delete"}
LONGEST_PAUSE = 30.0  # seconds between runs


class Rotations:
    """One stack, rotated again and again."""

    def __init__(self, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - no secret
        self.machine = Machine(self.random)
        self.aws = WitnessedAws(
            self.random, machine=self.machine, longest_delay=LONGEST_DELAY, one_administrator=False
        )
        self.engine = Engine(self.aws)
        person = Person(self.aws, self.engine)
        self.runs, self.said, self.told = 0, list[str](), list[str]()
        time = {"clock": lambda: self.aws.now, "sleep": self.aws.sleep}
        watch = {"clock": lambda: self.aws.now, "today": self.aws.today}
        for name, value in {
            "tools.stack.pulumi": self.engine.pulumi,
            "tools.engine.pulumi": self.engine.pulumi,
            "tools.rotate.run_visibly": self.engine.run_visibly,
            "tools.rotate.administrator": lambda *_: ModelCaller(KeyAdministrator(self.aws)),
            "tools.rotate.datetime": SimpleNamespace(now=lambda _: self.aws.today()),
            "tools.trial.Case": functools.partial(SlowCase, aws=self.aws),
            "tools.trial.Patience": functools.partial(Patience, **time),
            "tools.trial.Window": functools.partial(Window, **watch),
            "tools.rotate.Patience": functools.partial(Patience, **time),
            "tools.rotate.Window": functools.partial(Window, **watch),
            "tools.__main__.complain": self.said.append,
            "sys.stdin": person,
            "builtins.input": person.answer,
        }.items():
            patch.setattr(name, value)

    def rotate(self) -> None:
        """Run the tool until it says that the key is rotated, as often as the machine is lost or it says to go on."""
        self.machine.steps.clear()
        quiet = self.random.choice(("0", "0.01"))
        for _ in range(60):
            self.runs += 1
            self.machine.lost = False
            try:
                if main(["rotate", "--stack", "test", "--quiet-hours", quiet]) == 0:
                    return
                self.do_as_told()
            except MachineLostError:
                pass
            self.aws.sleep(self.random.uniform(0, LONGEST_PAUSE))
        raise AssertionError(self.said)

    def do_as_told(self) -> None:
        """Delete by hand what the tool may not: a key whose making was interrupted, and nothing tells so any more."""
        if told := re.search(r"delete-access-key --access-key-id (\w+)", self.said[-1]):
            self.told.append(self.said[-1])
            with contextlib.suppress(ClientError, MachineLostError):
                KeyAdministrator(self.aws).delete_access_key(AccessKeyId=told[1])



@pytest.mark.parametrize("seed", [1,2,3,4,5,6])
def test_the_client_never_meets_a_key_that_does_not_work(monkeypatch, seed: int, capsys) -> None:
    rotations = Rotations(monkeypatch, seed)
    from collections import Counter
    ks = Counter()
    for _ in range(ROTATIONS):
        rotations.rotate()
        ks.update(rotations.machine.steps)
    aws = rotations.aws
    capsys.readouterr()
    with capsys.disabled():
        print(len(aws.failures),aws.failures[:3],aws.broken[:2],ks, rotations.runs, rotations.machine.kills, aws.calls, aws.now)
        from collections import Counter
        import re
        for m, n in Counter(re.sub(r"[A-Z]*\d+|\d\d:\d\d", "N", t) for t in rotations.said).most_common(): print(n, m)
        print("TOLD", rotations.told)
    assert (aws.failures, aws.broken) == ([], [])
