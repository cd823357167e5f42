"""The resource types of IAM but access keys. Property names are those of pulumi-aws 7, calls the official plugin's.

Roles and users, and the attachments to them, differ in the names of the calls and of their arguments.
"""

# ruff: noqa: ARG002 - the methods have the parameters of `Resource`

from dataclasses import dataclass
from typing import Final, Literal

from components.iam.limits import MAX_POLICY_VERSIONS, MIN_SESSION_SECONDS
from local.plugins.aws.resource import Input, MissingError, Resource, gone_is_fine
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import change_tags
from local.plugins.aws.wire import Properties

Kind = Literal["role", "user"]
# What belongs to a role or user: the call that lists it, where the answer has it, the call that removes an item, and
# the item's key, which that call takes under the same name. AWS's quotas keep every list within one page.
GROUPS: Final = ("list_groups_for_user", "Groups", "remove_user_from_group", "GroupName")
# The emulator has no SSH keys, signing certificates or service credentials, which the official plugin removes as well.
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role#force_detach_policies-1
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_user#force_destroy-1
FORCED: Final = {
    "role": (
        ("list_attached_role_policies", "AttachedPolicies", "detach_role_policy", "PolicyArn"),
        ("list_role_policies", "PolicyNames", "delete_role_policy", "PolicyName"),
    ),
    "user": (
        ("list_access_keys", "AccessKeyMetadata", "delete_access_key", "AccessKeyId"),
        ("list_attached_user_policies", "AttachedPolicies", "detach_user_policy", "PolicyArn"),
        ("list_user_policies", "PolicyNames", "delete_user_policy", "PolicyName"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Principal(Resource):
    """Roles or users. The id is the name at creation: Pulumi keeps it when AWS renames a user."""

    kind: Kind

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreateRole or CreateUser."""
        getattr(account.iam, f"create_{self.kind}")(**self.sent(inputs))
        return inputs["name"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetRole or GetUser, by the name known last."""
        answer = getattr(account.iam, f"get_{self.kind}")(**self._named(known.get("name", identifier)))
        return self.outputs_from(answer[self.kind.title()], account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make the calls for what changed, and no others."""
        iam, named, changed = account.iam, self._named(new["name"]), self.changed(old, new)
        if self.kind == "user" and changed.keys() & {"name", "path"}:
            iam.update_user(UserName=old["name"], NewUserName=new["name"], NewPath=new["path"])
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(**named, PolicyDocument=new["assumeRolePolicy"])
        if "description" in changed:
            iam.update_role_description(**named, Description=new.get("description", ""))
        if "maxSessionDuration" in changed:
            iam.update_role(**named, MaxSessionDuration=new["maxSessionDuration"])
        if "permissionsBoundary" in changed:
            if boundary := new.get("permissionsBoundary"):
                getattr(iam, f"put_{self.kind}_permissions_boundary")(**named, PermissionsBoundary=boundary)
            else:
                getattr(iam, f"delete_{self.kind}_permissions_boundary")(**named)
        change_tags(old, new, getattr(iam, f"untag_{self.kind}"), getattr(iam, f"tag_{self.kind}"), **named)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteRole or DeleteUser, which leaves its groups; by force also what others gave to it."""
        iam, named = account.iam, self._named(old.get("name", identifier))
        forced = old.get("forceDetachPolicies") or old.get("forceDestroy")
        belongings = [*([GROUPS] if self.kind == "user" else []), *(FORCED[self.kind] if forced else ())]
        for list_call, items, remove_call, key in belongings:
            for item in getattr(iam, list_call)(**named)[items]:
                with gone_is_fine():
                    getattr(iam, remove_call)(**named, **{key: item if isinstance(item, str) else item[key]})
        if forced and self.kind == "user":
            for device in iam.list_mfa_devices(**named)["MFADevices"]:
                with gone_is_fine():
                    iam.deactivate_mfa_device(**named, SerialNumber=device["SerialNumber"])
                with gone_is_fine():
                    iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
            with gone_is_fine():  # as a user without a console password
                iam.delete_login_profile(**named)
        getattr(iam, f"delete_{self.kind}")(**named)

    def _named(self, name: str) -> dict[str, str]:
        return {f"{self.kind.title()}Name": name}


class Policy(Resource):
    """Managed policies. The id is the ARN."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreatePolicy."""
        return account.iam.create_policy(**self.sent(inputs))["Policy"]["Arn"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetPolicy and GetPolicyVersion."""
        policy = account.iam.get_policy(PolicyArn=identifier)["Policy"]
        version = account.iam.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        return self.outputs_from(policy | {"PolicyDocument": version["PolicyVersion"]["Document"]}, account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make a new default version, after the oldest where AWS would take no more; set tags."""
        iam = account.iam
        if "policy" in self.changed(old, new):
            versions = iam.list_policy_versions(PolicyArn=identifier)["Versions"]
            if len(versions) >= MAX_POLICY_VERSIONS:
                others = [version for version in versions if not version["IsDefaultVersion"]]
                oldest = min(others, key=lambda item: (item["CreateDate"], int(item["VersionId"].removeprefix("v"))))
                with gone_is_fine():
                    iam.delete_policy_version(PolicyArn=identifier, VersionId=oldest["VersionId"])
            iam.create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
        change_tags(old, new, iam.untag_policy, iam.tag_policy, PolicyArn=identifier)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeletePolicy, after the versions that are not the default, which AWS wants gone first."""
        for version in account.iam.list_policy_versions(PolicyArn=identifier)["Versions"]:
            if not version["IsDefaultVersion"]:
                with gone_is_fine():
                    account.iam.delete_policy_version(PolicyArn=identifier, VersionId=version["VersionId"])
        account.iam.delete_policy(PolicyArn=identifier)


@dataclass(frozen=True, kw_only=True)
class Attachment(Resource):
    """Attachments of managed policies to roles, or to users.

    The id is `name/arn` here and on import. With the official plugin it is `name-time`, so only the outputs count.
    """

    kind: Kind

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """AttachRolePolicy or AttachUserPolicy."""
        getattr(account.iam, f"attach_{self.kind}_policy")(**self.sent(inputs))
        return f"{inputs[self.kind]}/{inputs['policyArn']}", {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """ListAttachedRolePolicies or ListAttachedUserPolicies."""
        name, _, arn = f"{known[self.kind]}/{known['policyArn']}".partition("/") if known else identifier.partition("/")
        pages = account.iam.get_paginator(f"list_attached_{self.kind}_policies").paginate(
            **self.sent({self.kind: name})
        )
        if not any(policy["PolicyArn"] == arn for page in pages for policy in page["AttachedPolicies"]):
            raise MissingError
        return {self.kind: name, "policyArn": arn}

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DetachRolePolicy or DetachUserPolicy."""
        getattr(account.iam, f"detach_{self.kind}_policy")(**self.sent(old))


def attachment(kind: Kind) -> Attachment:
    """Return the resource type of what is attached to roles, or to users."""
    return Attachment(
        kind=kind,
        label=f"IAM {kind.title()} Policy Attachment",
        id_form=f"{kind.upper()}/POLICY-ARN",
        inputs={
            kind: Input(f"{kind.title()}Name", replaces=True),
            "policyArn": Input("PolicyArn", replaces=True),
        },
    )


TYPES: Final = {
    "aws:iam/role:Role": Principal(
        kind="role",
        label="IAM Role",
        id_form="name",
        inputs={
            "name": Input("RoleName", replaces=True),
            "path": Input("Path", replaces=True, default="/"),
            "assumeRolePolicy": Input("AssumeRolePolicyDocument", document=True),
            "description": Input("Description"),
            "maxSessionDuration": Input("MaxSessionDuration", default=MIN_SESSION_SECONDS),
            "permissionsBoundary": Input("PermissionsBoundary"),
            "forceDetachPolicies": Input(default=False),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "uniqueId": "RoleId", "createDate": "CreateDate"},
    ),
    "aws:iam/user:User": Principal(
        kind="user",
        label="IAM User",
        id_form="name",
        inputs={
            "name": Input("UserName"),
            "path": Input("Path", default="/"),
            "permissionsBoundary": Input("PermissionsBoundary"),
            "forceDestroy": Input(default=False),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "uniqueId": "UserId"},
    ),
    "aws:iam/policy:Policy": Policy(
        label="IAM Policy",
        id_form="ARN",
        inputs={
            "name": Input("PolicyName", replaces=True),
            "path": Input("Path", replaces=True, default="/"),
            "policy": Input("PolicyDocument", document=True),
            "description": Input("Description", replaces=True),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "policyId": "PolicyId", "attachmentCount": "AttachmentCount"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attachment("role"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": attachment("user"),
}
