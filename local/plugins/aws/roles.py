"""The resource type of roles: property names as in pulumi-aws 7, calls as the official plugin makes them."""

from typing import Final

from iam.limits import MIN_SESSION_SECONDS
from local.plugins.aws.resource import Input, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import (
    change_boundary,
    change_tags,
    json_policy,
    policy_text,
    renamed,
    same_document,
    tag_list,
    tag_outputs,
    time,
)
from local.plugins.aws.wire import Properties


def create_role(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateRole; the id is the name."""
    account.iam.create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        MaxSessionDuration=inputs["maxSessionDuration"],
        Tags=tag_list(inputs.get("tagsAll", {})),
        **renamed(inputs, Path="path", Description="description", PermissionsBoundary="permissionsBoundary"),
    )
    return inputs["name"], {}


def read_role(account: Account, identifier: str, known: Properties) -> Properties:
    """GetRole."""
    role = account.iam.get_role(RoleName=identifier)["Role"]
    return {
        "name": role["RoleName"],
        "path": role["Path"],
        "assumeRolePolicy": policy_text(role.get("AssumeRolePolicyDocument"), known, "assumeRolePolicy"),
        "maxSessionDuration": role.get("MaxSessionDuration", MIN_SESSION_SECONDS),
        "forceDetachPolicies": known.get("forceDetachPolicies", False),
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "createDate": time(role["CreateDate"]),
        **renamed(role, description="Description"),
        **renamed(role.get("PermissionsBoundary", {}), permissionsBoundary="PermissionsBoundaryArn"),
        **tag_outputs(role.get("Tags", []), account, known),
    }


def update_role(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    iam = account.iam
    if not same_document(old["assumeRolePolicy"], new["assumeRolePolicy"]):
        iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=new["assumeRolePolicy"])
    if (description := new.get("description", "")) != old.get("description", ""):
        iam.update_role_description(RoleName=identifier, Description=description)
    if old.get("maxSessionDuration") != new["maxSessionDuration"]:
        iam.update_role(RoleName=identifier, MaxSessionDuration=new["maxSessionDuration"])
    put, delete = iam.put_role_permissions_boundary, iam.delete_role_permissions_boundary
    change_boundary(old, new, put, delete, RoleName=identifier)
    change_tags(old, new, iam.untag_role, iam.tag_role, RoleName=identifier)


def delete_role(account: Account, identifier: str, old: Properties) -> None:
    """DeleteRole; with forceDetachPolicies also what others attached to it or wrote into it."""
    iam = account.iam
    if old.get("forceDetachPolicies"):
        for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=identifier):
            for policy in page["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=identifier, PolicyArn=policy.get("PolicyArn", ""))
        for inline in iam.get_paginator("list_role_policies").paginate(RoleName=identifier):
            for name in inline["PolicyNames"]:
                iam.delete_role_policy(RoleName=identifier, PolicyName=name)
    iam.delete_role(RoleName=identifier)


TYPES: Final = {
    "aws:iam/role:Role": Resource(
        service="IAM",
        label="IAM Role",
        id_form="name",
        inputs={
            "name": Input(replaces=True, auto_name=True),
            "path": Input(replaces=True, default="/"),
            "assumeRolePolicy": Input(json_policy, required=True, document=True),
            "description": Input(),
            "maxSessionDuration": Input(default=MIN_SESSION_SECONDS),
            "permissionsBoundary": Input(),
            "forceDetachPolicies": Input(default=False),
            "tags": Input(),
        },
        outputs=("arn", "uniqueId", "createDate"),
        create=create_role,
        read=read_role,
        update=update_role,
        delete=delete_role,
    ),
}
