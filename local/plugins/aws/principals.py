"""The resource types of roles and users: property names as in pulumi-aws 7, calls as the official plugin makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from components.iam.limits import MIN_SESSION_SECONDS
from local.plugins.aws.errors import gone_is_fine
from local.plugins.aws.resource import Input, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import change_tags
from local.plugins.aws.wire import Properties


@dataclass(frozen=True)
class Belonging:
    """What belongs to a role or user: the calls that list and remove it, and where the answer has it."""

    list_call: str
    items: str
    remove_call: str
    key: str  # of an item; the calls that remove it take it under the same name


# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role#force_detach_policies-1
OF_ROLES: Final = (
    Belonging("list_attached_role_policies", "AttachedPolicies", "detach_role_policy", "PolicyArn"),
    Belonging("list_role_policies", "PolicyNames", "delete_role_policy", "PolicyName"),
)
GROUPS: Final = Belonging("list_groups_for_user", "Groups", "remove_user_from_group", "GroupName")
# The emulator has no SSH keys, signing certificates or service credentials, which the official plugin removes as well.
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_user#force_destroy-1
OF_USERS: Final = (
    Belonging("list_access_keys", "AccessKeyMetadata", "delete_access_key", "AccessKeyId"),
    Belonging("list_attached_user_policies", "AttachedPolicies", "detach_user_policy", "PolicyArn"),
    Belonging("list_user_policies", "PolicyNames", "delete_user_policy", "PolicyName"),
)


def remove(account: Account, belonging: Belonging, **owner: str) -> None:
    """List what the owner has and remove each. AWS's quotas keep every list within one page."""
    client: Any = account.iam  # the calls are chosen by name
    for item in getattr(client, belonging.list_call)(**owner)[belonging.items]:
        key = item if isinstance(item, str) else item[belonging.key]
        with gone_is_fine():
            getattr(client, belonging.remove_call)(**owner, **{belonging.key: key})


def set_boundary(new: Properties, put: Callable[..., object], delete: Callable[..., object], **owner: str) -> None:
    """Give the owner its new permissions boundary, or none."""
    if boundary := new.get("permissionsBoundary"):
        put(**owner, PermissionsBoundary=boundary)
    else:
        delete(**owner)


class Role(Resource):
    """Roles. The id is the name."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreateRole."""
        account.iam.create_role(**self.sent(inputs))
        return inputs["name"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetRole."""
        return self.outputs_from(account.iam.get_role(RoleName=identifier)["Role"], account, known)

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """Make the calls for what changed, and no others."""
        iam, changed = account.iam, self.changed(old, new)
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=new["assumeRolePolicy"])
        if "description" in changed:
            iam.update_role_description(RoleName=identifier, Description=new.get("description", ""))
        if "maxSessionDuration" in changed:
            iam.update_role(RoleName=identifier, MaxSessionDuration=new["maxSessionDuration"])
        if "permissionsBoundary" in changed:
            put, delete = iam.put_role_permissions_boundary, iam.delete_role_permissions_boundary
            set_boundary(new, put, delete, RoleName=identifier)
        change_tags(old, new, iam.untag_role, iam.tag_role, RoleName=identifier)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteRole; with forceDetachPolicies also what others attached to it or wrote into it."""
        for belonging in OF_ROLES if old.get("forceDetachPolicies") else ():
            remove(account, belonging, RoleName=identifier)
        account.iam.delete_role(RoleName=identifier)


class User(Resource):
    """Users. The id is the name at creation: Pulumi keeps it when AWS renames the user."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreateUser."""
        account.iam.create_user(**self.sent(inputs))
        return inputs["name"], {}

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """GetUser, by the name known last."""
        return self.outputs_from(account.iam.get_user(UserName=known.get("name", identifier))["User"], account, known)

    def update(self, account: Account, _identifier: str, old: Properties, new: Properties) -> None:
        """Make the calls for what changed, and no others."""
        iam, name, changed = account.iam, new["name"], self.changed(old, new)
        if changed.keys() & {"name", "path"}:
            iam.update_user(UserName=old["name"], NewUserName=name, NewPath=new["path"])
        if "permissionsBoundary" in changed:
            put, delete = iam.put_user_permissions_boundary, iam.delete_user_permissions_boundary
            set_boundary(new, put, delete, UserName=name)
        change_tags(old, new, iam.untag_user, iam.tag_user, UserName=name)

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteUser, out of its groups; with forceDestroy also all that others gave it."""
        iam, name = account.iam, old.get("name", identifier)
        for belonging in (GROUPS, *(OF_USERS if old.get("forceDestroy") else ())):
            remove(account, belonging, UserName=name)
        if old.get("forceDestroy"):
            for device in iam.list_mfa_devices(UserName=name)["MFADevices"]:
                with gone_is_fine():
                    iam.deactivate_mfa_device(UserName=name, SerialNumber=device["SerialNumber"])
                with gone_is_fine():
                    iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
            with gone_is_fine():  # as a user without a console password
                iam.delete_login_profile(UserName=name)
        iam.delete_user(UserName=name)


TYPES: Final = {
    "aws:iam/role:Role": Role(
        label="IAM Role",
        id_form="name",
        inputs={
            "name": Input("RoleName", required=True, replaces=True),
            "path": Input("Path", replaces=True, default="/"),
            "assumeRolePolicy": Input("AssumeRolePolicyDocument", required=True, document=True),
            "description": Input("Description"),
            "maxSessionDuration": Input("MaxSessionDuration", default=MIN_SESSION_SECONDS),
            "permissionsBoundary": Input("PermissionsBoundary"),
            "forceDetachPolicies": Input(default=False),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "uniqueId": "RoleId", "createDate": "CreateDate"},
    ),
    "aws:iam/user:User": User(
        label="IAM User",
        id_form="name",
        inputs={
            "name": Input("UserName", required=True),
            "path": Input("Path", default="/"),
            "permissionsBoundary": Input("PermissionsBoundary"),
            "forceDestroy": Input(default=False),
            "tags": Input(),
        },
        outputs={"arn": "Arn", "uniqueId": "UserId"},
    ),
}
