"""Adoption: a relationship made by hand, by the eight steps, becomes the stack's own without a replacement."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tools.adoption import (
    POLICY,
    Existing,
    Planned,
    existing_policy,
    import_document,
    key_advice,
    losses,
    planned_resources,
    report,
)
from tools.keys import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from components.iam import Side
    from tests.conftest import Accounts, Project

ROLE, ROLE_POLICY = "Assume-Role-1", "Custom-Policy-For-Role-1"
USER, USER_POLICY = "user-1", "Custom-Assume-Role-Policy"


def document(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


class ByHand:
    """The eight steps, as AWS's own guides tell them."""

    def __init__(self, accounts: Accounts, aws_client: Callable[[str, str], Any]) -> None:
        self.trusting, self.trusted = aws_client(accounts.trusting, "iam"), aws_client(accounts.trusted, "iam")
        self.trust = document(Principal={"AWS": [f"arn:aws:iam::{accounts.trusted}:root"]}, Action=["sts:AssumeRole"])

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
def by_hand(accounts: Accounts, aws_client: Callable[[str, str], Any]) -> ByHand:
    return ByHand(accounts, aws_client)


def adopt(project: Project, *arguments: str, check: bool = True) -> CompletedProcess[str]:
    return project.python("-m", "tools", "adopt", "--stack", "test", *arguments, check=check)


def test_what_was_made_by_hand_is_adopted_account_by_account_and_deployed_without_a_replacement(
    project: Project, by_hand: ByHand, aws_client: Callable[..., Any]
) -> None:
    by_hand.role(Path="/division/")
    role_id = by_hand.trusting.get_role(RoleName=ROLE)["Role"]["RoleId"]

    refused = adopt(project, "--yes", check=False)
    assert refused.returncode == 1
    assert "pulumi config set --path assume-role:role.path /division/" in refused.stdout
    assert "Nothing was imported." in refused.stderr
    assert ROLE not in project.state()

    project.configure({"role": {"path": "/division/"}})
    done = adopt(project, "--yes")
    assert "Adopted 3 resources. Nothing in AWS was changed, and nothing will be replaced." in done.stdout
    assert "changes its document" not in done.stdout  # one text or a list of one, a document means the same

    # As if the first run had been stopped after the first account.
    by_hand.user()
    user_id = by_hand.trusted.get_user(UserName=USER)["User"]["UserId"]
    old = by_hand.key()
    done = adopt(project, "--yes")
    assert "Adopted 3 resources." in done.stdout
    assert ROLE_POLICY not in done.stdout
    assert f"{old['AccessKeyId']} (Active)" in done.stdout
    assert f"update-access-key --user-name {USER} --access-key-id {old['AccessKeyId']} --status Inactive" in done.stdout
    assert old["SecretAccessKey"] not in done.stdout + done.stderr + project.state()
    # The role, the user and their policies get the owner tag.
    pending = [line.split() for line in done.stdout.splitlines() if line.startswith(("  update ", "  create "))]
    assert sorted(line[:2] for line in pending) == [  # the engine plans both accounts at once
        ["create", "assume-role-trusted-key-1"],
        ["update", "assume-role-trusted-user"],
        ["update", "assume-role-trusted-user-policy"],
        ["update", "assume-role-trusting-role"],
        ["update", "assume-role-trusting-role-policy"],
    ]

    project.up()
    project.preview("--expect-no-changes")

    assert by_hand.trusting.get_role(RoleName=ROLE)["Role"]["RoleId"] == role_id
    assert by_hand.trusted.get_user(UserName=USER)["User"]["UserId"] == user_id
    outputs = project.outputs()
    new = (outputs["accessKeyId"], outputs["secretAccessKey"])
    for key_id, secret in (new, (old["AccessKeyId"], old["SecretAccessKey"])):
        sts = aws_client(key_id, "sts", secret)
        assumed = sts.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="test")["AssumedRoleUser"]["Arn"]
        assert f"assumed-role/{ROLE}" in assumed

    again = adopt(project, "--yes")
    assert "Nothing to adopt: stack test has the role" in again.stdout
    assert f"--access-key-id {old['AccessKeyId']} --status Inactive" in again.stdout  # and still says how to end it
    assert new[0] not in again.stdout


def test_without_yes_it_shows_the_differences_and_imports_nothing(
    project: Project, by_hand: ByHand, accounts: Accounts
) -> None:
    trust = document(
        Principal={"AWS": f"arn:aws:iam::{accounts.trusted}:root"},
        Action="sts:AssumeRole",
        Condition={"StringEquals": {"sts:ExternalId": "theirs"}},
    )
    by_hand.role(AssumeRolePolicyDocument=trust, Description="By hand", MaxSessionDuration=7200)
    by_hand.trusting.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    by_hand.trusting.put_role_policy(
        RoleName=ROLE, PolicyName="inline", PolicyDocument=document(Action="s3:*", Resource="*")
    )

    done = adopt(project)

    assert f"adopt role {ROLE}" in done.stdout
    assert '"theirs"' in done.stdout
    assert 'description: "By hand" becomes none (to keep it, set assume-role:role.description)' in done.stdout
    assert "7200 becomes 3600" in done.stdout
    assert "stays as it is, outside the stack: attached policy arn:aws:iam::aws:policy/ReadOnlyAccess" in done.stdout
    assert "stays as it is, outside the stack: inline policy inline" in done.stdout
    assert f"policy/{ROLE_POLICY}" not in done.stdout  # the stack's own attachment is no stranger
    assert f"Not there: User {USER}." in done.stdout
    assert "Nothing was imported." in done.stdout
    assert ROLE not in project.state()


def test_a_stack_that_cannot_be_read_is_expected_2(project: Project) -> None:
    absent = project.python("-m", "tools", "adopt", "--stack", "absent", check=False)
    assert (absent.returncode, "no stack named 'absent'" in absent.stderr) == (2, True)
    assert "Traceback" not in absent.stderr


def planned(name: str, type: str = "aws:iam/role:Role", **inputs: object) -> Planned:  # noqa: A002 - Pulumi's word
    return Planned(name=name, type=type, side="trusting", inputs=inputs)


def policy(side: Side) -> Planned:
    return Planned(name="p", type=POLICY, side=side, inputs={"name": "P", "policy": document(Action="s3:*")})


@pytest.mark.parametrize(
    ("side", "theirs", "words"),
    [
        ("trusting", {"Description": "By hand"}, ("a description ('By hand')", "role.policy.name NEW-NAME")),
        ("trusted", {"Path": "/division/"}, ("the path /division/", "user.policyName NEW-NAME")),
    ],
)
def test_a_policy_that_aws_would_have_to_make_anew_stands_in_the_way(
    side: Side, theirs: dict[str, str], words: tuple[str, str]
) -> None:
    arn = {"Arn": "arn:aws:iam::111122223333:policy/P"}
    same = json.loads(document(Action=["s3:*"]))
    (obstacle,) = existing_policy(policy(side), theirs | arn, same, tags={}).obstacles
    assert all(word in obstacle for word in words)
    assert existing_policy(policy(side), arn, same, tags={}) == Existing(
        planned=policy(side), title="policy P", id=arn["Arn"], changes=[], obstacles=[]
    )


def test_another_document_and_other_tags_are_told_with_the_setting() -> None:
    theirs = {"Arn": "arn:aws:iam::111122223333:policy/P", "Tags": [{"Key": "a", "Value": "1"}]}
    changes = existing_policy(policy("trusting"), theirs, json.loads(document(Action="*")), tags={}).changes
    assert [change.partition(":")[0] for change in changes] == ["document", "tags"]
    assert "(compare assume-role:role.policy.file)" in changes[0]
    assert '{"a": "1"} becomes none (to keep it, set assume-role:tags)' in changes[1]


def test_the_import_keeps_parents_and_providers_and_leaves_out_what_does_not_exist() -> None:
    generated = {
        "nameTable": {"trusted": "urn:..."},
        "resources": [
            {"type": "assume-role:index:Relationship", "name": "assume-role", "component": True},
            {"type": "pulumi:providers:aws", "name": "trusting", "inputs": {"region": "us-east-1"}},
            {"type": "aws:iam/role:Role", "name": "roleRole", "logicalName": "role", "id": "<PLACEHOLDER>"},
            {"type": "aws:iam/policy:Policy", "name": "policy", "id": "<PLACEHOLDER>"},
            {"type": "aws:iam/accessKey:AccessKey", "name": "key", "id": "<PLACEHOLDER>"},
        ],
    }
    found = [Existing(planned=planned("role"), title="role R", id="R")]

    resources = import_document(generated, found)["resources"]

    assert [(item["name"], item.get("id")) for item in resources] == [
        ("assume-role", None),
        ("trusting", None),
        ("roleRole", "R"),
    ]
    assert import_document(generated, found)["nameTable"] == generated["nameTable"]


def test_what_would_be_lost_is_told_with_its_reason() -> None:
    urn = "urn:pulumi:s::p::t$aws:iam/role:Role::"
    steps = [
        {"op": "replace", "urn": f"{urn}role", "replaceReasons": ["path"], "diffReasons": ["path", "description"]},
        {"op": "update", "urn": f"{urn}other"},
        {"op": "delete", "urn": f"{urn}gone"},
        {"op": "same", "urn": f"{urn}same"},
    ]
    assert [str(change) for change in losses(steps)] == ["replace role (path)", "delete gone"]


def test_where_a_replacement_is_pending_nothing_is_imported(deployed: Project) -> None:
    state = deployed.state()
    deployed.configure({"user": {"name": "other"}})
    try:
        stopped = adopt(deployed, "--yes", check=False)
    finally:
        deployed.configure({"user": None})
    assert stopped.returncode == 2
    assert "pending: replace assume-role-trusted-user (name)" in stopped.stderr
    assert deployed.state() == state


def test_resources_come_in_the_order_of_the_steps_by_hand_with_their_account() -> None:
    def step(type: str, name: str, provider: str) -> dict[str, Any]:  # noqa: A002 - Pulumi's word
        state = {"type": type, "provider": f"urn:pulumi:s::p::pulumi:providers:aws::{provider}::id", "inputs": {}}
        return {"op": "create", "urn": f"urn:pulumi:s::p::{type}::{name}", "newState": state}

    found = planned_resources(
        [step("aws:iam/user:User", "user", "trusted"), step("aws:iam/role:Role", "role", "trusting")]
    )
    assert [(item.name, item.side) for item in found] == [("role", "trusting"), ("user", "trusted")]


def test_what_is_in_the_way_and_what_is_missing_are_told() -> None:
    there = Existing(planned=planned("role"), title="role R", id="R", obstacles=("its path is /x/",))
    lines = list(report([there.planned, planned("other")], [there], {"trusting": "111122223333"}))
    assert lines == [
        "In the trusting account 111122223333:",
        "  cannot adopt role R",
        "      in the way: its path is /x/",
        "Not there: Role other. The next `pulumi up` creates it.",
    ]


ACTIVE = AccessKey(id="AKIAACTIVE", actual="Active")
INACTIVE = AccessKey(id="AKIAINACTIVE", actual="Inactive")


def advice(*keys: AccessKey, new: int = 1) -> list[str]:
    return list(key_advice("s", "u", keys, new, {"trusted": {"profile": "admin"}}))


def test_with_room_for_the_new_key_it_is_made_before_the_old_one_ends() -> None:
    lines = "\n".join(advice(ACTIVE))
    assert lines.index("pulumi up --stack s") < lines.index("--status Inactive") < lines.index("delete-access-key")
    assert "aws iam --profile admin" in lines


def test_with_two_keys_the_inactive_one_goes_first() -> None:
    lines = "\n".join(advice(ACTIVE, INACTIVE))
    assert lines.index("delete-access-key --user-name u --access-key-id AKIAINACTIVE") < lines.index("pulumi up")
    assert lines.index("pulumi up") < lines.index("delete-access-key --user-name u --access-key-id AKIAACTIVE")


def test_without_keys_made_by_hand_there_is_nothing_to_say() -> None:
    assert advice() == []
