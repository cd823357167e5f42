"""Of the faults that `make faults` tries, a fixed sample: one of each, over different calls."""

import pytest

from tests.faults.aftermath import differences
from tests.faults.cases import FAULTS, Case, Step
from tests.faults.operations import OPERATIONS, run
from tests.faults.trial import Verdict
from tests.proxy import Fault, proxy_before

# What the plugin tries again by itself, so that all of them happen in one run; where the call was done already, it is
# one that AWS lets be repeated.
TRIED_AGAIN = {
    Step("trusting", "CreateRole"): Fault.ERROR,
    Step("trusted", "CreateUser"): Fault.THROTTLE,
    Step("trusted", "CreatePolicy"): Fault.DROP,
    Step("trusting", "AttachRolePolicy"): Fault.ERROR_AFTER,
    Step("trusted", "AttachUserPolicy"): Fault.LOSE,
    Step("trusting", "GetPolicy"): Fault.TRUNCATE,
}
GIVEN_UP = [
    Case(OPERATIONS["destroy"], Step("trusting", "DetachRolePolicy"), Fault.DENY),
    Case(OPERATIONS["destroy"], Step("trusted", "DeleteUser"), Fault.WEB_PAGE),
    Case(OPERATIONS["destroy"], Step("trusted", "DeleteAccessKey"), Fault.CUT_SHORT),
]


def test_what_the_plugin_tries_again_heals_at_once(project, emulator, aws_client):
    with proxy_before(emulator) as proxy:
        OPERATIONS["up"].configure(project, proxy.url)
        for step, fault in TRIED_AGAIN.items():
            step.plan(project, proxy, fault)
        done = run(project, *OPERATIONS["up"].command)

        assert done.went_well, done.said
        assert not proxy.is_due
        assert "Stack test is proven" in done.said
        assert list(differences(project, aws_client, None)) == []


@pytest.mark.parametrize("case", GIVEN_UP, ids=str)
def test_what_it_gives_up_is_healed_by_the_next_run(stage, case):
    assert stage.attempt(case).verdict is Verdict.BY_THE_NEXT


def test_every_fault_is_in_the_sample():
    """But the one that takes so long."""
    assert {*TRIED_AGAIN.values(), *(case.fault for case in GIVEN_UP), Fault.DELAY} == set(FAULTS)
