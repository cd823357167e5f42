"""The resource types of AWS IAM: property names as in pulumi-aws 7, calls as the official plugin makes them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from local.aws_plugin import rules
from local.aws_plugin.resource import Input, MissingError, Resource, UnfinishedError
from local.aws_plugin.session import UNKNOWN_CALL, Account
from local.aws_plugin.wire import Properties

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_ROLE_OR_USER_NAME: Final = 64
MAX_POLICY_NAME: Final = 128
MAX_DESCRIPTION: Final = 1000
MAX_POLICY_VERSIONS: Final = 5
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
SESSION_SECONDS: Final = (3600, 43200)
# https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
SMTP_SIGNED_PARTS: Final = ("ses", "aws4_request", "SendRawEmail")
SMTP_DATE: Final = "11111111"
SMTP_VERSION: Final = b"\x04"
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


def time(moment: datetime) -> str:
    """Return a time as the official plugin writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def given(values: Mapping[str, Any], **names: str) -> Properties:
    """Return the values that are there, under AWS's names: `given(inputs, Path="path")`."""
    return {aws_name: values[key] for aws_name, key in names.items() if values.get(key) not in (None, "")}


def tag_list(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in AWS's form."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_outputs(tags: Sequence[Mapping[str, str]], account: Account, known: Properties) -> Properties:
    """Return `tagsAll`, and `tags` without those that come from the provider's default tags alone."""
    merged = {tag["Key"]: tag["Value"] for tag in tags}
    own = known.get("tags", {})
    plain = {key: value for key, value in merged.items() if key in own or account.default_tags.get(key) != value}
    return {key: value for key, value in (("tags", plain), ("tagsAll", merged)) if value}


def tag_changes(old: Properties, new: Properties) -> tuple[list[str], dict[str, str]]:
    """Return the keys of the tags to remove, and the tags to set."""
    before, after = old.get("tagsAll", {}), new.get("tagsAll", {})
    return (
        sorted(before.keys() - after.keys()),
        {key: value for key, value in after.items() if before.get(key) != value},
    )


def policy_text(found: object, known: Properties, key: str) -> str:
    """Return AWS's document, or the text known so far where both mean the same, so that nothing seems changed."""
    text = found if isinstance(found, str) else json.dumps(found)
    recorded = known.get(key)
    return recorded if isinstance(recorded, str) and rules.same_document(recorded, text) else text


# Role


def create_role(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateRole; the id is the name."""
    account.iam.create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        MaxSessionDuration=inputs["maxSessionDuration"],
        Tags=cast("Any", tag_list(inputs.get("tagsAll", {}))),
        **given(inputs, Path="path", Description="description", PermissionsBoundary="permissionsBoundary"),
    )
    return inputs["name"], {}


def read_role(account: Account, identifier: str, known: Properties) -> Properties:
    """GetRole."""
    role = account.iam.get_role(RoleName=identifier)["Role"]
    return {
        "name": role["RoleName"],
        "path": role["Path"],
        "assumeRolePolicy": policy_text(role.get("AssumeRolePolicyDocument"), known, "assumeRolePolicy"),
        "maxSessionDuration": role.get("MaxSessionDuration", SESSION_SECONDS[0]),
        "forceDetachPolicies": known.get("forceDetachPolicies", False),
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "createDate": time(role["CreateDate"]),
        **given(role, description="Description"),
        **given(role.get("PermissionsBoundary", {}), permissionsBoundary="PermissionsBoundaryArn"),
        **tag_outputs(cast("Any", role.get("Tags", [])), account, known),
    }


def update_role(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    iam = account.iam
    if not rules.same_document(old["assumeRolePolicy"], new["assumeRolePolicy"]):
        iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=new["assumeRolePolicy"])
    if (description := new.get("description", "")) != old.get("description", ""):
        iam.update_role_description(RoleName=identifier, Description=description)
    if old.get("maxSessionDuration") != new["maxSessionDuration"]:
        iam.update_role(RoleName=identifier, MaxSessionDuration=new["maxSessionDuration"])
    if old.get("permissionsBoundary") != (boundary := new.get("permissionsBoundary")):
        if boundary:
            iam.put_role_permissions_boundary(RoleName=identifier, PermissionsBoundary=boundary)
        else:
            iam.delete_role_permissions_boundary(RoleName=identifier)
    removed, added = tag_changes(old, new)
    if removed:
        iam.untag_role(RoleName=identifier, TagKeys=removed)
    if added:
        iam.tag_role(RoleName=identifier, Tags=cast("Any", tag_list(added)))


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


# Policy


def create_policy(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreatePolicy; the id is the ARN."""
    policy = account.iam.create_policy(
        PolicyName=inputs["name"],
        PolicyDocument=inputs["policy"],
        Tags=cast("Any", tag_list(inputs.get("tagsAll", {}))),
        **given(inputs, Path="path", Description="description"),
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
        **given(policy, description="Description"),
        **tag_outputs(policy.get("Tags", []), account, known),
    }


def update_policy(account: Account, identifier: str, old: Properties, new: Properties) -> None:
    """Make a new default version, after the oldest where AWS would take no more; set tags."""
    iam = account.iam
    if not rules.same_document(old["policy"], new["policy"]):
        versions = iam.list_policy_versions(PolicyArn=identifier)["Versions"]
        if len(versions) >= MAX_POLICY_VERSIONS:
            others = [item for item in cast("list[Properties]", versions) if not item["IsDefaultVersion"]]
            oldest = min(others, key=lambda item: (item["CreateDate"], int(item["VersionId"].removeprefix("v"))))
            iam.delete_policy_version(PolicyArn=identifier, VersionId=oldest["VersionId"])
        iam.create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
    removed, added = tag_changes(old, new)
    if removed:
        iam.untag_policy(PolicyArn=identifier, TagKeys=removed)
    if added:
        iam.tag_policy(PolicyArn=identifier, Tags=cast("Any", tag_list(added)))


def delete_policy(account: Account, identifier: str, _old: Properties) -> None:
    """DeletePolicy, after the versions that are not the default, which AWS wants gone first."""
    for page in account.iam.get_paginator("list_policy_versions").paginate(PolicyArn=identifier):
        for version in page["Versions"]:
            if not version.get("IsDefaultVersion"):
                account.iam.delete_policy_version(PolicyArn=identifier, VersionId=version.get("VersionId", ""))
    account.iam.delete_policy(PolicyArn=identifier)


# Attachments


def split_attachment(identifier: str) -> tuple[str, str]:
    """Return the name and the policy's ARN of an id like `role-1/arn:aws:iam::aws:policy/ReadOnlyAccess`."""
    name, _, arn = identifier.partition("/")
    if not arn.startswith("arn:"):
        raise ValueError(f"{identifier!r} is not the id of an attachment: it must be NAME/POLICY-ARN")
    return name, arn


def attach_to_role(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """AttachRolePolicy; the id is `role/arn`."""
    account.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}", {}


def read_role_attachment(account: Account, identifier: str, _known: Properties) -> Properties:
    """ListAttachedRolePolicies."""
    role, arn = split_attachment(identifier)
    for page in account.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        if arn in (policy.get("PolicyArn") for policy in page["AttachedPolicies"]):
            return {"role": role, "policyArn": arn}
    raise MissingError


def detach_from_role(account: Account, _identifier: str, old: Properties) -> None:
    """DetachRolePolicy."""
    account.iam.detach_role_policy(RoleName=old["role"], PolicyArn=old["policyArn"])


def attach_to_user(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """AttachUserPolicy; the id is `user/arn`."""
    account.iam.attach_user_policy(UserName=inputs["user"], PolicyArn=inputs["policyArn"])
    return f"{inputs['user']}/{inputs['policyArn']}", {}


def read_user_attachment(account: Account, identifier: str, _known: Properties) -> Properties:
    """ListAttachedUserPolicies."""
    user, arn = split_attachment(identifier)
    for page in account.iam.get_paginator("list_attached_user_policies").paginate(UserName=user):
        if arn in (policy.get("PolicyArn") for policy in page["AttachedPolicies"]):
            return {"user": user, "policyArn": arn}
    raise MissingError


def detach_from_user(account: Account, _identifier: str, old: Properties) -> None:
    """DetachUserPolicy."""
    account.iam.detach_user_policy(UserName=old["user"], PolicyArn=old["policyArn"])


# User


def create_user(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateUser; the id is the name."""
    account.iam.create_user(
        UserName=inputs["name"],
        Tags=cast("Any", tag_list(inputs.get("tagsAll", {}))),
        **given(inputs, Path="path", PermissionsBoundary="permissionsBoundary"),
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
        **given(user.get("PermissionsBoundary", {}), permissionsBoundary="PermissionsBoundaryArn"),
        **tag_outputs(cast("Any", user.get("Tags", [])), account, known),
    }


def update_user(account: Account, _identifier: str, old: Properties, new: Properties) -> None:
    """Make the calls for what changed, and no others."""
    iam, name = account.iam, new["name"]
    if (old["name"], old["path"]) != (name, new["path"]):
        iam.update_user(UserName=old["name"], NewUserName=name, NewPath=new["path"])
    if old.get("permissionsBoundary") != (boundary := new.get("permissionsBoundary")):
        if boundary:
            iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
        else:
            iam.delete_user_permissions_boundary(UserName=name)
    removed, added = tag_changes(old, new)
    if removed:
        iam.untag_user(UserName=name, TagKeys=removed)
    if added:
        iam.tag_user(UserName=name, Tags=cast("Any", tag_list(added)))


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


# Access key


def create_access_key(account: Account, inputs: Properties) -> tuple[str, Properties]:
    """CreateAccessKey; the id is the key's. The secret, or with a PGP key its encrypted form, is told only here.

    As with the official plugin, the key exists before the PGP key is looked at.
    """
    user = inputs["user"]
    key = account.iam.create_access_key(UserName=user)["AccessKey"]
    identifier, secret = key["AccessKeyId"], key["SecretAccessKey"]
    outputs: Properties = {"createDate": time(key.get("CreateDate") or datetime.now().astimezone())}
    try:
        password = smtp_password(secret, account.region)
        if pgp_key := inputs.get("pgpKey"):
            outputs |= encrypted(pgp_key, encryptedSecret=secret, encryptedSesSmtpPasswordV4=password)
        else:
            outputs |= {"secret": secret, "sesSmtpPasswordV4": password}
        if inputs["status"] != "Active":
            account.iam.update_access_key(UserName=user, AccessKeyId=identifier, Status=inputs["status"])
    except Exception as error:
        raise UnfinishedError(identifier, outputs) from error
    return identifier, outputs


def encrypted(pgp_key: str, **secrets: str) -> Properties:
    """Return the secrets encrypted to the public key, and its fingerprint; raise ValueError for a bad key."""
    import pysequoia  # noqa: PLC0415 - few stacks use it, and every plugin process would pay for it

    try:
        certificate = pysequoia.Cert.from_bytes(base64.b64decode(pgp_key, validate=True))
        sealed = {
            name: pysequoia.encrypt(secret.encode(), recipients=[certificate], armor=False)
            for name, secret in secrets.items()
        }
    except Exception as error:  # noqa: BLE001 - pysequoia raises no narrower one
        reason = str(error).splitlines()[0]  # without pysequoia's own trace
        raise ValueError(
            f"pgpKey is not a public key in base64 that can encrypt: {reason}. The access key was created, and nobody "
            "has its secret: correct pgpKey, and the next `pulumi up` replaces the key (with the same pgpKey it leaves "
            "the useless key as it is)"
        ) from None
    outputs: Properties = {name: base64.b64encode(value).decode() for name, value in sealed.items()}
    return outputs | {"keyFingerprint": certificate.fingerprint}


def smtp_password(secret: str, region: str) -> str:
    """Return the password for Amazon SES's SMTP interface that AWS derives from a secret access key."""
    signature = f"AWS4{secret}".encode()
    for part in (SMTP_DATE, region, *SMTP_SIGNED_PARTS):
        signature = hmac.new(signature, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(SMTP_VERSION + signature).decode()


def read_access_key(account: Account, identifier: str, known: Properties) -> Properties:
    """ListAccessKeys; on import GetAccessKeyLastUsed first, which tells whose key it is."""
    user = known.get("user") or account.iam.get_access_key_last_used(AccessKeyId=identifier).get("UserName", "")
    for page in account.iam.get_paginator("list_access_keys").paginate(UserName=user):
        for key in page["AccessKeyMetadata"]:
            if key.get("AccessKeyId") == identifier:
                return (
                    known
                    | {"user": user, "status": key.get("Status")}
                    | given({"date": time(key["CreateDate"])} if "CreateDate" in key else {}, createDate="date")
                )
    raise MissingError


def update_access_key(account: Account, identifier: str, _old: Properties, new: Properties) -> None:
    """UpdateAccessKey: active or inactive. As with the official plugin, a secret lost at creation stays lost."""
    account.iam.update_access_key(UserName=new["user"], AccessKeyId=identifier, Status=new["status"])


def delete_access_key(account: Account, identifier: str, old: Properties) -> None:
    """DeleteAccessKey."""
    account.iam.delete_access_key(UserName=old["user"], AccessKeyId=identifier)


ROLE_OR_USER_NAME: Final = rules.text(1, MAX_ROLE_OR_USER_NAME, rules.NAME_PATTERN)

TYPES: Final = {
    "aws:iam/role:Role": Resource(
        service="IAM",
        label="IAM Role",
        id_form="name",
        inputs={
            "name": Input(ROLE_OR_USER_NAME, replaces=True, auto_name=True),
            "path": Input(rules.path, replaces=True, default="/"),
            "assumeRolePolicy": Input(rules.document(rules.MAX_TRUST_POLICY_SIZE), required=True, document=True),
            "description": Input(rules.text(0, MAX_DESCRIPTION, rules.ROLE_DESCRIPTION_PATTERN)),
            "maxSessionDuration": Input(rules.number(*SESSION_SECONDS), default=SESSION_SECONDS[0]),
            "permissionsBoundary": Input(rules.arn),
            "forceDetachPolicies": Input(rules.flag, default=False),
            "tags": Input(rules.tags),
        },
        outputs=("arn", "uniqueId", "createDate"),
        create=create_role,
        read=read_role,
        update=update_role,
        delete=delete_role,
    ),
    "aws:iam/policy:Policy": Resource(
        service="IAM",
        label="IAM Policy",
        id_form="ARN",
        inputs={
            "name": Input(rules.text(1, MAX_POLICY_NAME, rules.NAME_PATTERN), replaces=True, auto_name=True),
            "path": Input(rules.path, replaces=True, default="/"),
            "policy": Input(rules.document(rules.MAX_POLICY_SIZE), required=True, document=True),
            "description": Input(rules.text(0, MAX_DESCRIPTION), replaces=True),
            "tags": Input(rules.tags),
        },
        outputs=("arn", "policyId", "attachmentCount"),
        create=create_policy,
        read=read_policy,
        update=update_policy,
        delete=delete_policy,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Resource(
        service="IAM",
        label="IAM Role Policy Attachment",
        id_form="ROLE/POLICY-ARN",
        inputs={
            "role": Input(ROLE_OR_USER_NAME, required=True),
            "policyArn": Input(rules.arn, required=True),
        },
        outputs=(),
        create=attach_to_role,
        read=read_role_attachment,
        delete=detach_from_role,
    ),
    "aws:iam/user:User": Resource(
        service="IAM",
        label="IAM User",
        id_form="name",
        inputs={
            "name": Input(ROLE_OR_USER_NAME, auto_name=True),
            "path": Input(rules.path, default="/"),
            "permissionsBoundary": Input(rules.arn),
            "forceDestroy": Input(rules.flag, default=False),
            "tags": Input(rules.tags),
        },
        outputs=("arn", "uniqueId"),
        create=create_user,
        read=read_user,
        update=update_user,
        delete=delete_user,
    ),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": Resource(
        service="IAM",
        label="IAM User Policy Attachment",
        id_form="USER/POLICY-ARN",
        inputs={
            "user": Input(ROLE_OR_USER_NAME, required=True),
            "policyArn": Input(rules.arn, required=True),
        },
        outputs=(),
        create=attach_to_user,
        read=read_user_attachment,
        delete=detach_from_user,
    ),
    "aws:iam/accessKey:AccessKey": Resource(
        service="IAM",
        label="IAM Access Key",
        id_form="access key id",
        inputs={
            "user": Input(ROLE_OR_USER_NAME, required=True, replaces=True),
            "pgpKey": Input(rules.pgp_key, replaces=True),
            "status": Input(rules.choice("Active", "Inactive"), default="Active"),
        },
        outputs=(
            "createDate",
            "secret",
            "sesSmtpPasswordV4",
            "encryptedSecret",
            "encryptedSesSmtpPasswordV4",
            "keyFingerprint",
        ),
        secrets=frozenset({"secret", "sesSmtpPasswordV4"}),
        create=create_access_key,
        read=read_access_key,
        update=update_access_key,
        delete=delete_access_key,
    ),
}
