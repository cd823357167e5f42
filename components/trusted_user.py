"""The half in the trusted account: steps 5 to 8."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
from pydantic import Field

from .iam.documents import assume_policy
from .models import ONE_KEY, AccessKeys, AccountArgs, PgpKey, RoleArn, UserArgs
from .providers import known, require_provider
from .validation import Model


class TrustedUserArgs(Model):
    """What a ``TrustedUser`` is made from."""

    account: AccountArgs
    """The account that hosts the user, and that the provider works in."""
    role_arn: RoleArn
    """The one role that the user may assume. It need not exist yet."""
    session_tags: bool = False
    """Whether the user may tag its sessions of the role."""
    user: UserArgs = Field(default={}, validate_default=True)
    """The user."""
    access_keys: AccessKeys = Field(default=ONE_KEY, validate_default=True)
    """The user's access keys, oldest first, at most two; an empty list: a user without a key."""
    pgp_key: PgpKey | None = None
    """PGP public key, armored or base64, that the secrets are encrypted to."""


class TrustedUser(pulumi.ComponentResource):
    """A user that may assume one role of another account and do nothing else, and the user's access keys.

    Give it the provider of the trusted account: ``opts=pulumi.ResourceOptions(provider=...)``. The resources have the
    default tags of that provider, and no owner tag unless it is one of them (see ``iam.owner``).

    Creates, under its own name: ``-user`` (``aws.iam.User``), ``-user-policy`` (``aws.iam.Policy``),
    ``-user-policy-attachment`` (``aws.iam.UserPolicyAttachment``) and a ``-key-<label>`` (``aws.iam.AccessKey``) for
    each label. A new name of the user replaces the user, its keys and its attachment.

    Raises:
        pydantic.ValidationError: the arguments are wrong.
        pulumi.RunError: it was given no provider.
    """

    user_arn: pulumi.Output[str]
    """The user's ARN; known in a preview."""
    user_name: pulumi.Output[str]
    """The user's name."""
    access_keys: pulumi.Output[dict[str, Any]]
    """A secret: the access keys by label, each with its id, status, and secret or encryptedSecret."""

    def __init__(self, name: str, args: TrustedUserArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:TrustedUser", name, None, opts)
        args = TrustedUserArgs.of(args)
        child = require_provider(self)
        user = aws.iam.User(
            f"{name}-user",
            name=args.user.name,
            path=args.user.path,
            permissions_boundary=args.user.permissions_boundary,
            force_destroy=args.user.force_destroy,
            # AWS can rename a user in place, but the provider then looks for its key and attachments under the old
            # name and loses them: https://github.com/pulumi/pulumi-aws/issues/1610
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(replace_on_changes=["name"])),
        )
        policy = aws.iam.Policy(
            f"{name}-user-policy",
            name=args.user.policy_name,
            policy=json.dumps(assume_policy(args.role_arn, session_tags=args.session_tags)),
            opts=child,
        )
        # UserPolicyAttachment and not PolicyAttachment: that one detaches the policy from all other users.
        aws.iam.UserPolicyAttachment(
            f"{name}-user-policy-attachment",
            user=user.name,
            policy_arn=known(args.account.arn("policy", args.user.policy_name), policy),
            opts=child,
        )
        # The keys themselves, by label in the order given, because one of them is stored or handed over.
        self.keys = {
            key.label: aws.iam.AccessKey(
                f"{name}-key-{key.label}", user=user.name, status=key.status, pgp_key=args.pgp_key, opts=child
            )
            for key in args.access_keys
        }
        self.user_arn = known(args.account.arn("user", args.user.name, args.user.path), user)
        self.user_name = user.name
        self.access_keys = key_outputs(self.keys, pgp=args.pgp_key is not None)
        self.register_outputs({"userArn": self.user_arn, "userName": self.user_name})


def key_outputs(keys: Mapping[str, aws.iam.AccessKey], *, pgp: bool, stored: bool = False) -> pulumi.Output[Any]:
    """Return what the outputs say of keys, by label: with the secret only where the outputs are what hands it out."""

    def facts(key: aws.iam.AccessKey) -> dict[str, pulumi.Output[Any]]:
        known = {"id": key.id, "status": key.status}
        if pgp:
            return known | {"encryptedSecret": _encrypted_secret(key)}
        return known if stored else known | {"secret": pulumi.Output.secret(key.secret)}

    return pulumi.Output.secret({label: facts(key) for label, key in keys.items()})


def _encrypted_secret(key: aws.iam.AccessKey) -> pulumi.Output[str | None]:
    """Return a key's secret as it is encrypted to the PGP key; without one, an active key fails an update.

    The provider makes a key first and then encrypts its secret. Where that fails, the next update finds the key there
    and has nothing to do, though nobody will ever have the secret.
    """

    def check(urn: str, key_id: str, status: str, secret: str | None) -> str | None:
        if status == "Active" and not secret and not pulumi.runtime.is_dry_run():
            raise pulumi.RunError(
                f"the access key {key_id} is active, and nobody has its secret: AWS made it, and then it could not be "
                f"encrypted to pgpKeyFile. Make another in its place with: pulumi up --replace '{urn}'"
            )
        return secret

    return pulumi.Output.all(key.urn, key.id, key.status, key.encrypted_secret).apply(lambda parts: check(*parts))
