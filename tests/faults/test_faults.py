"""Of the faults that `make faults` tries, a fixed sample: one of each, over different calls, and a kill."""

import re

from tests.faults.aftermath import differences
from tests.faults.cases import FAULTS, Step
from tests.faults.kills import Kill
from tests.faults.operations import OPERATIONS, run
from tests.faults.trial import Verdict
from tests.proxy import Fault, proxy_before

LOST = Step("trusting", "CreateRole")
# What the plugin tries again by itself, so that all of them happen in one run; where the call was done already, it is
# one that AWS lets be repeated.
TRIED_AGAIN = {
    Step("trusting", "CreatePolicy"): Fault.ERROR,
    Step("trusted", "CreateUser"): Fault.THROTTLE,
    Step("trusted", "CreatePolicy"): Fault.DROP,
    Step("trusting", "AttachRolePolicy"): Fault.ERROR_AFTER,
    Step("trusted", "AttachUserPolicy"): Fault.LOSE,
    Step("trusting", "GetPolicy"): Fault.TRUNCATE,
}
GIVEN_UP = {
    Step("trusting", "DetachRolePolicy"): Fault.DENY,
    Step("trusted", "DeleteUser"): Fault.WEB_PAGE,
    Step("trusted", "DeleteAccessKey"): Fault.CUT_SHORT,
}


def test_what_the_plugin_tries_again_and_a_lost_create_heal_at_once(project, emulator, aws_client):
    with proxy_before(emulator) as proxy:
        OPERATIONS["up"].configure(project, proxy.url)
        for step, fault in {**TRIED_AGAIN, LOST: Fault.LOSE}.items():
            step.plan(project, proxy, fault)
        done = run(project, *OPERATIONS["up"].command)

        assert done.went_well, done.said
        assert not proxy.is_due
        assert re.findall(r"adopt (.+)", done.said) == ["role Assume-Role-1"]
        assert done.said.index("EntityAlreadyExists") < done.said.index("Mended.") < done.said.index("is proven")
        assert list(differences(project, aws_client, None)) == []


def test_what_it_gives_up_is_healed_by_the_next_run(standing, emulator, aws_client):
    with proxy_before(emulator) as proxy:
        OPERATIONS["destroy"].configure(standing, proxy.url)
        for step, fault in GIVEN_UP.items():
            step.plan(standing, proxy, fault)
        for _ in GIVEN_UP:  # at the latest
            if proxy.is_due:
                assert not run(standing, *OPERATIONS["destroy"].command).went_well
        assert not proxy.is_due

        assert run(standing, *OPERATIONS["destroy"].command).went_well
        assert list(differences(standing, aws_client, set())) == []


def test_a_killed_run_is_healed_by_the_next(stage):
    """All of it is killed when AWS has done a call that may be repeated: only the state's pending operation is left."""
    kill = Kill(OPERATIONS["up"], Step("trusted", "AttachUserPolicy"), Fault.HOLD, "everything")

    outcome = stage.attempt(kill)

    assert outcome.verdict is Verdict.BY_THE_NEXT, outcome


def test_every_fault_is_in_the_sample():
    """But the one that takes so long."""
    assert {*TRIED_AGAIN.values(), *GIVEN_UP.values(), Fault.DELAY} == set(FAULTS)
