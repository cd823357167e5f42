"""Seeded random scenarios: settings and accounts change, calls fail, commands run, and the invariants still hold."""

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.fuzz.conftest import EXAMPLES
from tests.scenarios import by_hand
from tests.scenarios.other_stack import COMMANDS, NAMES
from tests.scenarios.steps import FAULTS, LAST_CALL, OFTEN, SELDOM, SETTINGS, BrokenError, take

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
LENGTH = 30  # steps of a scenario
SCENARIOS = 3  # of a group in `make test`; the first is Hypothesis's simplest and does nothing
SIMPLEST = ["set", "role.description", None]
GROUPS = 5  # in `make test`, side by side: 300 steps beside the simplest
HOW_OFTEN = ["set"] * 4 + ["by hand"] * 3 + ["fault"] * 2 + ["run"] * 3 + ["other stack"] * 2
STEPS = {
    "set": st.sampled_from([("set", key, value) for key, values in SETTINGS.items() for value in values]),
    "by hand": st.sampled_from([("by hand", what) for what in [*by_hand.CHANGES, *["tidy up"] * 12]]),
    "fault": st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.integers(1, LAST_CALL)),
    "other stack": st.sampled_from(
        [*(("other stack", "name", name) for name in NAMES), *(("other stack", command) for command in COMMANDS)]
    ),
    "run": st.sampled_from([("run", command) for command in [*SELDOM, *OFTEN * 3]]),
}

pytestmark = pytest.mark.timeout(0 if EXAMPLES else 900)


class Scenario(RuleBasedStateMachine):
    """Rules that take a step each, and note it."""

    begin = staticmethod(nullcontext)  # makes a world
    counted: ClassVar[Counter] = Counter()

    def __init__(self):
        super().__init__()
        self.entered = self.world = None
        self.steps = []
        self.counted["scenarios"] += 1

    @rule(step=st.sampled_from(HOW_OFTEN).flatmap(STEPS.get))
    def step(self, step):
        self.take(list(step))

    def take(self, step):
        self.steps.append(step)
        self.counted[step[0]] += 1
        if self.world is None and step == SIMPLEST:
            return
        if self.world is None:
            self.entered = self.begin()
            self.world = self.entered.__enter__()
        try:
            take(self.world, step)
        except BrokenError as error:
            error.add_note(f"As a case, for tests/scenarios/cases:\n{as_case(self.steps)}")
            raise

    def teardown(self):
        if self.world:
            self.counted["had to succeed"] += self.world.obliged
            self.entered.__exit__(None, None, None)


def as_case(steps):
    return "[\n" + ",\n".join(f"  {json.dumps(step)}" for step in steps) + "\n]"


@pytest.mark.parametrize("group", [None] if EXAMPLES else range(GROUPS))
def test_whatever_happens(begin, capsys, group):
    Scenario.begin, Scenario.counted = staticmethod(begin), Counter()
    scenarios = Scenario if group is None else seed(group)(Scenario)  # the same each time
    options = settings(
        max_examples=-(-EXAMPLES // LENGTH) if EXAMPLES else SCENARIOS,
        stateful_step_count=LENGTH,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # each try takes seconds: a person makes the case small
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(scenarios, settings=options)
    finally:
        if EXAMPLES:
            with capsys.disabled():
                print(f"\n{Scenario.counted.total() - Scenario.counted['scenarios']:,} steps: {dict(Scenario.counted)}")  # noqa: T201


@pytest.mark.parametrize("case", CASES, ids=lambda file: file.stem)
def test_a_case_that_once_failed(case, begin):
    with begin() as world:
        for step in json.loads(case.read_text()):
            take(world, step)
