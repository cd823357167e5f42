"""Recovery: what a failed or killed deployment left becomes the stack's own; nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from components.iam.owner import OWNER_TAG
from tests.faults.operations import PULUMI_UP, run_on_a_terminal, start
from tests.proxy import Fault, proxy_before
from tests.tools.test_adopt import OWNER, ROLE, ROLE_POLICY, USER, USER_POLICY, ByHand, keys_of, let_the_second_pass
from tools.aws.keys import AccessKey
from tools.engine import Update
from tools.recovery.recover import is_orphaned, last_began

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Project
    from tests.proxy import Proxy

# What `up` does after a failure, without the deployments and the proof around it.
RECOVER = "import sys; from tools.recovery.recover import recover; print(recover('test', yes='--yes' in sys.argv))"
POLL_SECONDS, UNCHANGED_POLLS = 0.05, 20
OTHER = "organization/assume-role/other/assume-role"


def up(project: Project) -> subprocess.CompletedProcess[str]:
    return project.run("make", "up", "STACK=test", check=False)


def kill_at(project: Project, proxy: Proxy, *actions: str, command: tuple[str, ...] = PULUMI_UP) -> None:
    """Kill a command and all that it started when AWS has done these calls, and nobody knows of it."""
    for action in actions:
        proxy.plan(action, Fault.HOLD)
    run = start(project, *command)
    assert proxy.reached.wait(300)
    unchanged, state = 0, ""
    while proxy.is_due or unchanged < UNCHANGED_POLLS:  # a kill while the state is written is another test's matter
        assert run.poll() is None
        before, state = state, project.state()
        unchanged = unchanged + 1 if state == before else 0
        time.sleep(POLL_SECONDS)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    proxy.release()
    project.pulumi("cancel", "--yes")  # the lock is another test's matter


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def ran(start: int, end: int, *, result: str = "succeeded", kind: str = "update") -> Update:
    return Update(kind=kind, result=result, start_time=at(start), end_time=at(end))


@pytest.mark.parametrize(
    ("runs", "killed", "began"),
    [
        ([ran(20, 30), ran(0, 10)], False, 20),
        ([ran(40, 50, kind="refresh"), ran(20, 30)], False, 20),
        pytest.param([ran(20, 30)], True, 30, id="a killed run began after the last one of the history"),
        pytest.param(
            [ran(40, 50, kind="refresh"), ran(0, 10, kind="refresh")], True, 50, id="whatever the last one was"
        ),
        pytest.param([ran(20, 30, result="failed")], True, 20, id="or is a later try of one that failed"),
        pytest.param(
            [ran(40, 50, result="failed"), ran(20, 30, result="failed"), ran(0, 10)], False, 20, id="tries that failed"
        ),
        pytest.param([], False, None, id="there was none"),
    ],
)
def test_when_the_last_deployment_began(runs, began, *, killed):
    assert last_began(runs, killed=killed) == (None if began is None else at(began))


def test_a_very_first_deployment_that_was_killed_began_before_everything():
    assert is_orphaned(AccessKey(id="AKIA", created=datetime(1970, 1, 1, tzinfo=UTC)), last_began([], killed=True))


@pytest.mark.parametrize(
    ("created", "used", "began", "orphaned"),
    [
        (25, None, 20, True),
        (20, None, 20, True),
        pytest.param(19, None, 20, False, id="before the deployment began"),
        pytest.param(25, 26, 20, False, id="used"),
        pytest.param(None, None, 20, False, id="of unknown age"),
        pytest.param(25, None, None, False, id="and no deployment is on record"),
    ],
)
def test_which_key_is_orphaned(created, used, began, *, orphaned):
    created_at, used_at, began_at = (None if when is None else at(when) for when in (created, used, began))
    assert is_orphaned(AccessKey(id="AKIA", created=created_at, last_used=used_at), began_at) == orphaned


def test_what_carries_no_tag_or_another_stacks_is_named_and_stays(project, aws_client):
    by_hand = ByHand(project.accounts, aws_client)
    by_hand.role(Tags=[{"Key": OWNER_TAG, "Value": OTHER}])
    by_hand.user()
    key = by_hand.key()["AccessKeyId"]

    done = up(project)

    assert done.returncode != 0
    assert f"Role {ROLE} (trusting account) belongs to stack {OTHER}" in done.stderr
    assert f"User {USER} (trusted account) exists and has no owner tag" in done.stderr
    assert "make adopt STACK=test" in done.stderr
    assert "pulumi config set assume-role:name NAME --stack test" in done.stderr
    assert not [each for each in (ROLE_POLICY, USER_POLICY, key) if each in project.state()]
    assert keys_of(project, aws_client) == [key]


def test_an_unfinished_replacement_is_named(standing, aws_client, emulator):
    """Another name makes another role. The state has the old one in its place, so the new one cannot be imported."""
    trusting = aws_client(standing.accounts.trusting, "iam")
    with proxy_before(emulator) as proxy:
        standing.stand_behind(proxy.url)
        standing.configure({"role": {"name": "R"}})
        kill_at(standing, proxy, "CreateRole")
        done = up(standing)
        assert done.returncode != 0
        assert "Role R (trusting account) is a replacement that an earlier deployment did not finish." in done.stderr

        trusting.delete_role(RoleName="R")
        assert up(standing).returncode == 0


def test_a_key_made_by_hand_is_named_and_stays(standing, aws_client):
    let_the_second_pass()
    trusted = aws_client(standing.accounts.trusted, "iam")
    by_hand = trusted.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
    let_the_second_pass()

    done = up(standing)

    assert done.returncode != 0  # a key that the stack does not know is disproven
    assert f"User {USER} has key {by_hand}" in done.stdout
    assert f"aws iam delete-access-key --user-name {USER} --access-key-id {by_hand}" in done.stdout
    assert by_hand in keys_of(standing, aws_client)


def test_a_key_that_the_outputs_name_stays(standing, aws_client):
    (key,) = keys_of(standing, aws_client)
    (recorded,) = [each for each in json.loads(standing.pulumi("stack", "export").stdout)["deployment"]["resources"]
              if each.get("id") == key]  # fmt: skip
    standing.pulumi("state", "delete", "--yes", recorded["urn"])

    done = standing.python("-c", RECOVER)

    assert f"User {USER} has key {key}" in done.stdout
    assert "The outputs of the stack name it, so it stays." in done.stdout
    assert keys_of(standing, aws_client) == [key]


def test_on_real_accounts_a_person_decides_and_until_then_the_evidence_stays(make_real, aws_client, emulator):
    with proxy_before(emulator) as proxy:
        real = make_real(proxy.url)
        kill_at(real, proxy, "CreateRole", "CreateAccessKey")
        (orphan,) = keys_of(real, aws_client)

        asked = real.python("-c", RECOVER, check=False)
        assert "Nothing was imported. To import them: make up STACK=test YES=1" in asked.stderr

        agreed = real.python("-c", RECOVER, "--yes")
        assert f"Role {ROLE} (trusting account)" in agreed.stdout
        assert f"has key {orphan}" in agreed.stdout
        assert "Only a person on a terminal can decide to delete it" in agreed.stdout
        assert "The state keeps its pending operations" in agreed.stderr
        assert "pending_operations" in real.state()
        assert keys_of(real, aws_client) == [orphan]

        decided = run_on_a_terminal(real, "python", "-c", RECOVER, answers="y\n")
        assert f"Deleted key {orphan}" in decided.said
        assert "pending_operations" not in real.state()
        real.up()
        assert keys_of(real, aws_client) == [real.outputs()["accessKeyId"]]
    role = aws_client(real.accounts.trusting, "iam").get_role(RoleName=ROLE)["Role"]
    assert {"Key": OWNER_TAG, "Value": OWNER} in role["Tags"]
