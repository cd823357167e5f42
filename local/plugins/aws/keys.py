"""The resource type of access keys: AWS tells a secret once; it may be encrypted to a PGP key."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any, Final

from local.plugins.aws.resource import Input, MissingError, Resource, UnfinishedError
from local.plugins.aws.session import Account
from local.plugins.aws.shapes import renamed, time
from local.plugins.aws.wire import Properties

# https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
SMTP_SIGNED_PARTS: Final = ("ses", "aws4_request", "SendRawEmail")
SMTP_DATE: Final = "11111111"
SMTP_VERSION: Final = b"\x04"


def no_keybase(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
    """Rule: a key, no name on keybase.io. As with the official plugin, a bad key is noticed only when it is used."""
    if isinstance(value, str) and not value.startswith("keybase:"):
        return None
    return "must be a base64-encoded public key: the stand-in AWS plugin does not cover keys from keybase.io"


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
                    | renamed({"date": time(key["CreateDate"])} if "CreateDate" in key else {}, createDate="date")
                )
    raise MissingError


def update_access_key(account: Account, identifier: str, _old: Properties, new: Properties) -> None:
    """UpdateAccessKey: active or inactive. As with the official plugin, a secret lost at creation stays lost."""
    account.iam.update_access_key(UserName=new["user"], AccessKeyId=identifier, Status=new["status"])


def delete_access_key(account: Account, identifier: str, old: Properties) -> None:
    """DeleteAccessKey."""
    account.iam.delete_access_key(UserName=old["user"], AccessKeyId=identifier)


TYPES: Final = {
    "aws:iam/accessKey:AccessKey": Resource(
        service="IAM",
        label="IAM Access Key",
        id_form="access key id",
        inputs={
            "user": Input(required=True, replaces=True),
            "pgpKey": Input(no_keybase, replaces=True),
            "status": Input(default="Active"),
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
