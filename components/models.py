"""The sections of a relationship's arguments: checked whole when they are made, then never changed."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from . import aws_rules
from .iam import NAMESPACE
from .iam.arns import ARN, DEFAULT_REGION, iam_arn, partition, sts_region
from .iam.documents import size, trust_policy
from .iam.limits import MAX_ACCESS_KEYS, MAX_TRUST_POLICY_CHARACTERS_ON_REQUEST, MIN_SESSION_SECONDS
from .iam.names import default_names
from .identity_policy import arns_elsewhere, identity_policy
from .pgp import public_key
from .validation import Model, Refusal, outputs_in, refuse

NAMES = default_names()
RoleArn: TypeAlias = Annotated[str, aws_rules.role_arn]
PolicyArn: TypeAlias = Annotated[str, aws_rules.policy_arn]
Path: TypeAlias = Annotated[str, aws_rules.path]
PolicyName: TypeAlias = Annotated[str, aws_rules.policy_name]
Label: TypeAlias = Annotated[str, aws_rules.label]
PgpKey: TypeAlias = Annotated[str, BeforeValidator(public_key)]


class AccountArgs(Model):
    """One of the two accounts, and how Pulumi signs in to it."""

    account_id: Annotated[str, aws_rules.account_id]
    """The account, 12 digits."""
    profile: Annotated[str, aws_rules.profile] | None = None
    """AWS profile to deploy with. Without one, the credentials of the environment."""
    region: Annotated[str, aws_rules.region] = DEFAULT_REGION
    """Region of the API calls. IAM is global: the region decides only the partition."""
    assume_role_arn: RoleArn | None = None
    """A role of this account to deploy through."""
    manage: Annotated[bool, Field(strict=True)] = True
    """Whether the half in this account is made here. False: the other party makes it, and its ARNs are computed."""

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

    def misplaced(self, arns: Mapping[tuple[str | int, ...], str | None]) -> list[Refusal]:
        """Return what there is to say against ARNs, by their places, that must be in this account."""
        refusals: list[Refusal] = []
        for place, match in ((place, ARN.fullmatch(arn)) for place, arn in arns.items() if arn):
            if match and match["partition"] != self.partition:
                refusals.append(Refusal(place, match[0], self._partition_error(match["partition"])))
            elif match and match["account"] not in (self.account_id, "aws"):
                problem = (
                    f"this must be in the account {self.account_id}, and is in {match['account']}. Name one of account "
                    f"{self.account_id}, or correct accountId: are the two accounts swapped?"
                )
                refusals.append(Refusal(place, match[0], problem))
        return refusals

    def of_another_partition(self, policy: Mapping[str, object]) -> list[Refusal]:
        """Return what there is to say against a role policy's ARNs, in whatever account they are."""
        arns = arns_elsewhere(policy, self.partition)
        return [Refusal(("policy",), arn, self._partition_error(arn.split(":")[1])) for arn in arns]

    def _partition_error(self, other: str) -> str:
        return f"this is in the partition {other}, and {self.region} is in {self.partition}. Correct one of them"

    @model_validator(mode="after")
    def _own_role(self) -> Self:
        refuse(self.misplaced({("assumeRoleArn",): self.assume_role_arn}))
        return self


def _if_known(document: object) -> object:
    return document if list(outputs_in(document)) else identity_policy(document)


class PolicyArgs(Model):
    """The policy that says what the role may do. A policy document alone is one under the default name."""

    name: PolicyName = NAMES.role_policy
    """Name of the policy."""
    document: Annotated[dict[str, Any], BeforeValidator(_if_known)]
    """The policy document. It may hold outputs of other resources, and is then checked when these are known."""

    @model_validator(mode="before")
    @classmethod
    def _document_alone(cls, values: object) -> object:
        if isinstance(values, Mapping) and "Statement" in values:
            return {cls.model_fields["document"].alias: cast("object", values)}
        return cast("object", values)


class RoleArgs(Model):
    """The role in the trusting account."""

    name: Annotated[str, aws_rules.role_name] = NAMES.role
    """Name of the role. Another name replaces the role."""
    path: Path = "/"
    """Path of the role, between slashes. Another path replaces the role."""
    description: Annotated[str, aws_rules.description] | None = None
    """What the role is for, at most 1,000 characters."""
    max_session_duration: Annotated[int, aws_rules.session_duration] = MIN_SESSION_SECONDS
    """Longest session, in seconds, 3,600 to 43,200."""
    permissions_boundary: PolicyArn | None = None
    """ARN of the policy that limits whatever the role's policies allow."""
    policy: PolicyArgs | None = None
    """What the role may do. Without it, only what managedPolicies allow."""
    managed_policies: Annotated[dict[Label, PolicyArn], aws_rules.managed_policies] = Field(
        default_factory=dict[str, str]
    )
    """Managed policies beside it or in its place, AWS's or the account's, as ARNs by label."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The document of the role's own policy; empty where it has none, or where other resources make a part."""
        return self.policy.document if self.policy and not list(outputs_in(self.policy.document)) else {}

    if TYPE_CHECKING:  # it takes a policy document alone, which the schema of the package cannot say

        def __init__(
            self,
            *,
            policy: PolicyArgs | Mapping[str, object] | None = ...,
            name: str = ...,
            path: str = ...,
            description: str | None = ...,
            max_session_duration: int = ...,
            permissions_boundary: str | None = ...,
            managed_policies: dict[str, str] = ...,
        ) -> None: ...


class UserArgs(Model):
    """The user in the trusted account."""

    name: Annotated[str, aws_rules.user_name] = NAMES.user
    """Name of the user. Another name replaces the user and its keys."""
    path: Path = "/"
    """Path of the user, between slashes."""
    permissions_boundary: PolicyArn | None = None
    """ARN of the policy that limits whatever the user's policies allow."""
    policy_name: PolicyName = NAMES.user_policy
    """Name of the policy that lets the user assume the role."""
    force_destroy: bool = False
    """On destroy, also remove what was given to the user by hand, as keys and MFA devices."""


class TrustArgs(Model):
    """Who may assume the role, beyond being in the trusted account; every condition given must be met."""

    external_id: Annotated[str, aws_rules.external_id] | None = None
    """What the caller must send as ExternalId. It is no secret: the trust policy shows it."""
    require_mfa: bool = False
    """Whether the caller must have signed in with MFA. This keeps out roles and SSO users: their sessions have none."""
    mfa_max_age: Annotated[int, aws_rules.mfa_max_age] | None = None
    """How old the MFA sign-in may be, in seconds, 1 to 129,600. Needs requireMfa."""
    principal_arns: list[Annotated[str, aws_rules.principal_arn]] = Field(default_factory=list[str])
    """The only users and roles of the trusted account that may, with * and ? as wildcards. They include the user."""
    organization_id: Annotated[str, aws_rules.organization_id] | None = None
    """The AWS organization that the caller's account must be in."""
    source_ips: list[Annotated[str, aws_rules.source_ip]] = Field(default_factory=list[str])
    """The only public addresses that calls may come from, as CIDR ranges. It keeps out calls through VPC endpoints."""
    session_tags: bool = False
    """Whether callers may tag their sessions, as GitHub's configure-aws-credentials does."""

    def policy(self, partition: str, trusted_account_id: str) -> dict[str, Any]:
        """Return the document that says who may assume the role.

        Raises:
            ValueError: AWS takes none that is so long.
        """
        document = trust_policy(partition=partition, trusted_account_id=trusted_account_id, **dict(self))
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

    label: Label
    """A short word or a number. Another label is another key."""
    status: KeyStatus = KeyStatus.ACTIVE
    """Active, or Inactive to stop the key without deleting it."""


def _at_most_two_keys(keys: list[AccessKeyArgs]) -> list[AccessKeyArgs]:
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


ONE_KEY = [{"label": "1"}]
AccessKeys: TypeAlias = Annotated[list[AccessKeyArgs], AfterValidator(_at_most_two_keys)]


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
    kms_key_id: Annotated[str, aws_rules.kms_key_id] | None = None
    """The KMS key that encrypts it. Without one, AWS's own key of the service."""

    @field_validator("name", mode="before")
    @classmethod
    def _name_for_the_kind(cls, value: object, info: ValidationInfo) -> str:
        return aws_rules.stored_name(info.data.get("kind"), value)
