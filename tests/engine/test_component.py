"""The component in another program: two relationships, and policies of its own."""

import json
import re

import pytest

from components.iam.owner import OWNER_TAG
from tests.conftest import ROOT

PROGRAM = """
import json
from pathlib import Path
import pulumi
from components.models import AccountArgs, PolicyArgs, RoleArgs, TrustArgs, UserArgs
from components.relationship import Relationship, RelationshipArgs

config = pulumi.Config()
trusting, trusted = (AccountArgs(account_id=config.require(side)) for side in ("trusting", "trusted"))
for name in ("audit", "backup"):
    policy = PolicyArgs(name=f"{name}-policy", document=json.loads(Path(f"policies/{name}.json").read_text()))
    user = UserArgs(name=f"{name}-user", policy_name=f"{name}-assume")
    args = RelationshipArgs(trusting=trusting, trusted=trusted, user=user,
                            role=RoleArgs(name=f"{name}-role", policy=policy),
                            trust=TrustArgs(external_id=f"for-{name}"), endpoint=config.require("endpoint"))
    relationship = Relationship(name, args)
    pulumi.export(f"{name}Role", relationship.role_arn)
    pulumi.export(f"{name}Config", relationship.aws_config)
"""
FORMER_PROVIDER = "pulumi:providers:aws::trusting"
RECORDED_ENDPOINT = "http://127.0.0.1:4733"
ACTIONS = {"audit": "s3:GetObject", "backup": "s3:PutObject"}


@pytest.fixture
def customers(project):
    """Create another project beside the copy of this one; return its folder."""
    folder = project.path / "customers"
    (folder / "policies").mkdir(parents=True)
    for name in ("components", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "Pulumi.yaml").write_text(
        "name: customers\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
        "config:\n  pulumi:disable-default-providers:\n    value: [aws]\n"
    )
    (folder / "__main__.py").write_text(PROGRAM)
    for name, action in ACTIONS.items():
        statement = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::records/*"}
        document = {"Version": "2012-10-17", "Statement": statement}
        (folder / f"policies/{name}.json").write_text(json.dumps(document))
    return folder


def test_two_relationships_in_another_program(project, customers, aws_client):
    def pulumi(*arguments):
        return project.run("pulumi", *arguments, "--non-interactive", "--cwd", str(customers))

    accounts = project.accounts
    pulumi("stack", "init", "dev")
    settings = {"trusting": accounts.trusting, "trusted": accounts.trusted, "endpoint": project.endpoint}
    values = [part for key, value in settings.items() for part in ("--plaintext", f"{key}={value}")]
    pulumi("config", "set-all", *values)
    pulumi("up", "--yes", "--skip-preview")

    outputs = json.loads(pulumi("stack", "output", "--json", "--show-secrets").stdout)
    iam = aws_client(accounts.trusting, "iam")
    for name, action in ACTIONS.items():
        assert outputs[f"{name}Role"] == f"arn:aws:iam::{accounts.trusting}:role/{name}-role"
        assert f"[profile {name}-dev]" in outputs[f"{name}Config"]
        trust = iam.get_role(RoleName=f"{name}-role")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
        assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": f"for-{name}"}}
        arn = f"arn:aws:iam::{accounts.trusting}:policy/{name}-policy"
        version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        assert version["Document"]["Statement"]["Action"] == action
    users = aws_client(accounts.trusted, "iam").list_users()["Users"]
    assert {user["UserName"] for user in users} == {"audit-user", "backup-user"}

    pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    pulumi("destroy", "--yes", "--skip-preview")
    assert iam.list_roles()["Roles"] == []


def ids(project):
    resources = json.loads(project.state())["checkpoint"]["latest"]["resources"]
    return {each["urn"]: each["id"] for each in resources if "id" in each}


def test_a_stack_recorded_with_an_earlier_commit_goes_on_without_a_replacement(project):
    """The state is that of commit fffa057, where the program made the two providers and named them otherwise."""
    recorded = (ROOT / "tests/engine/recorded_state.json").read_text().replace(RECORDED_ENDPOINT, project.endpoint)
    assert FORMER_PROVIDER in recorded
    (project.path / "recorded.json").write_text(recorded)
    project.configure(
        {
            "trusting": {"accountId": "111122223333"},
            "trusted": {"accountId": "444455556666"},
            "role": {
                "name": "Auditor",
                "path": "/audit/",
                "managedPolicies": {"read": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
            },
            "trust": {"externalId": "relationship-7"},
            "accessKeys": [{"label": "1"}, {"label": "next", "status": "Inactive"}],
            "secretStore": {"kind": "ssm", "name": "/keys/user-1"},
            "tags": {"team": "audit"},
        }
    )
    project.pulumi("stack", "import", "--file", "recorded.json")

    steps = json.loads(project.preview("--json").stdout)["steps"]

    assert {step["op"] for step in steps} == {"same", "update"}
    changes = {step["urn"].rpartition("::")[2]: step["diffReasons"] for step in steps if step["op"] == "update"}
    for side in ("trusting", "trusted"):
        assert set(changes.pop(f"assume-role-{side}-provider")) == {"defaultTags", "endpoints", "s3UsePathStyle"}
    assert len(changes) == 5
    assert set(map(tuple, changes.values())) == {("tagsAll",)}


def test_a_stack_without_owner_tags_gets_them_in_place(project, aws_client):
    project.configure({"secretStore": {"kind": "ssm", "name": "/keys/user-1"}})
    program = project.path / "components/relationship.py"
    text = program.read_text()
    before_the_tag = text.replace("{**args.tags, OWNER_TAG: _owner(name)}", "args.tags")
    assert before_the_tag != text
    program.write_text(before_the_tag)
    project.up()
    before = ids(project)
    program.write_text(text)

    done = project.up()

    assert re.findall(r"^ +\W*\d+ (.*)$", done.stdout, re.MULTILINE) == ["updated", "unchanged"]
    assert ids(project) == before
    iam, trusted = (aws_client(getattr(project.accounts, side), "iam") for side in ("trusting", "trusted"))
    ssm = aws_client(project.accounts.trusted, "ssm")
    arns = [client.list_policies(Scope="Local")["Policies"][0]["Arn"] for client in (iam, trusted)]
    for tags in (
        iam.list_role_tags(RoleName="Assume-Role-1")["Tags"],
        trusted.list_user_tags(UserName="user-1")["Tags"],
        iam.list_policy_tags(PolicyArn=arns[0])["Tags"],
        trusted.list_policy_tags(PolicyArn=arns[1])["Tags"],
        ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/keys/user-1")["TagList"],
    ):
        assert tags == [{"Key": OWNER_TAG, "Value": "organization/assume-role/test/assume-role"}]
