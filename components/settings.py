"""The settings of one relationship: checked whole when they are made, then never changed.

``components.configuration`` makes them from the stack's configuration. The components take them as arguments, so a
relationship made in code obeys the same rules, also those between sections. A rule looks back only: a section is
checked against the sections above it that are right by themselves.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

from components import aws_rules, identity_policy, pgp
from components.arns import iam_arn
from components.policies import trust_policy

NAMESPACE = "assume-role"
PROJECT_FOLDER = Path(__file__).parent.parent


class Section(BaseModel):
    """What all settings share: camelCase keys, no unknown keys, no changes after the check."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )


class AccountSettings(Section):
    """One of the two accounts, and how whoever deploys gets into it."""

    account_id: Annotated[str, BeforeValidator(aws_rules.account_id)] = Field(description="The account, 12 digits.")
    profile: Annotated[str, BeforeValidator(aws_rules.profile)] | None = Field(
        default=None, description="AWS profile to deploy with; without one, the credentials of the environment."
    )
    region: Annotated[str, BeforeValidator(aws_rules.region)] = Field(
        "us-east-1",
        description="Region of the API calls. IAM is global: the region decides only the partition.",
    )
    assume_role_arn: Annotated[str, BeforeValidator(aws_rules.role_arn)] | None = Field(
        default=None, description="A role of this account to deploy through."
    )

    @property
    def partition(self) -> str:
        """The partition of the account's region, as ``aws`` or ``aws-cn``."""
        return aws_rules.partition(self.region)

    @model_validator(mode="after")
    def _own_role(self) -> Self:
        if self.assume_role_arn and (problem := _misplaced(self.assume_role_arn, self)):
            _refuse(_Refusal(("assumeRoleArn",), self.assume_role_arn, problem))
        return self


def _misplaced(arn: str, own: AccountSettings, side: str = "", other: AccountSettings | None = None) -> str | None:
    """Return why an ARN is not one of the account ``own``, or None; with the ``other`` one, it tells swapped accounts.

    Args:
        arn: the ARN of an IAM resource.
        own: the account that it must be in.
        side: what the configuration calls that account; empty where the account is not known to be one of two.
        other: the other account, where it is known.
    """
    match = aws_rules.ARN.fullmatch(arn)
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
    account = f"{side} account".strip()
    return f"this must be in the {account} {own.account_id}, and is in {match['account']}. {advice}"


class _Refusal(NamedTuple):
    """What a rule says of a value inside the one that it was given."""

    place: tuple[str | int, ...]  # from there, with the keys of the configuration
    value: object
    problem: str  # the rule and the fix


def _refuse(*refusals: _Refusal) -> None:
    """Raise everything that a rule refuses, at once, where there is something."""
    if refusals:
        raise ValidationError.from_exception_data(
            "Settings",
            [
                InitErrorDetails(type="value_error", loc=place, input=value, ctx={"error": problem})
                for place, value, problem in refusals
            ],
        )


def _policy_document(value: object) -> object:
    """Turn the name of a policy file into the document in it; a document is checked and passes as it is."""
    if isinstance(value, str | Path):
        return identity_policy.identity_policy_file(PROJECT_FOLDER / value)
    if isinstance(value, Mapping):
        return identity_policy.identity_policy(dict(cast("Mapping[str, object]", value)))
    raise ValueError("this is not the name of a file. Name a JSON file, relative to the folder of Pulumi.yaml")


class PermissionPolicySettings(Section):
    """The policy that says what the role may do."""

    name: Annotated[str, BeforeValidator(aws_rules.policy_name)] = "Custom-Policy-For-Role-1"
    document: Annotated[dict[str, Any], BeforeValidator(_policy_document)] = Field(
        default=cast("dict[str, Any]", Path("policies/s3-full-access.json")),
        alias="file",
        validate_default=True,
        description="The policy's JSON file, relative to the folder of Pulumi.yaml.",
    )


class RoleSettings(Section):
    """The role in the trusting account."""

    name: Annotated[str, BeforeValidator(aws_rules.role_name)] = "Assume-Role-1"
    path: Annotated[str, BeforeValidator(aws_rules.path)] = "/"
    description: Annotated[str, BeforeValidator(aws_rules.description)] | None = None
    max_session_duration: Annotated[int, BeforeValidator(aws_rules.session_duration)] = Field(
        default=int(aws_rules.MIN_SESSION_DURATION.total_seconds()), description="Longest session, in seconds."
    )
    permissions_boundary: Annotated[str, BeforeValidator(aws_rules.policy_arn)] | None = None
    policy: PermissionPolicySettings = Field(default=cast("PermissionPolicySettings", {}), validate_default=True)
    managed_policies: Annotated[dict[str, str], BeforeValidator(aws_rules.managed_policies)] = Field(
        default_factory=dict[str, str], description="Further managed policies, AWS's or the account's, by label."
    )


class TrustSettings(Section):
    """Who may assume the role, beyond being in the trusted account; every condition given must be met."""

    external_id: Annotated[str, BeforeValidator(aws_rules.external_id)] | None = None
    require_mfa: bool = Field(
        default=False,
        description="The caller must have signed in with MFA. Roles and SSO users never have: it keeps them out.",
    )
    mfa_max_age: Annotated[int, BeforeValidator(aws_rules.mfa_max_age)] | None = Field(
        default=None, description="How old the MFA sign-in may be, in seconds; needs requireMfa."
    )
    principal_arns: tuple[Annotated[str, BeforeValidator(aws_rules.principal_arn)], ...] = ()
    organization_id: Annotated[str, BeforeValidator(aws_rules.organization_id)] | None = None
    source_ips: tuple[Annotated[str, BeforeValidator(aws_rules.source_ip)], ...] = Field(
        default=(),
        description="Public CIDR ranges that calls may come from. Calls through VPC endpoints have no such address: it "
        "keeps them out.",
    )

    @field_validator("mfa_max_age")
    @classmethod
    def _needs_mfa(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("require_mfa") is False:
            raise ValueError(
                f"this needs MFA. Remove it, or use: pulumi config set --path {NAMESPACE}:trust.requireMfa true"
            )
        return value


class UserSettings(Section):
    """The user in the trusted account."""

    name: Annotated[str, BeforeValidator(aws_rules.user_name)] = "user-1"
    path: Annotated[str, BeforeValidator(aws_rules.path)] = "/"
    permissions_boundary: Annotated[str, BeforeValidator(aws_rules.policy_arn)] | None = None
    policy_name: Annotated[str, BeforeValidator(aws_rules.policy_name)] = "Custom-Assume-Role-Policy"
    force_destroy: bool = Field(default=False, description="On destroy, also remove keys and MFA devices made by hand.")


class AccessKeySettings(Section):
    """One access key of the user; the label names it for good, in Pulumi's state and in the outputs."""

    label: Annotated[str, BeforeValidator(aws_rules.key_label)]
    status: Literal["Active", "Inactive"] = "Active"


class SecretStoreSettings(Section):
    """Where the trusted account keeps the key pair, instead of the stack's outputs."""

    kind: Literal["secretsmanager", "ssm"] = Field(description="Secrets Manager, or a SecureString parameter of SSM.")
    name: str = Field(description="Name of the secret or parameter.")
    kms_key_id: Annotated[str, BeforeValidator(aws_rules.kms_key_id)] | None = Field(
        default=None, description="The KMS key that encrypts it; without one, AWS's own key of the service."
    )

    @field_validator("name", mode="before")
    @classmethod
    def _name(cls, value: object, info: ValidationInfo) -> str:
        return aws_rules.secret_name(info.data.get("kind"), value)


def _pgp_public_key(value: object) -> str:
    """Turn the name of a PGP key file into the key in it."""
    if isinstance(value, str):
        return pgp.public_key(PROJECT_FOLDER / value)
    raise ValueError("this is not the name of a file. Name a PGP key file, relative to the folder of Pulumi.yaml")


class Settings(Section):
    """Everything that one stack says about its relationship."""

    trusting: AccountSettings
    trusted: AccountSettings
    role: RoleSettings = Field(default=cast("RoleSettings", {}), validate_default=True)
    user: UserSettings = UserSettings()
    trust: TrustSettings = TrustSettings()
    access_keys: tuple[AccessKeySettings, ...] = (AccessKeySettings(label="1"),)
    pgp_key: Annotated[str, BeforeValidator(_pgp_public_key)] | None = Field(
        default=None,
        alias="pgpKeyFile",
        description="PGP public key, base64, that the secret is encrypted to: it then exists nowhere in plain text.",
    )
    secret_store: SecretStoreSettings | None = None
    tags: Annotated[dict[str, str], BeforeValidator(aws_rules.tags)] = Field(default_factory=dict[str, str])
    endpoint: Annotated[str, BeforeValidator(aws_rules.loopback_endpoint)] | None = None

    # The rules between sections. Each stands at the later section, so that it speaks beside all other faults; of an
    # earlier one that is wrong by itself it knows nothing, and says nothing.

    @field_validator("trusted")
    @classmethod
    def _two_accounts_of_one_partition(cls, trusted: AccountSettings, info: ValidationInfo) -> AccountSettings:
        if trusting := _account(info, "trusting"):
            if trusted.account_id == trusting.account_id:
                problem = (
                    "this is the trusting account too, and a relationship needs two. "
                    "Set the id of the account of the user"
                )
                _refuse(_Refusal(("accountId",), trusted.account_id, problem))
            if trusted.partition != trusting.partition:
                problem = (
                    f"this is in another partition than trusting.region ({trusting.region}), and no role can be "
                    "assumed across partitions. Choose two accounts of one partition"
                )
                _refuse(_Refusal(("region",), trusted.region, problem))
        return trusted

    @field_validator("role")
    @classmethod
    def _role_of_the_trusting_account(cls, role: RoleSettings, info: ValidationInfo) -> RoleSettings:
        further = {("managedPolicies", label): arn for label, arn in role.managed_policies.items()}
        _refuse(*_foreign(info, "trusting", {("permissionsBoundary",): role.permissions_boundary, **further}))
        return role

    @field_validator("user")
    @classmethod
    def _user_of_the_trusted_account(cls, user: UserSettings, info: ValidationInfo) -> UserSettings:
        _refuse(*_foreign(info, "trusted", {("permissionsBoundary",): user.permissions_boundary}))
        return user

    @field_validator("trust")
    @classmethod
    def _principals_of_the_trusted_account(cls, trust: TrustSettings, info: ValidationInfo) -> TrustSettings:
        patterns = trust.principal_arns
        refusals = _foreign(info, "trusted", {("principalArns", index): arn for index, arn in enumerate(patterns)})
        account, user = _account(info, "trusted"), cast("UserSettings | None", info.data.get("user"))
        if patterns and account and user:
            own = iam_arn(
                "user", partition=account.partition, account_id=account.account_id, path=user.path, name=user.name
            )
            if not any(aws_rules.arn_like(own, pattern) for pattern in patterns):
                problem = f"this leaves out the stack's own user, so nobody could use its key. Add {own}"
                refusals.append(_Refusal(("principalArns",), list(patterns), problem))
        _refuse(*refusals)
        return trust

    @field_validator("access_keys")
    @classmethod
    def _one_key_or_two(cls, keys: tuple[AccessKeySettings, ...]) -> tuple[AccessKeySettings, ...]:
        refusals: list[_Refusal] = []
        if not 1 <= len(keys) <= aws_rules.MAX_ACCESS_KEYS:
            problem = (
                f"a user has one access key or {aws_rules.MAX_ACCESS_KEYS}, the most that AWS allows. "
                "Keep one, or two while you rotate; to stop a key, set its status to Inactive"
            )
            refusals.append(_Refusal((), len(keys), problem))
        labels = [key.label for key in keys]
        if len(set(labels)) < len(labels):
            problem = "each key needs a label of its own. Rename the newer one"
            refusals.append(_Refusal((), labels, problem))
        _refuse(*refusals)
        return keys

    @field_validator("secret_store")
    @classmethod
    def _no_plain_secret_beside_pgp(
        cls, store: SecretStoreSettings | None, info: ValidationInfo
    ) -> SecretStoreSettings | None:
        if store and info.data.get("pgp_key", "wrong"):
            raise ValueError(
                "this stores the secret in plain text, which with pgpKeyFile no stack ever has. Remove one of the two"
            )
        return store

    def warnings(self) -> list[str]:
        """Return what is allowed but seldom meant, a sentence each."""
        found: list[str] = []
        ways_in = {(account.profile, account.assume_role_arn) for account in (self.trusting, self.trusted)}
        if self.endpoint is None and len(ways_in) == 1:
            found.append(
                "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
                f"Set a profile for each: pulumi config set --path {NAMESPACE}:trusting.profile NAME"
            )
        if identity_policy.allows_everything(self.role.policy.document):
            found.append(
                "role.policy.file allows every action on every resource, all of IAM, or all but what it names, so "
                "whoever has the key is as good as an administrator of the trusting account "
                f"{self.trusting.account_id}. Name the actions that the role is for."
            )
        trust = trust_policy(
            partition=self.trusting.partition, trusted_account_id=self.trusted.account_id, **self.trust.model_dump()
        )
        if (size := len("".join(json.dumps(trust).split()))) > aws_rules.MAX_TRUST_POLICY_CHARACTERS:
            found.append(
                f"the trust policy has {size:,} characters, and AWS takes {aws_rules.MAX_TRUST_POLICY_CHARACTERS:,} by "
                "default. Shorten trust.principalArns or trust.sourceIps, for example with wildcards, or ask AWS for "
                'more: the quota "Role trust policy length" of IAM.'
            )
        return found


def _account(info: ValidationInfo, side: str) -> AccountSettings | None:
    """Return the account of a side, if it is right by itself."""
    return cast("AccountSettings | None", info.data.get(side))


def _foreign(
    info: ValidationInfo, side: Literal["trusting", "trusted"], arns: Mapping[tuple[str | int, ...], str | None]
) -> list[_Refusal]:
    """Return what there is to say against ARNs, by place, that must be in the account of one side."""
    own, other = _account(info, side), _account(info, "trusted" if side == "trusting" else "trusting")
    return [
        _Refusal(place, arn, problem)
        for place, arn in arns.items()
        if own and arn and (problem := _misplaced(arn, own, side, other))
    ]
