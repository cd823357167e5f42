"""Adoption: a relationship made by hand becomes the stack's own; another stack's never does."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from components.iam.owner import OWNER_TAG
from tests.factories import policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tests.conftest import Accounts, Project

ROLE, ROLE_POLICY = "Assume-Role-1", "Custom-Policy-For-Role-1"
USER, USER_POLICY = "user-1", "Custom-Assume-Role-Policy"
OWNER = "organization/assume-role/test/assume-role"


def document(**statement: object) -> str:
    return json.dumps(policy(**statement))


class ByHand:
    """The eight steps, as AWS's own guides tell them."""

    def __init__(self, accounts: Accounts, aws_client: Callable[[str, str], Any]) -> None:
        self.trusting, self.trusted = aws_client(accounts.trusting, "iam"), aws_client(accounts.trusted, "iam")
        principal = {"AWS": [f"arn:aws:iam::{accounts.trusted}:root"]}
        self.trust = document(Principal=principal, Action=["sts:AssumeRole"], Condition={})

    def role(self, **role: object) -> None:
        self.trusting.create_role(RoleName=ROLE, **{"AssumeRolePolicyDocument": self.trust} | role)
        made = self.trusting.create_policy(
            PolicyName=ROLE_POLICY, PolicyDocument=document(Action=["s3:*"], Resource="*")
        )
        self.trusting.attach_role_policy(RoleName=ROLE, PolicyArn=made["Policy"]["Arn"])

    def user(self) -> None:
        self.trusted.create_user(UserName=USER)
        role_arn = self.trusting.get_role(RoleName=ROLE)["Role"]["Arn"]
        made = self.trusted.create_policy(
            PolicyName=USER_POLICY, PolicyDocument=document(Action="sts:AssumeRole", Resource=role_arn)
        )
        self.trusted.attach_user_policy(UserName=USER, PolicyArn=made["Policy"]["Arn"])

    def key(self) -> dict[str, str]:
        return self.trusted.create_access_key(UserName=USER)["AccessKey"]


def let_the_second_pass() -> None:
    """Return when what was made until now is older than a run that begins then: AWS's dates are whole seconds."""
    end = int(time.time()) + 1
    while (left := end - time.time()) > 0:
        time.sleep(left)


@pytest.fixture
def by_hand(accounts, aws_client):
    return ByHand(accounts, aws_client)


def adopt(project: Project, *arguments: str, check: bool = True) -> CompletedProcess[str]:
    return project.python("-m", "tools", "adopt", "--stack", "test", *arguments, check=check)


def test_a_relationship_made_by_hand_is_adopted_and_deployed_without_a_replacement(project, by_hand, aws_client):
    by_hand.role(Path="/division/")
    role_id = by_hand.trusting.get_role(RoleName=ROLE)["Role"]["RoleId"]

    refused = adopt(project, check=False)
    assert refused.returncode == 1
    assert "replace assume-role-trusting-role (path)" in refused.stderr
    assert "Set assume-role:role.path to what AWS has" in refused.stderr
    assert "/division/" in refused.stdout
    assert "Nothing was imported." in refused.stderr
    assert ROLE not in project.state()

    project.configure({"role": {"path": "/division/"}})
    done = adopt(project)
    assert "Adopted 3 resources. AWS is unchanged." in done.stdout
    assert "assumeRolePolicy" not in done.stdout  # one text or a list of one, an empty condition or none: no difference

    # As if the first run had been stopped after the first account.
    by_hand.user()
    user_id = by_hand.trusted.get_user(UserName=USER)["User"]["UserId"]
    old = by_hand.key()
    done = adopt(project)
    assert "Adopted 3 resources." in done.stdout
    assert f"aws iam delete-access-key --user-name {USER} --access-key-id {old['AccessKeyId']}" in done.stdout
    assert old["SecretAccessKey"] not in done.stdout + done.stderr + project.state()

    project.up()
    project.preview("--expect-no-changes")
    assert by_hand.trusting.get_role(RoleName=ROLE)["Role"]["RoleId"] == role_id
    user = by_hand.trusted.get_user(UserName=USER)["User"]
    assert user["UserId"] == user_id
    assert {"Key": OWNER_TAG, "Value": OWNER} in user["Tags"]
    outputs = project.outputs()
    keys = {key["AccessKeyId"] for key in by_hand.trusted.list_access_keys(UserName=USER)["AccessKeyMetadata"]}
    assert keys == {old["AccessKeyId"], outputs["accessKeyId"]}
    for key_id, secret in (
        (old["AccessKeyId"], old["SecretAccessKey"]),
        (outputs["accessKeyId"], outputs["secretAccessKey"]),
    ):
        sts = aws_client(key_id, "sts", secret)
        assert sts.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="test")["Credentials"]

    again = adopt(project)
    assert "Nothing to adopt" in again.stdout
    assert outputs["accessKeyId"] not in again.stdout
    assert "Deploy the stack's key" in again.stdout
    project.configure({"accessKeys": []})
    without = adopt(project).stdout
    assert (old["AccessKeyId"] in without, "Deploy the stack's key" in without) == (True, False)


def test_on_real_accounts_a_no_restores_the_state_after_pulumis_own_difference(real_project, by_hand):
    by_hand.role(Description="By hand", MaxSessionDuration=7200)

    asked = adopt(real_project, check=False)

    assert asked.returncode == 2
    assert f"Role {ROLE} (trusting account)" in asked.stdout
    assert "7200 => 3600" in asked.stdout
    assert "By hand" in asked.stdout
    assert "Nothing was imported." in asked.stdout
    assert ROLE not in real_project.state()

    adopt(real_project, "--yes")
    assert ROLE in real_project.state()


# Another stack's


def second_of(project: Project, **settings: object) -> Project:
    """Return a second stack of the project, with the settings of the first one and the given ones."""
    second = replace(project, stack="second")
    shutil.copy2(project.stack_file, second.stack_file)
    second.configure(settings)
    return second


def keys_of(project: Project, aws_client: Callable[..., Any]) -> list[str]:
    keys = aws_client(project.accounts.trusted, "iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in keys]


def test_a_second_customer_with_the_same_names_is_refused(standing, aws_client):
    second = second_of(standing, trusting={"accountId": standing.accounts.other})
    before, state = keys_of(standing, aws_client), standing.state()

    for command in ("up", "adopt"):
        refused = standing.python("-m", "tools", command, "--stack", "second", "--yes", check=False)
        assert refused.returncode == 1
        assert f"User {USER} (trusted account) belongs to stack {OWNER}" in refused.stderr
        assert "delete-access-key" not in refused.stdout + refused.stderr

    assert (keys_of(standing, aws_client), standing.state()) == (before, state)
    assert before[0] not in second.state()
    assert "Stack test is proven" in standing.run("make", "verify", "STACK=test").stdout


def test_two_deployments_side_by_side_with_the_same_names_leave_each_key_with_one_stack(project, aws_client):
    stacks = (project, second_of(project))
    with ThreadPoolExecutor() as pool:
        ups = list(pool.map(lambda each: each.run("make", "up", f"STACK={each.stack}", check=False), stacks))

    succeeded = [each for each, done in zip(stacks, ups, strict=True) if done.returncode == 0]
    assert len(succeeded) <= 1, [done.stdout for done in ups]
    for stack in succeeded:
        assert keys_of(project, aws_client) == [stack.outputs()["accessKeyId"]]
        stack.run("make", "verify", f"STACK={stack.stack}")
