"""The settings of one relationship: read once from the stack's configuration, checked whole, then never changed.

Nothing else in the program reads ``pulumi.Config``. The models are also what the components take as arguments, so a
relationship made without Pulumi configuration obeys the same rules.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from components import aws_rules, pgp
from components.arns import iam_arn
from components.policies import trust_policy

NAMESPACE = "assume-role"
DEFAULT_REGION = "us-east-1"
DEFAULT_USER_NAME = "user-1"
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
        DEFAULT_REGION,
        description="Region of the API calls. IAM is global: the region decides only the partition.",
    )
    assume_role_arn: Annotated[str, BeforeValidator(aws_rules.role_arn)] | None = Field(
        default=None, description="A role of this account to deploy through."
    )

    @property
    def partition(self) -> str:
        """The partition of the account's region, as ``aws`` or ``aws-cn``."""
        return aws_rules.partition(self.region)


def _policy_document(value: object) -> object:
    """Turn the name of a policy file into the document in it; a document is checked and passes as it is."""
    if isinstance(value, str | Path):
        return aws_rules.identity_policy_file(PROJECT_FOLDER / value)
    if isinstance(value, Mapping):
        return aws_rules.identity_policy(dict(cast("Mapping[str, object]", value)))
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
    require_mfa: bool = False
    mfa_max_age: Annotated[int, BeforeValidator(aws_rules.mfa_max_age)] | None = Field(
        default=None, description="How old the MFA sign-in may be, in seconds; needs requireMfa."
    )
    principal_arns: tuple[Annotated[str, BeforeValidator(aws_rules.principal_arn)], ...] = ()
    organization_id: Annotated[str, BeforeValidator(aws_rules.organization_id)] | None = None
    source_ips: tuple[Annotated[str, BeforeValidator(aws_rules.source_ip)], ...] = ()


class UserSettings(Section):
    """The user in the trusted account."""

    name: Annotated[str, BeforeValidator(aws_rules.user_name)] = DEFAULT_USER_NAME
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
    trust: TrustSettings = TrustSettings()
    user: UserSettings = UserSettings()
    access_keys: tuple[AccessKeySettings, ...] = (AccessKeySettings(label="1"),)
    pgp_key: Annotated[str, BeforeValidator(_pgp_public_key)] | None = Field(
        default=None,
        alias="pgpKeyFile",
        description="PGP public key, base64, that the secret is encrypted to: it then exists nowhere in plain text.",
    )
    secret_store: SecretStoreSettings | None = None
    tags: Annotated[dict[str, str], BeforeValidator(aws_rules.tags)] = Field(default_factory=dict[str, str])
    endpoint: Annotated[str, BeforeValidator(aws_rules.loopback_endpoint)] | None = None

    def warnings(self) -> list[str]:
        """Return what is allowed but seldom meant, a sentence each."""
        found: list[str] = []
        ways_in = {(account.profile, account.assume_role_arn) for account in (self.trusting, self.trusted)}
        if self.endpoint is None and len(ways_in) == 1:
            found.append(
                "trusting and trusted are deployed with the same credentials, so one of them will be refused. "
                f"Set a profile for each: pulumi config set --path {NAMESPACE}:trusting.profile NAME"
            )
        if aws_rules.allows_everything(self.role.policy.document):
            found.append(
                "role.policy.file allows every action on every resource, so whoever has the key is an administrator of "
                f"the trusting account {self.trusting.account_id}. Name the actions that the role is for."
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


class Fault(NamedTuple):
    """One thing that is wrong with the settings."""

    key: str  # as ``pulumi config set --path`` takes it, without the namespace
    value: object
    problem: str  # the rule and the fix


class SettingsError(pulumi.RunError):
    """The settings are wrong; the message names every fault, and nothing was created."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        lines = [f"  - {_describe(fault)}" for fault in faults]
        count = "1 setting is" if len(faults) == 1 else f"{len(faults)} settings are"
        super().__init__(
            f"{count} wrong, so nothing was changed:\n"
            + "\n".join(lines)
            + f"\nCorrect Pulumi.<stack>.yaml, or use: pulumi config set --path '{NAMESPACE}:KEY' VALUE"
        )


def load_settings() -> Settings:
    """Return the settings of the current stack.

    Raises:
        SettingsError: something is wrong with them; all faults are named at once.
    """
    config = {**pulumi.runtime.get_config_env(), **CONFIG.get()}
    own = {key.removeprefix(f"{NAMESPACE}:"): key for key in config if key.startswith(f"{NAMESPACE}:")}
    values = {name: _decode(str(config[key])) for name, key in own.items()}
    secret_keys = frozenset(name for name, key in own.items() if pulumi.runtime.is_config_secret(key))
    return parse_settings({name: value for name, value in values.items() if value not in ("", {})}, secret_keys)


def parse_settings(values: Mapping[str, object], secret_keys: frozenset[str] = frozenset()) -> Settings:
    """Return the settings that ``values`` (the decoded configuration, by key without namespace) make.

    Args:
        values: what the stack's configuration says.
        secret_keys: the keys whose values no message may show.

    Raises:
        SettingsError: something is wrong with them; all faults are named at once.
    """
    values = {"trusting": {}, "trusted": {}, **values}
    faults = list(_faults_between_keys(values))
    settings = None
    try:
        settings = Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        faults = [*map(_fault, error.errors()), *faults]
    # Of a setting that was meant to be secret nothing else is said: a rule may quote its value.
    faults = [fault for fault in faults if _top(fault.key) not in secret_keys]
    faults += _secrets(secret_keys)
    if settings is None or faults:
        raise SettingsError(faults)
    return settings


def _decode(text: str) -> object:
    """Return a configuration value as what it stands for: Pulumi hands objects and lists over as JSON."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the model says what it should have been


def _describe(fault: Fault) -> str:
    if fault.value is None:
        return f"{fault.key}: {fault.problem}"
    shown = _shorten(json.dumps(fault.value, ensure_ascii=False, default=str))
    return f"{fault.key} = {shown}: {fault.problem}"


def _top(key: str) -> str:
    """Return the top-level setting of a key, as ``trust`` of ``trust.sourceIps[0]``."""
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _shorten(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _fault(error: Any) -> Fault:  # noqa: ANN401 - pydantic's ErrorDetails, whose module is private
    location = cast("tuple[str | int, ...]", error["loc"])
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    value = cast("object", error["input"])
    match error["type"]:
        case "value_error":
            return Fault(key, value, f"{error['ctx']['error']}.")
        case "missing":
            example = "111122223333" if key.endswith("accountId") else "VALUE"
            return Fault(
                key,
                None,
                f"this is required. Set it with: pulumi config set --path {NAMESPACE}:{key} {example}",
            )
        case "extra_forbidden":
            known = _known_keys(location[:-1])
            nearest = difflib.get_close_matches(str(location[-1]).casefold(), [k.casefold() for k in known], 1, 0.5)
            meant = [k for k in known if k.casefold() in nearest]
            advice = f"Did you mean {meant[0]}?" if meant else "Remove it."
            return Fault(key, value, f"there is no such setting. {advice} Known here: {', '.join(known)}.")
        case "literal_error":
            return Fault(key, value, f"this must be {error['ctx']['expected']}. Choose one of them.")
        case "bool_type" | "bool_parsing":
            return Fault(key, value, "this must be true or false. Write it without quotes.")
        case "tuple_type":
            return Fault(key, value, f"this must be a list. Add the first entry as {NAMESPACE}:{key}[0].")
        case "model_type" | "model_attributes_type":
            return Fault(key, value, f"this must be an object with the keys {', '.join(_known_keys(location))}.")
        case _:
            return Fault(key, value, f"{error['msg']}.")


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the section at ``location``."""
    section: type[Section] = Settings
    for part in location:
        field = next((field for field in section.model_fields.values() if field.alias == part), None)
        if field is not None:
            section = next(_sections(field.annotation), section)
    return [str(field.alias) for field in section.model_fields.values()]


def _sections(annotation: object) -> Iterator[type[Section]]:
    """Yield the sections that a type annotation names, as in ``tuple[AccessKeySettings, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


def _secrets(secret_keys: frozenset[str]) -> Iterator[Fault]:
    """Yield the settings that the user meant to keep secret, since none of them can be: AWS shows them all."""
    for key in sorted(secret_keys):
        yield Fault(
            key,
            None,
            "this is stored as a secret, but previews, tags, names and trust policies (with the external id) show it "
            "to whoever may read them. Set it again without --secret.",
        )


def _faults_between_keys(values: Mapping[str, object]) -> Iterator[Fault]:
    """Yield what is wrong between settings, each of which may be right; they are as the user wrote them."""
    # An id that is wrong by itself is one fault, not one more for every ARN that is right.
    ids = {side: _account_id(_at(values, side, "accountId")) for side in ("trusting", "trusted")}
    if ids["trusting"] and ids["trusting"] == ids["trusted"]:
        yield Fault(
            "trusted.accountId",
            ids["trusted"],
            "this is the trusting account too, and a relationship needs two. Set the id of the account of the user.",
        )
    regions = {side: str(_at(values, side, "region") or DEFAULT_REGION) for side in ("trusting", "trusted")}
    if aws_rules.partition(regions["trusting"]) != aws_rules.partition(regions["trusted"]):
        yield Fault(
            "trusted.region",
            regions["trusted"],
            f"this is in another partition than trusting.region ({regions['trusting']}), and no role can be assumed "
            "across partitions. Choose two accounts of one partition.",
        )
    # As pydantic reads it.
    requires_mfa = str(_at(values, "trust", "requireMfa")).casefold() in ("true", "yes", "on", "1")
    if _at(values, "trust", "mfaMaxAge") is not None and not requires_mfa:
        yield Fault(
            "trust.mfaMaxAge",
            _at(values, "trust", "mfaMaxAge"),
            f"this needs MFA. Set it with: pulumi config set --path {NAMESPACE}:trust.requireMfa true",
        )
    if _at(values, "pgpKeyFile") and _at(values, "secretStore"):
        yield Fault(
            "secretStore",
            _at(values, "secretStore"),
            "this stores the secret in plain text, which with pgpKeyFile no stack ever has. Remove one of the two.",
        )
    yield from _foreign_arns(values, ids)
    yield from _locked_out_user(values, ids["trusted"])
    yield from _access_key_faults(_at(values, "accessKeys"))


def _account_id(value: object) -> str:
    """Return an account id where it is one, else an empty text."""
    try:
        return aws_rules.account_id(value)
    except ValueError:
        return ""


def _foreign_arns(values: Mapping[str, object], ids: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the ARNs of the wrong account: where they are the other one's, the two were probably swapped."""
    principals, managed = _at(values, "trust", "principalArns"), _at(values, "role", "managedPolicies")
    arns: list[tuple[str, str, object]] = [
        ("trusting", "trusting.assumeRoleArn", _at(values, "trusting", "assumeRoleArn")),
        ("trusted", "trusted.assumeRoleArn", _at(values, "trusted", "assumeRoleArn")),
        ("trusting", "role.permissionsBoundary", _at(values, "role", "permissionsBoundary")),
        ("trusted", "user.permissionsBoundary", _at(values, "user", "permissionsBoundary")),
        *(
            ("trusted", f"trust.principalArns[{index}]", arn)
            for index, arn in enumerate(cast("list[object]", principals) if isinstance(principals, list) else [])
        ),
        *(
            ("trusting", f"role.managedPolicies.{label}", arn)
            for label, arn in (cast("dict[str, object]", managed) if isinstance(managed, dict) else {}).items()
        ),
    ]
    for side, key, arn in arns:
        match = aws_rules.ARN.fullmatch(str(arn))
        partition = aws_rules.partition(str(_at(values, side, "region") or DEFAULT_REGION))
        if match and match["partition"] != partition:
            yield Fault(
                key,
                arn,
                f"this is in the partition {match['partition']}, and {side}.region is in {partition}. "
                "Correct one of them.",
            )
        if not match or not ids[side] or match["account"] in (ids[side], "aws"):
            continue
        other = "trusted" if side == "trusting" else "trusting"
        advice = (
            f"That is the {other} account: are {side}.accountId and {other}.accountId swapped?"
            if match["account"] == ids[other]
            else f"Name one of account {ids[side]}, or correct {side}.accountId."
        )
        yield Fault(
            key,
            arn,
            f"this must be in the {side} account {ids[side]}, and is in {match['account']}. {advice}",
        )


def _locked_out_user(values: Mapping[str, object], account_id: str) -> Iterator[Fault]:
    """Yield a fault where the trust is narrowed to principals that leave this stack's own user out."""
    principals = _at(values, "trust", "principalArns")
    if not isinstance(principals, list) or not principals or not account_id:
        return
    user_arn = iam_arn(
        "user",
        partition=aws_rules.partition(str(_at(values, "trusted", "region") or DEFAULT_REGION)),
        account_id=account_id,
        path=str(_at(values, "user", "path") or "/"),
        name=str(_at(values, "user", "name") or DEFAULT_USER_NAME),
    )
    patterns = cast("list[object]", principals)
    if not any(aws_rules.arn_like(user_arn, str(pattern)) for pattern in patterns):
        yield Fault(
            "trust.principalArns",
            patterns,
            f"this leaves out the stack's own user, so nobody could use its key. Add {user_arn}.",
        )


def _access_key_faults(keys: object) -> Iterator[Fault]:
    if not isinstance(keys, list):
        return
    entries = cast("list[object]", keys)
    if not 1 <= len(entries) <= aws_rules.MAX_ACCESS_KEYS:
        yield Fault(
            "accessKeys",
            len(entries),
            f"a user has one access key or {aws_rules.MAX_ACCESS_KEYS}, the most that AWS allows. "
            "Keep one, or two while you rotate; to stop a key, set its status to Inactive.",
        )
    labels = [str(label) for entry in entries if (label := _at(entry, "label")) is not None]
    if len(set(labels)) < len(labels):
        yield Fault("accessKeys", labels, "each key needs a label of its own. Rename the newer one.")


def _at(values: object, *keys: str) -> object:
    """Return what stands under the keys, or None where there is no such thing."""
    found = values
    for key in keys:
        found = cast("dict[str, object]", found).get(key) if isinstance(found, dict) else None
    return found
