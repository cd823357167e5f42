"""`make faults`: every AWS call of every operation, with every fault, and whether one more run recovers from it."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from tests.faults.cases import cases
from tests.faults.operations import OPERATIONS
from tests.faults.trial import Verdict

# One more than the cores: a case that waits for an answer needs none.
WORKERS = (os.cpu_count() or 1) + 1
BAD = (Verdict.NOT, Verdict.NOT_MET)


@pytest.mark.faults
@pytest.mark.timeout(3 * 3600)
def test_one_more_run_recovers(stage, pytestconfig, capsys):
    chosen = [case for operation in _operations(pytestconfig) for case in _chosen(stage, operation, pytestconfig)]
    assert chosen, "no case is left: see the options"
    outcomes = []
    pool = ThreadPoolExecutor(WORKERS)
    with capsys.disabled():
        try:
            for future in as_completed([pool.submit(stage.attempt, case) for case in chosen]):
                outcomes.append(outcome := future.result())
                if outcome.verdict in BAD:
                    print(f"\r{outcome}\n")  # noqa: T201 - its purpose
                print(f"\r{len(outcomes)} of {len(chosen)} cases: {_counted(outcomes)}   ", end="", flush=True)  # noqa: T201
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C ends it too, and what was found until then is printed
            for kind in sorted({_kind(outcome) for outcome in outcomes}):
                print(f"\n{kind}: {_counted(each for each in outcomes if _kind(each) == kind)}", end="")  # noqa: T201
            print()  # noqa: T201 - as above
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


def _kind(outcome):
    return f"{outcome.case.operation.name:13}{outcome.case.fault:12}"


def _counted(outcomes):
    counted = Counter(outcome.verdict for outcome in outcomes)
    return ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
