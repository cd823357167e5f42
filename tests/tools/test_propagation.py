"""A proof while changes propagate through AWS: 500 relationships on a fake clock, then rule by rule."""

import functools
import math
import re
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.tools.slow_aws import DATED, EPOCH, FACTS, KEY, RIGHT, Change, SlowAws, case_of, in_text
from tools import cli
from tools.aws.propagation import Delay
from tools.console import StackError
from tools.engine import Update, change_time, last_change
from tools.proof.case import Check
from tools.proof.checks import all_checks
from tools.proof.report import Proof, Row, Verdict, proven, unknown
from tools.proof.run import SETTLED, prove
from tools.proof.works import positive_checks

RUNS = 500
LONG_AGO, RECENT = (130.0, 900.0), (0.0, 90.0)  # seconds before the proof


def relationship(seed: int) -> tuple[SlowAws, datetime | None]:
    """Return an AWS where a relationship was changed, and when the stack says that it last changed something.

    What was changed by hand has no date but AWS's own; where AWS has none either, it was long ago.
    """
    random = Random(seed)  # noqa: S311 - no secret
    aws = SlowAws(random, now=1000.0)
    how = random.choice(("long ago", "by the stack", "by hand"))
    values = DATED if how == "by hand" else FACTS
    touched = random.sample(sorted(values), random.randint(1, 2))
    for name in FACTS:
        aws.change(name, random.choice(FACTS[name]) if name in touched else RIGHT[name], -1e6)
    moments = sorted(aws.now - random.uniform(*(LONG_AGO if how == "long ago" else RECENT)) for _ in range(3))
    for number, moment in enumerate(moments):
        for name in touched:
            value = RIGHT[name] if number == 2 and seed % 2 else random.choice(values[name])
            aws.change(name, value, moment, administrators_know=how == "by hand")
    return aws, EPOCH + timedelta(seconds=moments[-1]) if how == "by the stack" else None


def delay_of(aws: SlowAws, **more: Any) -> Delay:
    given = {"clock": lambda: aws.now, "sleep": aws.sleep, "today": aws.today, "report": aws.said.append, **more}
    return Delay(**{"seconds": 120.0, "timeout": 120.0, **given})


def proof_of(aws: SlowAws, changed: datetime | None, **more: Any) -> dict[str, Verdict]:
    """Return what a proof says of each check, with a delay as given."""
    delay = delay_of(aws, **more)
    delay.changed(changed)
    case = case_of(aws, delay)
    rows = prove(case, all_checks(case))
    return {"all": report_of(rows).verdict, **{row.check: row.verdict for row in rows}}


def report_of(rows: list[Row]) -> Proof:
    return Proof(stack="test", time=EPOCH, rows=tuple(rows))


@functools.cache
def settled(truth: tuple[tuple[str, Any], ...]) -> dict[str, Verdict]:
    """Return what a proof says where every change has propagated; the verdict on all does not follow from proofs."""
    said = proof_of(SlowAws.settled(dict(truth)), None, seconds=0.0)
    assert said["all"] is (Verdict.PROVEN if dict(truth) == RIGHT else Verdict.DISPROVEN), truth
    return said


def falsehoods(seed: int, *, seconds: float = 120.0, timeout: float = 120.0) -> list[str]:
    """Return where a proof is wrong."""
    aws, changed = relationship(seed)
    said = proof_of(aws, changed, seconds=seconds, timeout=timeout)
    so = settled(tuple(aws.truth().items()))
    return [
        f"seed {seed}: {check} is {said[check]}, and is to be {so[check]}: {in_text(aws.truth())}"
        for check in said
        if said[check] is not so[check] and (said[check] in SETTLED or timeout >= seconds)
    ]


def test_no_proof_is_false_however_slowly_a_change_propagates():
    assert [error for seed in range(RUNS) for error in falsehoods(seed)] == []


def test_the_same_relationships_fool_a_proof_that_does_not_wait():
    errors = [error for seed in range(RUNS) for error in falsehoods(seed, seconds=0.0)]
    for word in ("all is proven", "all is disproven"):
        assert sum(word in error for error in errors) > RUNS / 100, word


def test_a_proof_that_may_not_wait_says_nothing_false():
    assert [error for seed in range(0, RUNS, 10) for error in falsehoods(seed, timeout=20.0)] == []


# One by one


def slow(**changes: tuple[Any, Any, float]) -> SlowAws:
    """Return an AWS at second 1000 where facts changed five seconds before, and every server knows each at a time."""
    aws = SlowAws.settled(RIGHT)
    aws.now = 1000.0
    for name, (before, after, known) in changes.items():
        aws.facts[name] = [Change(-1e6, before, (-1e6,) * 4), Change(995.0, after, (known,) * 4)]
    return aws


def proof_at(aws: SlowAws, changed: float | None, **more: Any) -> dict[str, Row]:
    delay = delay_of(aws, **more)
    if changed is not None:
        delay.changed(EPOCH + timedelta(seconds=changed))
    case = case_of(aws, delay)
    return {row.check: row for row in prove(case, all_checks(case))}


HOLDS = {Verdict.PROVEN, Verdict.WARNING}


def test_a_policy_that_is_too_wide_is_not_proven_before_it_has_propagated():
    aws = slow(**{"role's policy": ("s3", "s3 and iam", 1050.0)})
    rows = proof_at(aws, 995.0)
    assert rows["not allowed"].verdict is Verdict.DISPROVEN
    assert 1115 < aws.now < 1130
    (said,) = aws.said
    assert re.match(r"\d+ of \d+ checks hold. None is final before 00:18:3\d UTC", said)


def test_a_quiet_stack_is_queried_once():
    aws = slow()
    assert {row.verdict for row in proof_at(aws, 800.0).values()} == HOLDS
    assert (aws.said, aws.now < 1015) == ([], True)


def test_after_an_update_what_must_work_is_proven_at_once_and_the_proof_says_when_refusals_are_final():
    aws = slow(**{KEY: ("deleted", "Active", 1007.0)})
    case = case_of(aws, delay_of(aws))
    case.delay.changed(aws.today())
    rows = prove(case, positive_checks(case), final=False)
    assert [row.check for row in rows] == ["key 1", "assume role", "session", "allowed: s3:ListAllMyBuckets"]
    assert {row.verdict for row in rows} == {Verdict.PROVEN}
    assert 1007 < aws.now < 1020


@pytest.mark.parametrize("mfa", [{"SerialNumber": "arn:aws:iam::444455556666:mfa/phone", "TokenCode": "123456"}, {}])
@pytest.mark.parametrize("kind", ["reads", "writes"])
def test_a_check_runs_again_after_the_delay_but_for_a_code_of_mfa_and_what_writes(kind, mfa):
    aws, moments = slow(), list[float]()
    case = case_of(aws, delay_of(aws))
    case.delay.changed(aws.today())
    case.mfa, writes = mfa, kind == "writes"

    def run(_):
        moments.append(aws.now)
        return proven("assumed")

    checks = [Check(name="a", expected="e", run=lambda _: proven("fine"))]
    *_, row = prove(case, [*checks, Check(name="c", expected="e", run=run, writes=writes)])
    late = [] if mfa else [1120.01]
    assert moments == pytest.approx(late if writes else [1000.0, *late])
    assert row.verdict is (Verdict.UNKNOWN if mfa else Verdict.PROVEN)


def test_what_no_waiting_would_settle_is_not_waited_for():
    aws = slow()
    case = case_of(aws, delay_of(aws))
    case.delay.changed(aws.today())
    (row,) = prove(case, [Check(name="c", expected="e", run=lambda _: unknown("silence", ""))])
    assert (row.observed, aws.now) == ("silence", 1000.0)


@pytest.mark.parametrize(("age", "left"), [(0, 120), (30, 90), (119, 1), (120, None), (9e6, None), (-50, 120)])
def test_the_delay_follows_from_what_changed_when(age, left):
    delay = Delay(seconds=120.0, clock=lambda: 7.0, today=lambda: EPOCH)
    delay.changed(EPOCH - timedelta(seconds=age))
    delay.changed(EPOCH - timedelta(seconds=max(age, 0) + 40))  # an older one changes nothing
    delay.changed(None)
    assert delay.until == (-math.inf if left is None else 7.0 + left)


def test_dates_of_aws_are_compared_with_its_own_clock():
    delay = Delay(seconds=120.0, clock=lambda: 0.0, today=lambda: EPOCH)  # this machine is three minutes ahead
    delay.read_clock({"ResponseMetadata": {"HTTPHeaders": {"date": "Wed, 31 Dec 2025 23:57:00 GMT"}}})
    delay.changed(EPOCH - timedelta(seconds=190), by_aws=True)
    assert delay.until == 110.0


# What the stack's updates tell


def at(second: float) -> datetime:
    return EPOCH + timedelta(seconds=second)


def update(start: float, end: float, *, result: str = "succeeded", **changes: int) -> Update:
    entry = {"kind": "update", "startTime": at(start), "endTime": at(end), "result": result}
    return Update.model_validate({**entry, "resourceChanges": changes})


QUIET, BUSY = update(500, 502, same=13), update(100, 105, same=12, delete=1)
FAILED = update(300, 301, result="failed", same=3)


@pytest.mark.parametrize(
    ("written", "modified", "runs", "last"),
    [
        (105.2, [], [BUSY], 105),
        (502.2, [104], [QUIET, BUSY], 105),  # nothing changed at last
        (502.2, [104], [QUIET, FAILED, BUSY], 301),
        (502.2, [], [QUIET], None),
        (502.2, [403], [QUIET, BUSY], 403),  # by an update that was killed before a quiet one
        (600, [], [QUIET, BUSY], 600),  # by one that was killed just now, or goes on
        (600, [], [], 600),
    ],
)
def test_the_last_change_is_told_by_the_updates_and_by_what_killed_ones_have_written(written, modified, runs, last):
    resources = [{"modified": at(second).isoformat()} for second in modified] + [{"urn": "made by an old CLI"}]
    export = {"deployment": {"manifest": {"time": at(written).isoformat()}, "resources": resources}}
    assert change_time(export, runs) == (None if last is None else at(last))


def test_a_cli_that_prints_no_json_is_a_sentence(monkeypatch):
    monkeypatch.setattr(cli, "pulumi", lambda *_: "what")
    with pytest.raises(StackError, match="`pulumi stack export` printed no JSON for stack test"):
        last_change("test", since=EPOCH)
