"""The sections of a relationship's arguments: checked whole when they are made, then never changed."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator

from . import aws_rules, pgp
from .iam import NAMESPACE, Side
from .iam.arns import ARN, DEFAULT_REGION, iam_arn, partition, sts_region
from .iam.documents import size, trust_policy
from .iam.limits import MAX_ACCESS_KEYS, MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST, MIN_SESSION_SECONDS
from .iam.names import default_names
from .identity_policy import arns_elsewhere, identity_policy
from .validation import Defaulted, Model, Refusal, each, each_entry, refuse

NAMES = default_names()


class AccountArgs(Model):
    """One of the two accounts, and how Pulumi signs in to it."""

    account_id: str
    """The account, 12 digits."""
    profile: str | None = None
    """AWS profile to deploy with. Without one, the credentials of the environment."""
    region: Defaulted[str] = DEFAULT_REGION
    """Region of the API calls. IAM is global: the region decides only the partition."""
    assume_role_arn: str | None = None
    """A role of this account to deploy through."""
    manage: Defaulted[bool] = True
    """Whether the half in this account is made here. False: the other party makes it, and its ARNs are computed."""

    _account_id = field_validator("account_id", mode="before")(aws_rules.account_id)
    _profile = field_validator("profile", mode="before")(aws_rules.profile)
    _region = field_validator("region", mode="before")(aws_rules.region)
    _assume_role_arn = field_validator("assume_role_arn", mode="before")(aws_rules.role_arn)

    @property
    def sts_region(self) -> str:
        """The region whose STS is called for work in the account."""
        return sts_region(self.region)

    @property
    def partition(self) -> str:
        """The partition of the account's region, as ``aws`` or ``aws-cn``."""
        return partition(self.region)

    def arn(self, kind: Literal["role", "user", "policy", "mfa"], name: str, path: str = "/") -> str:
        """Return the ARN of an IAM resource of this account, known before AWS has made it."""
        return iam_arn(kind, partition=self.partition, account_id=self.account_id, name=name, path=path)

    @model_validator(mode="after")
    def _own_role(self) -> Self:
        if self.assume_role_arn and (problem := misplaced(self.assume_role_arn, self)):
            refuse([Refusal(("assumeRoleArn",), self.assume_role_arn, problem)])
        return self


class PolicyArgs(Model):
    """The policy that says what the role may do. A policy document alone is one under the default name."""

    name: Defaulted[str] = NAMES.role_policy
    """Name of the policy."""
    document: dict[str, Any]
    """The policy document."""

    _name = field_validator("name", mode="before")(aws_rules.policy_name)
    _document = field_validator("document", mode="before")(identity_policy)

    @model_validator(mode="before")
    @classmethod
    def _document_alone(cls, values: object) -> object:
        if isinstance(values, Mapping) and "Statement" in values:
            return {"document": cast("object", values)}
        return cast("object", values)


class RoleArgs(Model):
    """The role in the trusting account."""

    name: Defaulted[str] = NAMES.role
    """Name of the role. Another name replaces the role."""
    path: Defaulted[str] = "/"
    """Path of the role, between slashes. Another path replaces the role."""
    description: str | None = None
    """What the role is for, at most 1,000 characters."""
    max_session_duration: Defaulted[int] = MIN_SESSION_SECONDS
    """Longest session, in seconds, 3,600 to 43,200."""
    permissions_boundary: str | None = None
    """ARN of the policy that limits whatever the role's policies allow."""
    policy: PolicyArgs
    """What the role may do."""
    managed_policies: Defaulted[dict[str, str]] = Field(default_factory=dict[str, str])
    """Further managed policies, AWS's or the account's, as ARNs by label."""

    if TYPE_CHECKING:  # it takes a policy document alone, which the schema of the package cannot say

        def __init__(
            self,
            *,
            policy: PolicyArgs | Mapping[str, object],
            name: str = ...,
            path: str = ...,
            description: str | None = ...,
            max_session_duration: int = ...,
            permissions_boundary: str | None = ...,
            managed_policies: dict[str, str] = ...,
        ) -> None: ...

    _name = field_validator("name", mode="before")(aws_rules.role_name)
    _path = field_validator("path", mode="before")(aws_rules.path)
    _description = field_validator("description", mode="before")(aws_rules.description)
    _duration = field_validator("max_session_duration", mode="before")(aws_rules.session_duration)
    _boundary = field_validator("permissions_boundary", mode="before")(aws_rules.policy_arn)
    _managed = field_validator("managed_policies", mode="before")(each_entry(aws_rules.key_label, aws_rules.policy_arn))
    _managed_together = field_validator("managed_policies")(aws_rules.managed_policies)


class UserArgs(Model):
    """The user in the trusted account."""

    name: Defaulted[str] = NAMES.user
    """Name of the user. Another name replaces the user and its keys."""
    path: Defaulted[str] = "/"
    """Path of the user, between slashes."""
    permissions_boundary: str | None = None
    """ARN of the policy that limits whatever the user's policies allow."""
    policy_name: Defaulted[str] = NAMES.user_policy
    """Name of the policy that lets the user assume the role."""
    force_destroy: Defaulted[bool] = False
    """On destroy, also remove what was given to the user by hand, as keys and MFA devices."""

    _name = field_validator("name", mode="before")(aws_rules.user_name)
    _path = field_validator("path", mode="before")(aws_rules.path)
    _boundary = field_validator("permissions_boundary", mode="before")(aws_rules.policy_arn)
    _policy_name = field_validator("policy_name", mode="before")(aws_rules.policy_name)


class TrustArgs(Model):
    """Who may assume the role, beyond being in the trusted account; every condition given must be met."""

    external_id: str | None = None
    """What the caller must send as ExternalId. It is no secret: the trust policy shows it."""
    require_mfa: Defaulted[bool] = False
    """Whether the caller must have signed in with MFA. This keeps out roles and SSO users: their sessions have none."""
    mfa_max_age: int | None = None
    """How old the MFA sign-in may be, in seconds, 1 to 129,600. Needs requireMfa."""
    principal_arns: Defaulted[list[str]] = Field(default_factory=list[str])
    """The only users and roles of the trusted account that may, with * and ? as wildcards. They include the user."""
    organization_id: str | None = None
    """The AWS organization that the caller's account must be in."""
    source_ips: Defaulted[list[str]] = Field(default_factory=list[str])
    """The only public addresses that calls may come from, as CIDR ranges. It keeps out calls through VPC endpoints."""

    _external_id = field_validator("external_id", mode="before")(aws_rules.external_id)
    _mfa_max_age = field_validator("mfa_max_age", mode="before")(aws_rules.mfa_max_age)
    _organization_id = field_validator("organization_id", mode="before")(aws_rules.organization_id)
    _principals = field_validator("principal_arns", mode="before")(each(aws_rules.principal_arn))
    _source_ips = field_validator("source_ips", mode="before")(each(aws_rules.source_ip))

    def policy(self, partition: str, trusted_account_id: str) -> dict[str, Any]:
        """Return the document that says who may assume the role.

        Raises:
            ValueError: AWS takes none that is so long.
        """
        document = trust_policy(partition=partition, trusted_account_id=trusted_account_id, **self.model_dump())
        if (characters := size(document)) > MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST:
            raise ValueError(
                f"this makes a trust policy of {characters:,} characters, and AWS takes at most "
                f"{MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST:,}. Shorten principalArns or sourceIps, for example with "
                "wildcards"
            )
        return document

    @field_validator("mfa_max_age")
    @classmethod
    def _needs_mfa(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("require_mfa") is False:
            raise ValueError(
                f"this needs MFA. Remove it, or use: pulumi config set --path {NAMESPACE}:trust.requireMfa true"
            )
        return value


class KeyStatus(StrEnum):
    """Whether AWS takes a key."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"


class AccessKeyArgs(Model):
    """One access key of the user; the label names it for good, in Pulumi's state and in the outputs."""

    label: str
    """A short word or a number. Another label is another key."""
    status: Defaulted[KeyStatus] = KeyStatus.ACTIVE
    """Active, or Inactive to stop the key without deleting it."""

    _label = field_validator("label", mode="before")(aws_rules.key_label)


def at_most_two_keys(keys: list[AccessKeyArgs]) -> list[AccessKeyArgs]:
    """Return the keys of a user: at most as many as AWS allows, each with a label of its own."""
    refusals: list[Refusal] = []
    if len(keys) > MAX_ACCESS_KEYS:
        problem = (
            f"a user has at most {MAX_ACCESS_KEYS} access keys, by AWS's rule. "
            "Keep one, or two while you rotate; to stop a key, set its status to Inactive"
        )
        refusals.append(Refusal((), len(keys), problem))
    labels = [key.label for key in keys]
    if len(set(labels)) < len(labels):
        refusals.append(Refusal((), labels, "each key needs a label of its own. Rename the newer one"))
    refuse(refusals)
    return keys


def one_key() -> list[AccessKeyArgs]:
    """Return the keys of a user where nothing is said of them."""
    return [AccessKeyArgs(label="1")]


class StoreKind(StrEnum):
    """An AWS service that keeps secrets."""

    SECRETS_MANAGER = "secretsmanager"
    PARAMETER_STORE = "ssm"


class StoreArgs(Model):
    """Where the trusted account keeps the key pair, instead of the outputs."""

    kind: StoreKind
    """secretsmanager for Secrets Manager, or ssm for a SecureString of Systems Manager's parameter store."""
    name: str
    """Name of the secret or parameter."""
    kms_key_id: str | None = None
    """The KMS key that encrypts it. Without one, AWS's own key of the service."""

    _kms_key_id = field_validator("kms_key_id", mode="before")(aws_rules.kms_key_id)

    @field_validator("name", mode="before")
    @classmethod
    def _name(cls, value: object, info: ValidationInfo) -> str:
        return aws_rules.secret_name(info.data.get("kind"), value)


class TrustingRoleArgs(Model):
    """What a ``TrustingRole`` is made from."""

    account: AccountArgs
    """The account that hosts the role, and that the provider works in."""
    trusted_account_id: str
    """The account whose principals may assume the role, 12 digits."""
    role: RoleArgs
    """The role."""
    trust: Defaulted[TrustArgs] = TrustArgs()
    """Who may assume it, beyond being in the trusted account."""

    _trusted_account_id = field_validator("trusted_account_id", mode="before")(aws_rules.account_id)

    @model_validator(mode="after")
    def _policies_that_fit(self) -> Self:
        refuse(
            Refusal(("role", *place), arn, problem)
            for place, arn, problem in arns_of_another_partition(self.role, self.account)
        )
        self.trust.policy(self.account.partition, self.trusted_account_id)
        return self

    @property
    def trust_policy(self) -> dict[str, Any]:
        """The document that says who may assume the role."""
        return self.trust.policy(self.account.partition, self.trusted_account_id)


class TrustedUserArgs(Model):
    """What a ``TrustedUser`` is made from."""

    account: AccountArgs
    """The account that hosts the user, and that the provider works in."""
    role_arn: str
    """The one role that the user may assume. It need not exist yet."""
    user: Defaulted[UserArgs] = UserArgs()
    """The user."""
    access_keys: Defaulted[list[AccessKeyArgs]] = Field(default_factory=one_key)
    """The user's access keys, oldest first, at most two; an empty list: a user without a key."""
    pgp_key: str | None = None
    """PGP public key, armored or base64, that the secrets are encrypted to."""

    _role_arn = field_validator("role_arn", mode="before")(aws_rules.role_arn)
    _access_keys = field_validator("access_keys")(at_most_two_keys)
    _pgp_key = field_validator("pgp_key", mode="before")(pgp.public_key)


def arns_of_another_partition(role: RoleArgs, account: AccountArgs) -> list[Refusal]:
    """Return what there is to say against the ARNs in a role's policy."""
    return [
        Refusal(("policy", "document"), arn, _partition_error(arn.split(":")[1], account, "trusting."))
        for arn in arns_elsewhere(role.policy.document, account.partition)
    ]


def misplaced(arn: str, own: AccountArgs, side: Side | None = None, other: AccountArgs | None = None) -> str | None:
    """Return why an ARN is not one of the account ``own``, or None; with the ``other`` one, it tells swapped accounts.

    Args:
        arn: the ARN of an IAM resource.
        own: the account that it must be in.
        side: which of the two accounts that is, where it is known.
        other: the other account, where it is known.
    """
    match = ARN.fullmatch(arn)
    section = f"{side}." if side else ""
    if match and match["partition"] != own.partition:
        return _partition_error(match["partition"], own, section)
    if not match or match["account"] in (own.account_id, "aws"):
        return None
    advice = f"Name one of account {own.account_id}, or correct {section}accountId"
    if not side:
        advice += ": are the two accounts swapped?"
    if other and match["account"] == other.account_id:
        sides = (side, "trusted" if side == "trusting" else "trusting")
        advice = f"That is the {sides[1]} account: are {sides[0]}.accountId and {sides[1]}.accountId swapped?"
    account = f"{side} account" if side else "account"
    return f"this must be in the {account} {own.account_id}, and is in {match['account']}. {advice}"


def _partition_error(partition: str, own: AccountArgs, section: str) -> str:
    return f"this is in the partition {partition}, and {section}region is in {own.partition}. Correct one of them"
