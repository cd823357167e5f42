"""Everything that a relationship is made from, and the rules between its sections.

It is at once what the component takes, what the stack's configuration says (``components.configuration`` reads it into
this), and the schema of the package for other languages. So a relationship made in code obeys the same rules as a
stack does. A rule looks back only: a section is checked against those above it that are right by themselves.
"""

import re
from functools import cached_property
from typing import Annotated, TypeAlias, cast

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from . import aws_rules
from .iam import NAMESPACE, SIDES, Side
from .iam.documents import matches, size
from .iam.limits import MAX_TRUST_POLICY_CHARACTERS
from .iam.names import default_names
from .identity_policy import allows_everything
from .models import (
    ONE_KEY,
    AccessKeys,
    AccountArgs,
    PgpKey,
    RoleArgs,
    StoreArgs,
    TrustArgs,
    UserArgs,
)
from .trusted_user import TrustedUserArgs
from .trusting_role import TrustingRoleArgs
from .validation import Model, Refusal, refuse

# https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
SSO_ROLE = re.compile(r"(.*:role/aws-reserved/sso\.amazonaws\.com/)[^/]*[*?][^/]*/(AWSReservedSSO.*)")
TagValue: TypeAlias = Annotated[str, BeforeValidator(aws_rules.tag_value)]
Tags: TypeAlias = Annotated[dict[Annotated[str, aws_rules.tag_name], TagValue], aws_rules.tags]


class RelationshipArgs(Model):
    """Everything that a relationship is made from."""

    name: Annotated[str, aws_rules.relationship_name] | None = None
    """One word from which the four default names follow. Without it, they are those of the eight steps by hand."""
    trusting: AccountArgs
    """The account that hosts the role."""
    trusted: AccountArgs
    """The account that hosts the user."""
    role: RoleArgs
    """The role in the trusting account."""
    user: UserArgs = Field(default={}, validate_default=True)
    """The user in the trusted account."""
    access_keys: AccessKeys = Field(default=ONE_KEY, validate_default=True)
    """The user's access keys, oldest first, at most two; an empty list: a user without a key."""
    trust: TrustArgs = Field(default={}, validate_default=True)
    """Who may assume the role, beyond being in the trusted account."""
    pgp_key: PgpKey | None = None
    """PGP public key, armored or base64, that the secret is encrypted to: it then exists nowhere in plain text."""
    secret_store: StoreArgs | None = None
    """Where the trusted account keeps the key pair, instead of the outputs."""
    tags: Tags = Field(default_factory=dict[str, str])
    """Tags on every resource that takes tags."""
    endpoint: Annotated[str, aws_rules.loopback_endpoint] | None = None
    """An AWS emulator on a loopback address. Without one, real AWS."""

    # The rules between sections. Each stands at the later section, so that it speaks beside all other errors; of an
    # earlier one that is wrong by itself it knows nothing, and says nothing.

    @field_validator("trusted")
    @classmethod
    def _two_accounts_of_one_partition(cls, trusted: AccountArgs, info: ValidationInfo) -> AccountArgs:
        trusting = _account(info, "trusting")
        if trusting and trusted.account_id == trusting.account_id:
            problem = (
                "this is the trusting account too, and a relationship needs two. Set the id of the account of the user"
            )
            refuse([Refusal(("accountId",), trusted.account_id, problem)])
        if trusting and trusted.partition != trusting.partition:
            problem = (
                f"this is in another partition than trusting.region ({trusting.region}), and no role can be "
                "assumed across partitions. Choose two accounts of one partition"
            )
            refuse([Refusal(("region",), trusted.region, problem)])
        if trusting and not (trusting.manage or trusted.manage):
            problem = "trusting.manage is false too, so this stack would make nothing. Set one of the two to true"
            refuse([Refusal(("manage",), False, problem)])  # noqa: FBT003 - the value of the setting
        return trusted

    @field_validator("role")
    @classmethod
    def _role_of_the_trusting_account(cls, role: RoleArgs, info: ValidationInfo) -> RoleArgs:
        names = default_names(info.data.get("name"))
        policy = role.policy and role.policy.or_else(name=names.role_policy)
        role = role.or_else(name=names.role).model_copy(update={"policy": policy})
        if account := _account(info, "trusting"):
            further = {("managedPolicies", label): arn for label, arn in role.managed_policies.items()}
            refusals = account.misplaced({("permissionsBoundary",): role.permissions_boundary, **further})
            refusals += account.of_another_partition(role.document)
            if policy and "name" in info.data:
                own = account.arn("policy", policy.name)
                problem = "this is the role's own policy, and a policy is attached once. Remove it here, or rename one"
                refusals += [Refusal(place, arn, problem) for place, arn in further.items() if arn == own]
            refuse(refusals)
        return role

    @field_validator("user")
    @classmethod
    def _user_of_the_trusted_account(cls, user: UserArgs, info: ValidationInfo) -> UserArgs:
        names = default_names(info.data.get("name"))
        if account := _account(info, "trusted"):
            refuse(account.misplaced({("permissionsBoundary",): user.permissions_boundary}))
        return user.or_else(name=names.user, policy_name=names.user_policy)

    @field_validator("trust")
    @classmethod
    def _principals_of_the_trusted_account(cls, trust: TrustArgs, info: ValidationInfo) -> TrustArgs:
        account, user = _account(info, "trusted"), cast("UserArgs | None", info.data.get("user"))
        if not account:
            return trust
        patterns = trust.principal_arns
        refusals = account.misplaced({("principalArns", index): arn for index, arn in enumerate(patterns)})
        has_key = account.manage and info.data.get("access_keys")
        if patterns and user and has_key and "name" in info.data:
            own = account.arn("user", user.name, user.path)
            if not any(matches(pattern, own) for pattern in patterns):
                problem = f"this leaves out the stack's own user, so nobody could use its key. Add {own}"
                refusals.append(Refusal(("principalArns",), patterns, problem))
        refuse(refusals)
        trust.policy(account.partition, account.account_id)
        return trust

    @field_validator("pgp_key", "secret_store")
    @classmethod
    def _where_a_key_is_made(cls, value: object, info: ValidationInfo) -> object:
        trusted = _account(info, "trusted")
        if value and trusted and not trusted.manage:
            raise ValueError("trusted.manage is false, so this stack makes no access key. Remove one of the two")
        return value

    @field_validator("secret_store")
    @classmethod
    def _store_of_the_trusted_account(cls, store: StoreArgs | None, info: ValidationInfo) -> StoreArgs | None:
        if store and info.data.get("pgp_key", "wrong"):
            raise ValueError(
                "this stores the secret in plain text, which with pgpKeyFile no stack ever has. Remove one of the two"
            )
        account, key = _account(info, "trusted"), (store and store.kms_key_id) or ""
        if account and key.startswith("arn:"):
            _, key_partition, _, region, *_ = key.split(":")
            if (key_partition, region) != (account.partition, account.region):
                problem = (
                    f"this key is in {region}, and trusted.region is {account.region}. A service uses keys of its own "
                    "region only. Name one of that region"
                )
                refuse([Refusal(("kmsKeyId",), key, problem)])
        return store

    @cached_property
    def trusting_role(self) -> TrustingRoleArgs:
        """The half in the trusting account."""
        return TrustingRoleArgs.model_construct(
            account=self.trusting, trusted_account_id=self.trusted.account_id, role=self.role, trust=self.trust
        )

    @cached_property
    def trusted_user(self) -> TrustedUserArgs:
        """The half in the trusted account."""
        return TrustedUserArgs.model_construct(
            account=self.trusted,
            role_arn=self.trusting.arn("role", self.role.name, self.role.path),
            session_tags=self.trust.session_tags,
            user=self.user,
            access_keys=self.access_keys,
            pgp_key=self.pgp_key,
        )

    @property
    def unmanaged(self) -> Side | None:
        """The side whose half the other party makes; None where this relationship makes both."""
        return next((side for side in SIDES if not getattr(self, side).manage), None)

    def warnings(self) -> list[str]:
        """Return what is allowed but seldom meant, a sentence each."""
        sentences: list[str] = []
        ways_in = {(account.profile, account.assume_role_arn) for account in (self.trusting, self.trusted)}
        if self.endpoint is None and len(ways_in) == 1 and self.unmanaged is None:
            sentences.append(
                "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
                f"Set a profile for each: pulumi config set --path {NAMESPACE}:trusting.profile NAME"
            )
        if self.trusting.manage and allows_everything(self.role.document):
            sentences.append(
                "role.policy.file allows every action on every resource, all of IAM, or all but what it names, so "
                "a holder of the key is an administrator of the trusting account "
                f"{self.trusting.account_id}. Name the actions that the role is for."
            )
        if (characters := size(self.trusting_role.trust_policy)) > MAX_TRUST_POLICY_CHARACTERS:
            sentences.append(
                f"the trust policy has {characters:,} characters, and AWS takes {MAX_TRUST_POLICY_CHARACTERS:,} by "
                "default. Shorten trust.principalArns or trust.sourceIps, for example with wildcards, or ask AWS for "
                'more: the quota "Role trust policy length" of IAM.'
            )
        sentences += [
            f"trust.principalArns has {arn[0]}, which leaves out roles of IAM Identity Center in us-east-1: their path "
            f"names no region. Write {arn[1]}*{arn[2]}"
            for arn in map(SSO_ROLE.fullmatch, self.trust.principal_arns)
            if arn
        ]
        return sentences


def _account(info: ValidationInfo, side: Side) -> AccountArgs | None:
    """Return the account of a side, if it is right by itself."""
    return cast("AccountArgs | None", info.data.get(side))
