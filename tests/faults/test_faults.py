"""Of the faults that `make faults` tries, a fixed sample: one of each, over different calls, and a kill."""

import re

from tests.faults.aftermath import differences
from tests.faults.cases import FAULTS, Step
from tests.faults.operations import OPERATIONS, run
from tests.faults.test_kills import Kill
from tests.proxy import Fault, proxy_before

# The repeated call meets a user who is there already, and makes a second key.
LOST = (Step("trusted", "CreateUser"), Step("trusted", "CreateAccessKey"))
# What the plugin tries again by itself, so that all of them happen in one run; where the call was done already, it is
# one that AWS lets be repeated.
TRIED_AGAIN = {
    Step("trusting", "CreatePolicy"): Fault.ERROR,
    Step("trusting", "CreateRole"): Fault.THROTTLE,
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


def test_retried_calls_and_a_lost_create_recover_in_the_same_run(project, emulator, aws_client):
    with proxy_before(emulator) as proxy:
        OPERATIONS["up"].configure(project, proxy.url)
        for step, fault in (TRIED_AGAIN | dict.fromkeys(LOST, Fault.LOSE)).items():
            step.plan(project, proxy, fault)
        done = run(project, *OPERATIONS["up"].command)

        assert done.went_well, done.said
        assert not proxy.is_due
        assert "\n  User user-1 (trusted account)\nImported 1 resources." in done.said
        in_turn = (
            "EntityAlreadyExists",
            "Imported",
            "test differs from what was deployed",
            "Deleted key AKIA",
            "test is proven",
        )
        assert re.search(".*".join(in_turn), done.said, re.DOTALL), done.said
        assert list(differences(project, aws_client, None)) == []


def test_the_next_run_recovers_from_calls_that_are_not_retried(standing, emulator, aws_client):
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


def test_the_next_run_recovers_from_a_killed_run(project, emulator, aws_client):
    """All of it is killed when AWS has done a call that may be repeated: only the state's pending operation tells."""
    kill = Kill(OPERATIONS["up"], Step("trusted", "AttachUserPolicy"), Fault.HOLD, "everything")
    with proxy_before(emulator) as proxy:
        kill.operation.configure(project, proxy.url)
        assert not kill.happen(project, proxy).went_well
        assert "pending_operations" in project.state()
        project.pulumi("cancel", "--yes")  # or the lock would be in the way

        done = run(project, *kill.operation.remedy)

        assert done.has_proven, done.said
        assert list(differences(project, aws_client, None)) == []


def test_every_fault_is_in_the_sample():
    """But the one that takes so long."""
    assert {*TRIED_AGAIN.values(), *GIVEN_UP.values(), Fault.DELAY} == set(FAULTS)
