"""The resource types of managed policies and their attachments to roles and users."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from components.iam.limits import MAX_POLICY_VERSIONS
from local.plugins.aws.errors import gone_is_fine
from local.plugins.aws.resource import Input, MissingError, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import change_tags
from local.plugins.aws.wire import Properties


class Policy(Resource):
    """Managed policies. The id is the ARN."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreatePolicy."""
        return account.iam.create_policy(**self.sent(inputs))["Policy"].get("Arn", ""), {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetPolicy and GetPolicyVersion."""
        policy = cast("Properties", account.iam.get_policy(PolicyArn=identifier)["Policy"])
        version = account.iam.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        document = version["PolicyVersion"].get("Document")
        return self.outputs_from(policy | {"PolicyDocument": document}, account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make a new default version, after the oldest where AWS would take no more; set tags."""
        iam = account.iam
        if "policy" in self.changed(old, new):
            versions = cast("list[Properties]", iam.list_policy_versions(PolicyArn=identifier)["Versions"])
            if len(versions) >= MAX_POLICY_VERSIONS:
                others = [version for version in versions if not version["IsDefaultVersion"]]
                oldest = min(others, key=lambda item: (item["CreateDate"], int(item["VersionId"].removeprefix("v"))))
                with gone_is_fine():
                    iam.delete_policy_version(PolicyArn=identifier, VersionId=oldest["VersionId"])
            iam.create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
        change_tags(old, new, iam.untag_policy, iam.tag_policy, PolicyArn=identifier)

    def delete(self, account: Account, identifier: str, _old: Properties) -> None:
        """DeletePolicy, after the versions that are not the default, which AWS wants gone first."""
        for version in account.iam.list_policy_versions(PolicyArn=identifier)["Versions"]:
            if not version.get("IsDefaultVersion"):
                with gone_is_fine():
                    account.iam.delete_policy_version(PolicyArn=identifier, VersionId=version.get("VersionId", ""))
        account.iam.delete_policy(PolicyArn=identifier)


@dataclass(frozen=True, kw_only=True)
class Attachment(Resource):
    """Attachments of managed policies to roles, or to users. The calls are chosen by name.

    The id is `name/arn` here and on import. With the official plugin it is `name-time`, so only the outputs count.
    """

    kind: Literal["role", "user"]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """AttachRolePolicy or AttachUserPolicy."""
        client: Any = account.iam
        getattr(client, f"attach_{self.kind}_policy")(**self.sent(inputs))
        return f"{inputs[self.kind]}/{inputs['policyArn']}", {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """ListAttachedRolePolicies or ListAttachedUserPolicies."""
        name, _, arn = f"{known[self.kind]}/{known['policyArn']}".partition("/") if known else identifier.partition("/")
        if not arn.startswith("arn:"):
            raise ValueError(f"{identifier!r} is not the id of an attachment: it must be NAME/POLICY-ARN")
        client: Any = account.iam
        pages = client.get_paginator(f"list_attached_{self.kind}_policies").paginate(**self.sent({self.kind: name}))
        if not any(policy["PolicyArn"] == arn for page in pages for policy in page["AttachedPolicies"]):
            raise MissingError
        return {self.kind: name, "policyArn": arn}

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Do nothing: every change replaces."""

    def delete(self, account: Account, _identifier: str, old: Properties) -> None:
        """DetachRolePolicy or DetachUserPolicy."""
        client: Any = account.iam
        getattr(client, f"detach_{self.kind}_policy")(**self.sent(old))


def attachment(kind: Literal["role", "user"]) -> Attachment:
    """Return the resource type of what is attached to roles, or to users."""
    return Attachment(
        kind=kind,
        label=f"IAM {kind.title()} Policy Attachment",
        id_form=f"{kind.upper()}/POLICY-ARN",
        inputs={
            kind: Input(f"{kind.title()}Name", required=True, replaces=True),
            "policyArn": Input("PolicyArn", required=True, replaces=True),
        },
    )


TYPES: Final = {
    "aws:iam/policy:Policy": Policy(
        label="IAM Policy",
        id_form="ARN",
        inputs={
            "name": Input("PolicyName", required=True, replaces=True),
            "path": Input("Path", replaces=True, default="/"),
            "policy": Input("PolicyDocument", required=True, document=True),
            "description": Input("Description", replaces=True),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "policyId": "PolicyId", "attachmentCount": "AttachmentCount"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attachment("role"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": attachment("user"),
}
