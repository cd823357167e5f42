"""The arguments of a relationship: checked whole when they are made, then never changed.

They are at once what the components take, what the stack's configuration says (``components.configuration`` reads it
into them), and the schema of the package for other languages. So a relationship made in code obeys the same rules as
a stack does, those between sections too. A rule looks back only: a section is checked against the sections above it
that are right by themselves.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components import aws_rules, pgp
from components.identity_policy import allows_everything, identity_policy
from components.validation import Defaulted, Model, Refusal, each, refuse
from iam import Side
from iam.arns import ARN, DEFAULT_REGION, iam_arn, partition
from iam.documents import PolicyDocument, matches, size, trust_policy
from iam.limits import MAX_ACCESS_KEYS, MAX_TRUST_POLICY_CHARACTERS, MIN_SESSION_SECONDS

NAMESPACE = "assume-role"


class AccountArgs(Model):
    """One of the two accounts, and how whoever deploys gets into it."""

    account_id: str
    """The account, 12 digits."""
    profile: str | None = None
    """AWS profile to deploy with. Without one, the credentials of the environment."""
    region: Defaulted[str] = DEFAULT_REGION
    """Region of the API calls. IAM is global: the region decides only the partition."""
    assume_role_arn: str | None = None
    """A role of this account to deploy through."""

    _account_id = field_validator("account_id", mode="before")(aws_rules.account_id)
    _profile = field_validator("profile", mode="before")(aws_rules.profile)
    _region = field_validator("region", mode="before")(aws_rules.region)
    _assume_role_arn = field_validator("assume_role_arn", mode="before")(aws_rules.role_arn)

    @property
    def partition(self) -> str:
        """The partition of the account's region, as ``aws`` or ``aws-cn``."""
        return partition(self.region)

    def arn(self, kind: Literal["role", "user", "policy", "mfa"], name: str, path: str = "/") -> str:
        """Return the ARN of an IAM resource of this account, known before AWS has made it."""
        return iam_arn(kind, partition=self.partition, account_id=self.account_id, name=name, path=path)

    @model_validator(mode="after")
    def _own_role(self) -> Self:
        if self.assume_role_arn and (problem := _misplaced(self.assume_role_arn, self)):
            refuse([Refusal(("assumeRoleArn",), self.assume_role_arn, problem)])
        return self


class PolicyArgs(Model):
    """The policy that says what the role may do. A policy document alone is one under the default name."""

    name: Defaulted[str] = "Custom-Policy-For-Role-1"
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

    name: Defaulted[str] = "Assume-Role-1"
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

    _name = field_validator("name", mode="before")(aws_rules.role_name)
    _path = field_validator("path", mode="before")(aws_rules.path)
    _description = field_validator("description", mode="before")(aws_rules.description)
    _duration = field_validator("max_session_duration", mode="before")(aws_rules.session_duration)
    _boundary = field_validator("permissions_boundary", mode="before")(aws_rules.policy_arn)
    _managed = field_validator("managed_policies", mode="before")(aws_rules.managed_policies)


class UserArgs(Model):
    """The user in the trusted account."""

    name: Defaulted[str] = "user-1"
    """Name of the user. Another name replaces the user and its keys."""
    path: Defaulted[str] = "/"
    """Path of the user, between slashes."""
    permissions_boundary: str | None = None
    """ARN of the policy that limits whatever the user's policies allow."""
    policy_name: Defaulted[str] = "Custom-Assume-Role-Policy"
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
    """What the caller must send as ExternalId. It is no secret: whoever may read the role can read it."""
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


def _one_key_or_two(keys: list[AccessKeyArgs]) -> list[AccessKeyArgs]:
    refusals: list[Refusal] = []
    if not 1 <= len(keys) <= MAX_ACCESS_KEYS:
        problem = (
            f"a user has one access key or {MAX_ACCESS_KEYS}, the most that AWS allows. "
            "Keep one, or two while you rotate; to stop a key, set its status to Inactive"
        )
        refusals.append(Refusal((), len(keys), problem))
    labels = [key.label for key in keys]
    if len(set(labels)) < len(labels):
        refusals.append(Refusal((), labels, "each key needs a label of its own. Rename the newer one"))
    refuse(refusals)
    return keys


def _one_key() -> list[AccessKeyArgs]:
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

    @property
    def trust_policy(self) -> PolicyDocument:
        """The document that says who may assume the role."""
        return trust_policy(
            partition=self.account.partition, trusted_account_id=self.trusted_account_id, **self.trust.model_dump()
        )


class TrustedUserArgs(Model):
    """What a ``TrustedUser`` is made from."""

    account: AccountArgs
    """The account that hosts the user, and that the provider works in."""
    role_arn: str
    """The one role that the user may assume. It need not exist yet."""
    user: Defaulted[UserArgs] = UserArgs()
    """The user."""
    access_keys: Defaulted[list[AccessKeyArgs]] = Field(default_factory=_one_key)
    """The user's access keys, oldest first, one or two."""
    pgp_key: str | None = None
    """PGP public key, armored or base64, that the secrets are encrypted to."""

    _role_arn = field_validator("role_arn", mode="before")(aws_rules.role_arn)
    _access_keys = field_validator("access_keys")(_one_key_or_two)
    _pgp_key = field_validator("pgp_key", mode="before")(pgp.public_key)


class RelationshipArgs(Model):
    """Everything that a relationship is made from."""

    trusting: AccountArgs
    """The account that hosts the role."""
    trusted: AccountArgs
    """The account that hosts the user."""
    role: RoleArgs
    """The role in the trusting account."""
    user: Defaulted[UserArgs] = UserArgs()
    """The user in the trusted account."""
    trust: Defaulted[TrustArgs] = TrustArgs()
    """Who may assume the role, beyond being in the trusted account."""
    access_keys: Defaulted[list[AccessKeyArgs]] = Field(default_factory=_one_key)
    """The user's access keys, oldest first, one or two."""
    pgp_key: str | None = None
    """PGP public key, armored or base64, that the secret is encrypted to: it then exists nowhere in plain text."""
    secret_store: StoreArgs | None = None
    """Where the trusted account keeps the key pair, instead of the outputs."""
    tags: Defaulted[dict[str, str]] = Field(default_factory=dict[str, str])
    """Tags on every resource that takes tags."""
    endpoint: str | None = None
    """An AWS emulator on a loopback address. Without one, real AWS."""

    _pgp_key = field_validator("pgp_key", mode="before")(pgp.public_key)
    _tags = field_validator("tags", mode="before")(aws_rules.tags)
    _endpoint = field_validator("endpoint", mode="before")(aws_rules.loopback_endpoint)
    _access_keys = field_validator("access_keys")(_one_key_or_two)

    # The rules between sections. Each stands at the later section, so that it speaks beside all other faults; of an
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
        return trusted

    @field_validator("role")
    @classmethod
    def _role_of_the_trusting_account(cls, role: RoleArgs, info: ValidationInfo) -> RoleArgs:
        further = {("managedPolicies", label): arn for label, arn in role.managed_policies.items()}
        refuse(_foreign(info, "trusting", {("permissionsBoundary",): role.permissions_boundary, **further}))
        return role

    @field_validator("user")
    @classmethod
    def _user_of_the_trusted_account(cls, user: UserArgs, info: ValidationInfo) -> UserArgs:
        refuse(_foreign(info, "trusted", {("permissionsBoundary",): user.permissions_boundary}))
        return user

    @field_validator("trust")
    @classmethod
    def _principals_of_the_trusted_account(cls, trust: TrustArgs, info: ValidationInfo) -> TrustArgs:
        patterns = trust.principal_arns
        refusals = _foreign(info, "trusted", {("principalArns", index): arn for index, arn in enumerate(patterns)})
        account, user = _account(info, "trusted"), cast("UserArgs | None", info.data.get("user"))
        if patterns and account and user:
            own = account.arn("user", user.name, user.path)
            if not any(matches(pattern, own) for pattern in patterns):
                problem = f"this leaves out the stack's own user, so nobody could use its key. Add {own}"
                refusals.append(Refusal(("principalArns",), patterns, problem))
        refuse(refusals)
        return trust

    @field_validator("secret_store")
    @classmethod
    def _no_plain_secret_beside_pgp(cls, store: StoreArgs | None, info: ValidationInfo) -> StoreArgs | None:
        if store and info.data.get("pgp_key", "wrong"):
            raise ValueError(
                "this stores the secret in plain text, which with pgpKeyFile no stack ever has. Remove one of the two"
            )
        return store

    @property
    def trusting_role(self) -> TrustingRoleArgs:
        """The half in the trusting account."""
        return TrustingRoleArgs(
            account=self.trusting, trusted_account_id=self.trusted.account_id, role=self.role, trust=self.trust
        )

    @property
    def trusted_user(self) -> TrustedUserArgs:
        """The half in the trusted account."""
        return TrustedUserArgs(
            account=self.trusted,
            role_arn=self.trusting.arn("role", self.role.name, self.role.path),
            user=self.user,
            access_keys=self.access_keys,
            pgp_key=self.pgp_key,
        )

    def warnings(self) -> list[str]:
        """Return what is allowed but seldom meant, a sentence each."""
        sentences: list[str] = []
        ways_in = {(account.profile, account.assume_role_arn) for account in (self.trusting, self.trusted)}
        if self.endpoint is None and len(ways_in) == 1:
            sentences.append(
                "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
                f"Set a profile for each: pulumi config set --path {NAMESPACE}:trusting.profile NAME"
            )
        if allows_everything(self.role.policy.document):
            sentences.append(
                "role.policy.file allows every action on every resource, all of IAM, or all but what it names, so "
                "whoever has the key is as good as an administrator of the trusting account "
                f"{self.trusting.account_id}. Name the actions that the role is for."
            )
        if (characters := size(self.trusting_role.trust_policy)) > MAX_TRUST_POLICY_CHARACTERS:
            sentences.append(
                f"the trust policy has {characters:,} characters, and AWS takes {MAX_TRUST_POLICY_CHARACTERS:,} by "
                "default. Shorten trust.principalArns or trust.sourceIps, for example with wildcards, or ask AWS for "
                'more: the quota "Role trust policy length" of IAM.'
            )
        return sentences


def _account(info: ValidationInfo, side: Side) -> AccountArgs | None:
    """Return the account of a side, if it is right by itself."""
    return cast("AccountArgs | None", info.data.get(side))


def _foreign(info: ValidationInfo, side: Side, arns: Mapping[tuple[str | int, ...], str | None]) -> list[Refusal]:
    """Return what there is to say against ARNs, by place, that must be in the account of one side."""
    own, other = _account(info, side), _account(info, "trusted" if side == "trusting" else "trusting")
    return [
        Refusal(place, arn, problem)
        for place, arn in arns.items()
        if own and arn and (problem := _misplaced(arn, own, side, other))
    ]


def _misplaced(arn: str, own: AccountArgs, side: Side | None = None, other: AccountArgs | None = None) -> str | None:
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
        return (
            f"this is in the partition {match['partition']}, and {section}region is in {own.partition}. "
            "Correct one of them"
        )
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
