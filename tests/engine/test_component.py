"""Stacks that were deployed with an earlier commit go on without a replacement."""

import json
import re

from components.iam.owner import OWNER_TAG
from tests.conftest import ROOT

FORMER_PROVIDER = "pulumi:providers:aws::trusting"
RECORDED_ENDPOINT = "http://127.0.0.1:4733"


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
                "policy": {"file": "policies/s3-full-access.json"},  # which was the default
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

    role = project.config()["assume-role:role"]
    del role["policy"]
    project.configure({"role": role})
    steps = json.loads(project.preview("--json").stdout)["steps"]
    assert {step["urn"].rpartition("::")[2] for step in steps if step["op"] == "delete"} == {
        *("assume-role-trusting-role-policy", "assume-role-trusting-role-policy-attachment"),
    }


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
