"""The relationship: a role in the trusting account, and a user in the trusted account who may assume it."""

import inspect
from collections.abc import Mapping
from typing import Any, cast

import pulumi
import pulumi_aws as aws
from pydantic.alias_generators import to_camel

from . import aws_rules
from .handover import aws_config, switch_role_url
from .iam import NAMESPACE
from .iam.documents import assume_policy
from .iam.outputs import Terms
from .iam.owner import OWNER_TAG, owner
from .providers import account_provider
from .relationship_args import RelationshipArgs
from .secret_store import SecretStore, SecretStoreArgs
from .trusted_user import TrustedUser, key_outputs
from .trusting_role import TrustingRole


class Relationship(pulumi.ComponentResource):
    """Both halves of an assume-role relationship between two AWS accounts, and what its users need to know of it.

    Creates ``<name>-trusting`` (``TrustingRole``, in the trusting account) and ``<name>-trusted`` (``TrustedUser``,
    in the trusted account), and for each a ``-provider`` that works in that account alone and that no caller can
    swap. Neither half waits for the other. Of a half with ``manage=False`` it creates nothing: the other party does.

    Raises:
        pydantic.ValidationError: the arguments are wrong; it names every error.
        pulumi.RunError: AWS does not take ``name`` in the value of a tag.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN; known in a preview."""
    role_name: pulumi.Output[str]
    """The role's name."""
    user_arn: pulumi.Output[str] | None = None
    """The user's ARN; known in a preview. None, with all about keys, where the other party makes the trusted half."""
    user_name: pulumi.Output[str] | None = None
    """The user's name."""
    trusting_account_id: pulumi.Output[str]
    """The account that hosts the role."""
    trusted_account_id: pulumi.Output[str]
    """The account that hosts the user."""
    switch_role_url: pulumi.Output[str] | None = None
    """The console's page for taking the role; None in partitions without a public console."""
    access_keys: pulumi.Output[dict[str, Any]] | None = None
    """A secret: all access keys by label, each with its id, status, and secret or encryptedSecret."""
    access_key_id: pulumi.Output[str] | None = None
    """The key that is handed over: the last active one. None, with all below, where no key is active."""
    secret_access_key: pulumi.Output[str] | None = None
    """Its secret, a Pulumi secret; None with a PGP key or a secret store."""
    encrypted_secret_access_key: pulumi.Output[str] | None = None
    """With a PGP key: base64 of an OpenPGP message that holds the secret."""
    secret_location: pulumi.Output[str] | None = None
    """With a secret store: the ARN of the secret or parameter."""
    aws_config: pulumi.Output[str] | None = None
    """A secret: the text of an AWS config file whose profile ``<name>-<stack>`` acts as the role."""
    terms: pulumi.Output[dict[str, Any]]
    """Everything that was promised, for the tools that check it: documents, conditions, limits, tags. No secret."""

    def __init__(self, name: str, args: RelationshipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:Relationship", name, None, opts)
        args = RelationshipArgs.of(args)
        tags = {**args.tags, OWNER_TAG: _owner(name)}
        options = {
            side: pulumi.ResourceOptions(
                parent=self,
                provider=account_provider(
                    f"{name}-{side}-provider", account, tags=tags, endpoint=args.endpoint, opts=_once_named(side)
                ),
            )
            for side, account in (("trusting", args.trusting), ("trusted", args.trusted))
            if account.manage
        }
        if args.trusting.manage:
            role = TrustingRole(f"{name}-trusting", args.trusting_role, options["trusting"])
            self.role_arn, self.role_name = role.role_arn, role.role_name
        else:
            self.role_arn = pulumi.Output.from_input(args.trusted_user.role_arn)
            self.role_name = pulumi.Output.from_input(args.role.name)
        self.trusting_account_id = pulumi.Output.from_input(args.trusting.account_id)
        self.trusted_account_id = pulumi.Output.from_input(args.trusted.account_id)
        if url := switch_role_url(args.trusting, args.role):
            self.switch_role_url = pulumi.Output.from_input(url)
        self.terms = pulumi.Output.from_input(_terms(args, tags).as_output())
        if args.trusted.manage:
            user = TrustedUser(f"{name}-trusted", args.trusted_user, options["trusted"])
            self.user_arn, self.user_name = user.user_arn, user.user_name
            stored = args.secret_store is not None
            self.access_keys = key_outputs(user.keys, pgp=args.pgp_key is not None, stored=stored)
            active = [key.label for key in args.access_keys if key.status == "Active"]
            current = user.keys[active[-1]] if active else None
            if args.secret_store:
                described = (
                    f"The access key of IAM user {args.user.name}, which may assume {args.trusted_user.role_arn}."
                )
                pair = {"accessKeyId": current.id, "secretAccessKey": current.secret} if current else None
                store = SecretStoreArgs(store=args.secret_store, description=described, key_pair=pair)
                self.secret_location = SecretStore(f"{name}-secret-store", store, options["trusted"]).location
            if current:
                self._hand_over(f"{name}-{pulumi.get_stack()}", args, active[-1], current)
        self.register_outputs(self.outputs())

    def outputs(self) -> dict[str, pulumi.Output[Any]]:
        """Return all outputs that there are, by the names that a stack exports them under.

        A stack exports all but ``terms``: these are 46 lines that would bury the others at the end of ``pulumi up``,
        and only the tools read them, from the outputs of the component in the state.
        """
        values = {to_camel(name): getattr(self, name) for name in inspect.get_annotations(type(self))}
        return {name: value for name, value in values.items() if value is not None}

    def _hand_over(self, profile: str, args: RelationshipArgs, label: str, key: aws.iam.AccessKey) -> None:
        """Set the outputs about the key that is handed over, and how to use it."""
        self.access_key_id = key.id
        if args.pgp_key:
            self.encrypted_secret_access_key = key.encrypted_secret
        elif not args.secret_store:
            self.secret_access_key = pulumi.Output.secret(key.secret)
        self.aws_config = pulumi.Output.secret(
            pulumi.Output.all(key.id, self.secret_access_key).apply(
                lambda pair: aws_config(args, profile, label, *pair)
            )
        )


def _terms(args: RelationshipArgs, tags: Mapping[str, str]) -> Terms:
    """Return under which terms the role can be assumed, and what it then allows."""
    own, boundaries = args.role.policy, {"role": args.role.permissions_boundary, "user": args.user.permissions_boundary}
    return Terms(
        unmanaged=args.unmanaged,
        partition=args.trusting.partition,
        trusting_region=args.trusting.region,
        trusted_region=args.trusted.region,
        sts_region=args.trusting.sts_region,
        endpoint=args.endpoint,
        external_id=args.trust.external_id,
        require_mfa=args.trust.require_mfa,
        mfa_max_age=args.trust.mfa_max_age,
        session_tags=args.trust.session_tags,
        max_session_duration=args.role.max_session_duration,
        trust_policy=args.trusting_role.trust_policy,
        permission_policy=cast("Mapping[str, Any]", args.trusting_role.permission_policy),
        managed_policies=args.role.managed_policies,
        assume_policy=assume_policy(args.trusted_user.role_arn, session_tags=args.trust.session_tags),
        policy_names={**({"role": own.name} if own else {}), "user": args.user.policy_name},
        permissions_boundaries={half: arn for half, arn in boundaries.items() if arn},
        role_description=args.role.description,
        secret_store=args.secret_store and args.secret_store.model_dump(mode="json", by_alias=True, exclude_none=True),
        tags=dict(tags),
    )


def _owner(name: str) -> str:
    """Return the value of the owner tag of a relationship.

    Raises:
        pulumi.RunError: AWS takes no such tag.
    """
    value = owner(pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack(), name)
    try:
        return aws_rules.tag_value(value)
    except ValueError as error:
        raise pulumi.RunError(
            f"the relationship {name!r} needs another name: the tag {OWNER_TAG} would be {value!r}, and {error}."
        ) from None


def _once_named(name: str) -> pulumi.ResourceOptions:
    """Return the options of a provider; it has no parent, since `pulumi import` makes providers before components.

    Older stacks of this project know it by another name. In other people's projects that name may be taken.
    """
    aliases = [pulumi.Alias(name=name)] if pulumi.get_project() == NAMESPACE else []
    return pulumi.ResourceOptions(aliases=aliases)
