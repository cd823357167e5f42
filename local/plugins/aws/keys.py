"""The resource type of access keys. AWS returns a secret once; it may be encrypted to a PGP key."""

# ruff: noqa: ARG002 - the methods have the parameters of `Resource`

import base64
from typing import Final

from local.plugins.aws.resource import Input, MissingError, Resource
from local.plugins.aws.session import Account
from local.plugins.aws.wire import Properties


class AccessKey(Resource):
    """Access keys. The id is the key's."""

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """CreateAccessKey, which alone returns the secret."""
        key = account.iam.create_access_key(UserName=inputs["user"])["AccessKey"]
        return key["AccessKeyId"], {"secret": key["SecretAccessKey"]}

    def finish(self, account: Account, identifier: str, known: Properties) -> None:
        """Encrypt the secret; set the status. As with the official plugin, a bad PGP key is noticed only now."""
        if pgp_key := known.get("pgpKey"):
            known |= encrypted(pgp_key, known.pop("secret"))
        if known["status"] != "Active":
            self.update(account, identifier, {}, known)

    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """ListAccessKeys; on import GetAccessKeyLastUsed first, which returns the user."""
        user = known.get("user") or account.iam.get_access_key_last_used(AccessKeyId=identifier).get("UserName", "")
        for key in account.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            if key["AccessKeyId"] == identifier:
                return self.outputs_from(key | {"UserName": user}, account, known)
        raise MissingError

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:
        """UpdateAccessKey: active or inactive. As with the official plugin, a secret lost at creation stays lost."""
        account.iam.update_access_key(UserName=new["user"], AccessKeyId=identifier, Status=new["status"])

    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """DeleteAccessKey."""
        account.iam.delete_access_key(UserName=old["user"], AccessKeyId=identifier)


def encrypted(pgp_key: str, secret: str) -> Properties:
    """Return the secret encrypted to the public key, and its fingerprint; raise ValueError for a bad key."""
    import pysequoia  # noqa: PLC0415 - few stacks use it, and every plugin process would pay for it

    try:
        certificate = pysequoia.Cert.from_bytes(base64.b64decode(pgp_key, validate=True))
        sealed = pysequoia.encrypt(secret.encode(), recipients=[certificate], armor=False)
    except Exception as error:  # noqa: BLE001 - pysequoia raises no narrower one
        reason = str(error).splitlines()[0].rstrip(".")  # without pysequoia's own trace
        raise ValueError(
            f"pgpKey is not a public key in base64 that can encrypt: {reason}. The access key was created, and nobody "
            "has its secret: correct pgpKey, and the next `pulumi up` replaces the key (with the same pgpKey it leaves "
            "the useless key as it is)"
        ) from None
    return {"encryptedSecret": base64.b64encode(sealed).decode(), "keyFingerprint": certificate.fingerprint}


TYPES: Final = {
    "aws:iam/accessKey:AccessKey": AccessKey(
        label="IAM Access Key",
        id_form="access key id",
        inputs={
            "user": Input("UserName", replaces=True),
            "pgpKey": Input(replaces=True),
            "status": Input("Status", default="Active"),
        },
        outputs={"createDate": "CreateDate", "secret": "", "encryptedSecret": "", "keyFingerprint": ""},
        secrets=frozenset({"secret"}),
    ),
}
