"""What there is after all: in AWS, in the state, and in the eyes of the engine and of the proof."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.faults.operations import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Project
    from tests.faults.operations import Done

SIDES = ("trusting", "trusted")


def resources(project: Project) -> list[dict[str, Any]]:
    """Return the resources of AWS that the state knows."""
    latest = json.loads(project.state())["checkpoint"]["latest"] or {}
    return [resource for resource in latest.get("resources") or [] if resource["type"].startswith("aws:")]


def differences(project: Project, client: Callable[..., Any], wanted: set[str] | None) -> Iterator[str]:
    """Yield where state and AWS are not as they must be.

    Args:
        project: whose state.
        client: makes the clients of both accounts.
        wanted: the URNs of all that the state must know; None for whatever it knows.
    """
    latest = json.loads(project.state())["checkpoint"]["latest"] or {}
    for operation in latest.get("pending_operations") or []:
        yield f"the state holds a pending {operation['type']} of {operation['resource']['urn']}"
    urns = [resource["urn"] for resource in resources(project)]
    wanted = set(urns) if wanted is None else wanted
    yield from (f"the state lacks {urn}" for urn in sorted(wanted - set(urns)))
    yield from (f"the state has too much: {urn}" for urn in sorted(set(urns) - wanted))
    yield from (f"the state has it more than once: {urn}" for urn in sorted(set(urns)) if urns.count(urn) > 1)
    for side in SIDES:
        in_state = known(project, side)
        in_aws = set(there(holding(client(getattr(project.accounts, side), "iam"))))
        yield from (f"only the {side} account has the {what}" for what in sorted(in_aws - in_state))
        yield from (f"only the state has the {side} account's {what}" for what in sorted(in_state - in_aws))


def doubts(project: Project, last: Done) -> Iterator[str]:
    """Yield what the engine would still change after the last command, and what the proof says against it."""
    preview = ("pulumi", "preview", "--refresh", "--expect-no-changes", "--diff", "--stack", "test")
    proof = () if last.has_proven else (("python", "-m", "tools", "verify", "--stack", "test", "--delay", "0"),)
    for command in (preview, *proof):
        done = run(project, *command)
        if not done.went_well:
            yield str(done)


def known(project: Project, side: str) -> set[str]:
    """Return what the state knows of an account, in the words of ``there``."""
    return {_name(resource) for resource in resources(project) if f"-{side}-provider::" in resource["provider"]}


def _name(resource: dict[str, Any]) -> str:
    inputs = resource["inputs"]
    match kind := resource["type"].rpartition(":")[2]:
        case "RolePolicyAttachment":
            return f"attachment of {inputs['policyArn']} to role {inputs['role']}"
        case "UserPolicyAttachment":
            return f"attachment of {inputs['policyArn']} to user {inputs['user']}"
        case "AccessKey":
            return f"key {resource['id']} ({resource['outputs']['status']})"
        case "Policy":
            return f"policy {resource['outputs']['arn']}"
        case _:
            return f"{kind.lower()} {inputs['name']}"


def holding(iam: Any) -> dict[str, list[dict[str, Any]]]:
    """Return all that an account holds, as AWS describes it, and the keys of its users."""
    details = iam.get_account_authorization_details(Filter=["User", "Role", "LocalManagedPolicy"])
    users = [user["UserName"] for user in details["UserDetailList"]]
    return {
        "Policy": details["Policies"],
        "Role": details["RoleDetailList"],
        "User": details["UserDetailList"],
        "Key": [key for user in users for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]],
    }


def there(held: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield what an account holds in words, from what ``holding`` returned."""
    yield from (f"policy {policy['Arn']}" for policy in held["Policy"])
    for kind in ("Role", "User"):
        for entity in held[kind]:
            whose = f"{kind.lower()} {entity[f'{kind}Name']}"
            yield whose
            yield from (
                f"attachment of {policy['PolicyArn']} to {whose}" for policy in entity["AttachedManagedPolicies"]
            )
            yield from (f"policy {policy['PolicyName']} in {whose}" for policy in entity.get(f"{kind}PolicyList", []))
    yield from (f"key {key['AccessKeyId']} ({key['Status']})" for key in held["Key"])
