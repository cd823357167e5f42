"""`make faults`: every AWS call of every operation, with every fault, and whether one more run recovers from it."""

import os
import resource
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from tests.faults.cases import cases
from tests.faults.operations import OPERATIONS
from tests.faults.trial import Verdict

# One more than the cores: a case that waits for an answer needs none.
WORKERS = (os.cpu_count() or 1) + 1
BAD = (Verdict.NOT, Verdict.NOT_MET)


@pytest.mark.timeout(3 * 3600)
def test_one_more_run_recovers(stage, pytestconfig, capsys):
    chosen = [case for operation in _operations(pytestconfig) for case in _chosen(stage, operation, pytestconfig)]
    assert chosen, "no case is left: see the options"
    outcomes, began = [], time.monotonic()
    pool = ThreadPoolExecutor(WORKERS)
    with capsys.disabled():
        try:
            for future in as_completed([pool.submit(stage.attempt, case) for case in chosen]):
                outcomes.append(outcome := future.result())
                if outcome.verdict in BAD:
                    print(f"\r{outcome}\n")  # noqa: T201 - its purpose
                print(_progress(outcomes, len(chosen), time.monotonic() - began), end="", flush=True)  # noqa: T201
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C ends it too, and what was found until then is printed
            print("\n" + "\n".join(_report(outcomes, time.monotonic() - began)))  # noqa: T201 - as above
    assert not [str(outcome.case) for outcome in outcomes if outcome.verdict in BAD]


def _operations(config):
    return [OPERATIONS[name] for name in OPERATIONS if config.getoption("operation") in (None, name)]


def _chosen(stage, operation, config):
    """Return the cases of an operation that the options leave."""
    chosen = [
        case
        for case in cases(operation, stage.record(operation))
        if config.getoption("fault") in (None, str(case.fault)) and config.getoption("call") in (None, case.step.action)
    ]
    return _each_once(chosen) if config.getoption("each_once") else chosen


def _each_once(chosen):
    """Return a case for each fault, at the call that has had the fewest so far."""
    had = Counter()
    for fault in dict.fromkeys(case.fault for case in chosen):
        case = min((case for case in chosen if case.fault == fault), key=lambda case: had[case.step])
        had[case.step] += 1
        yield case


def _progress(outcomes, count, seconds):
    counted = Counter(outcome.verdict for outcome in outcomes)
    left = seconds / len(outcomes) * (count - len(outcomes)) / 60
    said = ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
    return f"\r{len(outcomes)} of {count} cases: {said}; about {left:.0f} min left   "


def _report(outcomes, seconds):
    yield f"\n{'operation':10}{'fault':14}{'tried':>7}" + "".join(f"{verdict:>19}" for verdict in Verdict)
    kinds = [(outcome.case.operation.name, str(outcome.case.fault)) for outcome in outcomes]
    for kind in dict.fromkeys(sorted(kinds, key=lambda kind: (list(OPERATIONS).index(kind[0]), kind[1]))):
        yield _row(*kind, [outcome for outcome, its in zip(outcomes, kinds, strict=True) if its == kind])
    yield _row("all", "", outcomes)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield f"{seconds / 60:.1f} min, {(used.ru_utime + used.ru_stime) / 60:.1f} min of CPU"


def _row(operation, fault, outcomes):
    counted = Counter(outcome.verdict for outcome in outcomes)
    return f"{operation:10}{fault:14}{len(outcomes):7}" + "".join(
        f"{counted[verdict] or '':>19}" for verdict in Verdict
    )
