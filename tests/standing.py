"""A project as one `pulumi up` leaves it, without the seconds that it takes: a real one is copied.

The state is that of a project that was deployed, with the ids of other accounts in it. What it names is made in these
accounts by plain calls. `test_a_copy_is_as_good_as_an_up` proves that the engine finds no difference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Accounts, Project


def readable_state(project: Project) -> str:
    """Return the text of a project's state file, with its secrets in plain: the engine takes both."""
    exported = json.loads(project.pulumi("stack", "export", "--show-secrets").stdout)
    state = json.loads(project.state())
    state["checkpoint"]["latest"] = exported["deployment"]
    return json.dumps(state)


def stand(project: Project, state: str, former: Accounts, aws_client: Callable[..., Any]) -> None:
    """Make of a project that was never deployed a copy of the one that left `state` in the accounts `former`."""
    for side in ("trusting", "trusted"):
        state = state.replace(getattr(former, side), getattr(project.accounts, side))
    content = json.loads(state)
    names: dict[str, str] = {}
    for resource in content["checkpoint"]["latest"]["resources"]:
        if resource["type"].startswith("aws:"):
            side = "trusting" if "-trusting-provider::" in resource["provider"] else "trusted"
            names |= _make(aws_client(getattr(project.accounts, side), "iam"), resource)
    state = json.dumps(content)
    for name, made in names.items():
        state = state.replace(name, made)
    project.state_file.write_text(state)


def _make(iam: Any, resource: dict[str, Any]) -> dict[str, str]:
    """Make what a part of the state describes; return what AWS now calls it, by what the state calls it."""
    inputs, outputs = resource["inputs"], resource["outputs"]
    tags = [{"Key": key, "Value": value} for key, value in inputs.get("tagsAll", {}).items()]
    match resource["type"].rpartition(":")[2]:
        case "Role":
            made = iam.create_role(
                RoleName=inputs["name"],
                AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
                MaxSessionDuration=inputs["maxSessionDuration"],
                Tags=tags,
            )["Role"]
            outputs["createDate"] = _date(made)
            return {outputs["uniqueId"]: made["RoleId"]}
        case "User":
            return {outputs["uniqueId"]: iam.create_user(UserName=inputs["name"], Tags=tags)["User"]["UserId"]}
        case "Policy":
            made = iam.create_policy(PolicyName=inputs["name"], PolicyDocument=inputs["policy"], Tags=tags)["Policy"]
            return {outputs["policyId"]: made["PolicyId"]}
        case "RolePolicyAttachment":
            iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        case "UserPolicyAttachment":
            iam.attach_user_policy(UserName=inputs["user"], PolicyArn=inputs["policyArn"])
        case "AccessKey":
            made = iam.create_access_key(UserName=inputs["user"])["AccessKey"]
            outputs["createDate"] = _date(made)
            secret = json.loads(outputs["secret"]["plaintext"])
            return {resource["id"]: made["AccessKeyId"], secret: made["SecretAccessKey"]}
        case other:
            raise NotImplementedError(other)
    return {}


def _date(made: dict[str, Any]) -> str:
    return f"{made['CreateDate']:%Y-%m-%dT%H:%M:%SZ}"
