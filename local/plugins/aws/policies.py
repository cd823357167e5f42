"""The resource types of managed policies and their attachments to roles and users."""

from typing import Any, Final, Literal, cast

from iam.limits import MAX_POLICY_VERSIONS
from local.plugins.aws.resource import Input, MissingError, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import (
    change_tags,
    json_policy,
    policy_text,
    renamed,
    same_document,
    tag_list,
    tag_outputs,
)
from local.plugins.aws.wire import Properties


def create_policy(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreatePolicy; the id is the ARN."""
    policy = account.iam.create_policy(
        PolicyName=inputs["name"],
        PolicyDocument=inputs["policy"],
        Tags=tag_list(inputs.get("tagsAll", {})),
        **renamed(inputs, Path="path", Description="description"),
    )["Policy"]
    return policy.get("Arn", ""), {}


def read_policy(account: Account, identifier: str, known: Properties) -> Properties:
    """GetPolicy and GetPolicyVersion."""
    policy = cast("Properties", account.iam.get_policy(PolicyArn=identifier)["Policy"])
    version = account.iam.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
    return {
        "name": policy["PolicyName"],
        "path": policy["Path"],
        "policy": policy_text(version["PolicyVersion"].get("Document"), known, "policy"),
        "arn": identifier,
        "policyId": policy["PolicyId"],
        "attachmentCount": policy.get("AttachmentCount", 0),
        **renamed(policy, description="Description"),
        **tag_outputs(policy.get("Tags", []), account, known),
    }


def update_policy(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make a new default version, after the oldest where AWS would take no more; set tags."""
    iam = account.iam
    if not same_document(old["policy"], new["policy"]):
        versions = cast("list[Properties]", iam.list_policy_versions(PolicyArn=identifier)["Versions"])
        if len(versions) >= MAX_POLICY_VERSIONS:
            others = [version for version in versions if not version["IsDefaultVersion"]]
            oldest = min(others, key=lambda item: (item["CreateDate"], int(item["VersionId"].removeprefix("v"))))
            iam.delete_policy_version(PolicyArn=identifier, VersionId=oldest["VersionId"])
        iam.create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
    change_tags(old, new, iam.untag_policy, iam.tag_policy, PolicyArn=identifier)


def delete_policy(account: Account, identifier: str, _old: Properties) -> None:
    """DeletePolicy, after the versions that are not the default, which AWS wants gone first."""
    for page in account.iam.get_paginator("list_policy_versions").paginate(PolicyArn=identifier):
        for version in page["Versions"]:
            if not version.get("IsDefaultVersion"):
                account.iam.delete_policy_version(PolicyArn=identifier, VersionId=version.get("VersionId", ""))
    account.iam.delete_policy(PolicyArn=identifier)


def attachment(kind: Literal["role", "user"]) -> Resource:
    """Return the resource type of what is attached to roles, or to users; its id is `name/arn`."""
    holder = f"{kind.title()}Name"

    def create(account: Account, inputs: Properties) -> tuple[str, Properties]:
        """AttachRolePolicy or AttachUserPolicy."""
        client: Any = account.iam  # the calls are chosen by name
        getattr(client, f"attach_{kind}_policy")(**{holder: inputs[kind]}, PolicyArn=inputs["policyArn"])
        return f"{inputs[kind]}/{inputs['policyArn']}", {}

    def read(account: Account, identifier: str, _known: Properties) -> Properties:
        """ListAttachedRolePolicies or ListAttachedUserPolicies."""
        name, _, arn = identifier.partition("/")
        if not arn.startswith("arn:"):
            raise ValueError(f"{identifier!r} is not the id of an attachment: it must be NAME/POLICY-ARN")
        client: Any = account.iam
        for page in client.get_paginator(f"list_attached_{kind}_policies").paginate(**{holder: name}):
            if any(policy["PolicyArn"] == arn for policy in page["AttachedPolicies"]):
                return {kind: name, "policyArn": arn}
        raise MissingError

    def delete(account: Account, _identifier: str, old: Properties) -> None:
        """DetachRolePolicy or DetachUserPolicy."""
        client: Any = account.iam
        getattr(client, f"detach_{kind}_policy")(**{holder: old[kind]}, PolicyArn=old["policyArn"])

    return Resource(
        service="IAM",
        label=f"IAM {kind.title()} Policy Attachment",
        id_form=f"{kind.upper()}/POLICY-ARN",
        inputs={kind: Input(required=True), "policyArn": Input(required=True)},
        outputs=(),
        create=create,
        read=read,
        delete=delete,
    )


TYPES: Final = {
    "aws:iam/policy:Policy": Resource(
        service="IAM",
        label="IAM Policy",
        id_form="ARN",
        inputs={
            "name": Input(replaces=True, auto_name=True),
            "path": Input(replaces=True, default="/"),
            "policy": Input(json_policy, required=True, document=True),
            "description": Input(replaces=True),
            "tags": Input(),
        },
        outputs=("arn", "policyId", "attachmentCount"),
        create=create_policy,
        read=read_policy,
        update=update_policy,
        delete=delete_policy,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attachment("role"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": attachment("user"),
}
