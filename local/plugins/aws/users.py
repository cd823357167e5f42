"""The resource type of users."""

from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import ClientError

from local.plugins.aws.resource import Input, Resource
from local.plugins.aws.session import UNKNOWN_CALL, Account
from local.plugins.aws.shapes import change_boundary, change_tags, renamed, tag_list, tag_outputs
from local.plugins.aws.wire import Properties

# What hangs on a user: the call that lists it, where the answer has it, the call that removes it, and by which key.
GROUPS: Final = ("list_groups_for_user", "Groups", "remove_user_from_group", "GroupName")
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_user#force_destroy-1
FORCE_DESTROYED: Final = (
    ("list_access_keys", "AccessKeyMetadata", "delete_access_key", "AccessKeyId"),
    ("list_attached_user_policies", "AttachedPolicies", "detach_user_policy", "PolicyArn"),
    ("list_user_policies", "PolicyNames", "delete_user_policy", "PolicyName"),
    ("list_ssh_public_keys", "SSHPublicKeys", "delete_ssh_public_key", "SSHPublicKeyId"),
    ("list_signing_certificates", "Certificates", "delete_signing_certificate", "CertificateId"),
    (
        *("list_service_specific_credentials", "ServiceSpecificCredentials"),
        *("delete_service_specific_credential", "ServiceSpecificCredentialId"),
    ),
)


def create_user(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateUser; the id is the name."""
    account.iam.create_user(
        UserName=inputs["name"],
        Tags=tag_list(inputs.get("tagsAll", {})),
        **renamed(inputs, Path="path", PermissionsBoundary="permissionsBoundary"),
    )
    return inputs["name"], {}


def read_user(account: Account, identifier: str, known: Properties) -> Properties:
    """GetUser, by the name known last: a rename does not change the id that Pulumi keeps."""
    user = account.iam.get_user(UserName=known.get("name", identifier))["User"]
    return {
        "name": user["UserName"],
        "path": user["Path"],
        "forceDestroy": known.get("forceDestroy", False),
        "arn": user["Arn"],
        "uniqueId": user["UserId"],
        **renamed(user.get("PermissionsBoundary", {}), permissionsBoundary="PermissionsBoundaryArn"),
        **tag_outputs(user.get("Tags", []), account, known),
    }


def update_user(account: Account, _identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    iam, name = account.iam, new["name"]
    if (old["name"], old["path"]) != (name, new["path"]):
        iam.update_user(UserName=old["name"], NewUserName=name, NewPath=new["path"])
    put, delete = iam.put_user_permissions_boundary, iam.delete_user_permissions_boundary
    change_boundary(old, new, put, delete, UserName=name)
    change_tags(old, new, iam.untag_user, iam.tag_user, UserName=name)


def delete_user(account: Account, identifier: str, old: Properties) -> None:
    """DeleteUser, out of its groups; with forceDestroy also all that others gave it."""
    iam, name = account.iam, old.get("name", identifier)
    remove_from_user(account, name, GROUPS)
    if old.get("forceDestroy"):
        for owned in FORCE_DESTROYED:
            remove_from_user(account, name, owned)
        for device in iam.list_mfa_devices(UserName=name)["MFADevices"]:
            iam.deactivate_mfa_device(UserName=name, SerialNumber=device["SerialNumber"])
            if ":mfa/" in device["SerialNumber"]:  # a virtual one; the serial number of hardware is no ARN
                iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
        with suppress(iam.exceptions.NoSuchEntityException):  # a user without a console password
            iam.delete_login_profile(UserName=name)
    iam.delete_user(UserName=name)


def remove_from_user(account: Account, user: str, owned: tuple[str, str, str, str]) -> None:
    """List what the user has and remove each; an emulator that does not know the call cannot hold any.

    AWS's quotas keep every list within one page.
    """
    list_call, items, remove_call, key = owned
    client: Any = account.iam  # the calls are chosen by name
    try:
        found = getattr(client, list_call)(UserName=user)[items]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in UNKNOWN_CALL:
            return
        raise
    for item in found:
        getattr(client, remove_call)(UserName=user, **{key: item[key] if isinstance(item, dict) else item})


TYPES: Final = {
    "aws:iam/user:User": Resource(
        service="IAM",
        label="IAM User",
        id_form="name",
        inputs={
            "name": Input(auto_name=True),
            "path": Input(default="/"),
            "permissionsBoundary": Input(),
            "forceDestroy": Input(default=False),
            "tags": Input(),
        },
        outputs=("arn", "uniqueId"),
        create=create_user,
        read=read_user,
        update=update_user,
        delete=delete_user,
    ),
}
