"""The reading of the stack's configuration and of the files that it names: the arguments, or every error at once.

Nothing else in the program reads ``pulumi.Config`` or a file of the project.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast, get_args

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from .iam import NAMESPACE
from .identity_policy import identity_policy
from .models import AccountArgs, PolicyArgs, RoleArgs
from .pgp import public_key
from .relationship_args import RelationshipArgs
from .validation import Model, key_path

PROJECT_FOLDER = Path(__file__).parent.parent
RELATIVE = "relative to the folder of Pulumi.yaml"
DEFAULT_POLICY = "policies/s3-full-access.json"
MAX_BYTES = 1_000_000  # an IAM policy has at most 6,144 characters, an OpenPGP certificate some ten thousand bytes
# The keys of the AWS provider's own namespace, and what to set instead.
INSTEAD = {
    "region": f"{NAMESPACE}:trusting.region and trusted.region",
    "profile": f"{NAMESPACE}:trusting.profile and trusted.profile",
    "allowedAccountIds": f"{NAMESPACE}:trusting.accountId and trusted.accountId",
    "defaultTags": f"{NAMESPACE}:tags",
    **dict.fromkeys(("assumeRole", "assumeRoles"), f"{NAMESPACE}:trusting.assumeRoleArn and trusted.assumeRoleArn"),
    "endpoints": f"{NAMESPACE}:endpoint",
}
# What is wrong, by pydantic's type of the error. Rules of our own say it themselves.
PROBLEMS = {
    "missing": "this is required. Set it with: pulumi config set --path {namespace}:{key} {example}",
    "enum": "this must be {expected}. Choose one of them.",
    **dict.fromkeys(("bool_type", "bool_parsing"), "this must be true or false. Write it without quotes."),
    "dict_type": "this must be an object of names and values. Add one as {namespace}:{key}.NAME.",
    "list_type": "this must be a list. Add the first entry as {namespace}:{key}[0].",
    **dict.fromkeys(("model_type", "model_attributes_type"), "this must be an object with the keys {known}."),
}


def _policy_file(value: object) -> dict[str, object]:
    """Return the policy in a file; it may also stand in place of the file's name."""
    if isinstance(value, dict):
        return identity_policy(cast("object", value))
    return identity_policy(_content(DEFAULT_POLICY if value == "" else value, "policy"))


def _pgp_key_file(value: object) -> str:
    return public_key(base64.b64encode(_content(value, "PGP key")).decode())


class PolicySettings(PolicyArgs):
    """The policy as the configuration has it: in a file."""

    document: Annotated[dict[str, Any], BeforeValidator(_policy_file)] = Field(
        DEFAULT_POLICY, alias="file", validate_default=True
    )


class RoleSettings(RoleArgs):
    """The role as the configuration has it: where nothing says what it may do, with a default policy."""

    policy: PolicySettings | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    @model_validator(mode="before")
    @classmethod
    def _default_policy(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        section = cast("dict[str, object]", values)
        said = section.get("policy") or section.get("managedPolicies")
        return {**section, "policy": section.get("policy") or (None if said else {})}


class Settings(RelationshipArgs):
    """The arguments as the configuration has them: with files in place of what is in them."""

    trusting: AccountArgs = Field(default={}, validate_default=True)
    trusted: AccountArgs = Field(default={}, validate_default=True)
    role: RoleSettings = Field(default={}, validate_default=True)  # pyright: ignore[reportIncompatibleVariableOverride]
    pgp_key: Annotated[str, BeforeValidator(_pgp_key_file)] | None = Field(default=None, alias="pgpKeyFile")

    @field_validator("role")
    @classmethod
    def _no_default_policy_for_the_other_party(cls, role: RoleArgs, info: ValidationInfo) -> RoleArgs:
        trusting = cast("AccountArgs | None", info.data.get("trusting"))
        if trusting and not trusting.manage and role.policy and "document" not in role.policy.model_fields_set:
            return role.model_copy(update={"policy": None})
        return role


class SettingError(NamedTuple):
    """One thing that is wrong with the settings."""

    key: str  # as ``pulumi config set --path`` takes it, without the namespace
    value: object
    problem: str  # the rule and the fix


class SettingsError(pulumi.RunError):
    """The settings are wrong; the message names every error, and nothing was created."""

    def __init__(self, errors: list[SettingError]) -> None:
        self.errors = errors
        lines = [f"  - {_describe(error)}" for error in errors]
        count = "1 setting is" if len(errors) == 1 else f"{len(errors)} settings are"
        super().__init__(
            f"{count} wrong, so nothing was changed:\n"
            + "\n".join(lines)
            + f"\nCorrect Pulumi.<stack>.yaml, or use: pulumi config set --path '{NAMESPACE}:KEY' VALUE"
        )


def load_settings() -> RelationshipArgs:
    """Return the arguments that the configuration of the current stack makes.

    Raises:
        SettingsError: something is wrong with it; all errors are named at once.
    """
    config = stack_config()
    own = {key.removeprefix(f"{NAMESPACE}:"): key for key in config if key.startswith(f"{NAMESPACE}:")}
    values = {name: _decode(str(config[key])) for name, key in own.items()}
    secret_keys = frozenset(name for name, key in own.items() if pulumi.runtime.is_config_secret(key))
    return parse_settings(values, secret_keys)


def stack_config() -> dict[str, Any]:
    """Return the configuration of the current stack, of all namespaces."""
    return {**pulumi.runtime.get_config_env(), **CONFIG.get()}


def ignored_settings(config: Iterable[str]) -> list[str]:
    """Return a warning for each key of the AWS provider's own namespace: the program gives its providers all."""
    fixes = {f"aws:{key}": f"Set {ours} instead" for key, ours in INSTEAD.items()}
    return [
        f"{key} in the stack's file is ignored: each account has a provider of its own. {fixes.get(key, 'Remove it')}."
        for key in config
        if key.startswith("aws:")
    ]


def parse_settings(values: Mapping[str, object], secret_keys: frozenset[str] = frozenset()) -> RelationshipArgs:
    """Return the arguments that ``values`` (the decoded configuration, by key without namespace) make.

    Args:
        values: what the stack's configuration says; empty texts and objects count as not set.
        secret_keys: the keys whose values no message may show. They are errors: AWS shows all settings.

    Raises:
        SettingsError: something is wrong with them; all errors are named at once.
    """
    errors = [
        SettingError(
            key,
            None,
            "this is stored as a secret, but previews, tags, names and trust policies (with the external id) show it "
            "to their readers. Set it again without --secret.",
        )
        for key in sorted(secret_keys)
    ]
    values = {key: value for key, value in values.items() if value not in ("", {})}
    try:
        args = Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        # Of a setting that was meant to be secret nothing else is said: a rule may quote its value.
        wrong = [each for each in error.errors() if each["loc"][0] not in secret_keys]
        raise SettingsError([*map(_setting_error, wrong), *errors]) from None
    if errors:
        raise SettingsError(errors)
    return args


def _content(name: object, kind: str) -> bytes:
    if not isinstance(name, str):
        raise ValueError(f"this is not the name of a file. Name a {kind} file, {RELATIVE}")
    return read_small_file(PROJECT_FOLDER / name, kind)


def read_small_file(file: Path, kind: str) -> bytes:
    """Return what is in a file.

    Raises:
        ValueError: there is no such file, it is no regular one, it is larger than ``MAX_BYTES``, or it cannot be read.
    """
    content, reason = b"", None
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):  # a device or a pipe would never end
            reason = "it is not a regular file"
        else:
            with file.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
        reason = error.strerror if isinstance(error, OSError) else str(error)
    if len(content) > MAX_BYTES:
        reason = f"it has more than {MAX_BYTES:,} bytes"
    if reason:
        raise ValueError(f"the {kind} file cannot be read ({reason}). Name another, {RELATIVE}")
    return content


def _decode(text: str) -> object:
    """Return a configuration value as what it stands for: Pulumi hands objects and lists over as JSON."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # the model says what it should have been


def _describe(error: SettingError, longest: int = 80) -> str:
    if error.value is None:
        return f"{error.key}: {error.problem}"
    try:
        shown = json.dumps(error.value, ensure_ascii=False, default=str)
    except RecursionError:
        shown = "{...}"
    shown = shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
    return f"{error.key} = {shown}: {error.problem}"


def _setting_error(details: Any) -> SettingError:  # noqa: ANN401 - pydantic's ErrorDetails: its module is private
    location, value = cast("tuple[str | int, ...]", details["loc"]), cast("object", details["input"])
    key, kind = key_path(location), details["type"]
    if kind == "value_error":
        problem = str(details["ctx"]["error"])
        return SettingError(key, value, problem if problem.endswith("?") else f"{problem}.")
    if kind == "extra_forbidden":
        return SettingError(key, value, _no_such_setting(location))
    problem = PROBLEMS.get(kind, f"{details['msg']}.").format(
        namespace=NAMESPACE,
        key=key,
        example="111122223333" if key.endswith("accountId") else "VALUE",
        known=", ".join(_known_keys(location)),
        **details.get("ctx", {}),
    )
    return SettingError(key, None if kind == "missing" else value, problem)


def _no_such_setting(location: tuple[str | int, ...]) -> str:
    known, name = _known_keys(location[:-1]), str(location[-1])
    if len(location) == 1 and re.split(r"[.\[]", name)[0] in known:
        return (
            "`pulumi config set` takes it for one name without --path. "
            f"Use: pulumi config rm '{NAMESPACE}:{name}' && pulumi config set --path '{NAMESPACE}:{name}' VALUE"
        )
    import difflib  # noqa: PLC0415 - only a wrong key loads it

    nearest = difflib.get_close_matches(name.casefold(), [k.casefold() for k in known], 1, 0.5)
    meant = [k for k in known if k.casefold() in nearest]
    advice = f"Did you mean {meant[0]}?" if meant else "Remove it."
    return f"there is no such setting. {advice} Known here: {', '.join(known)}."


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the section at ``location``."""
    section: type[Model] = Settings
    for part in location:
        field = next((field for field in section.model_fields.values() if field.alias == part), None)
        section = next(sections(field.annotation), section) if field else section
    return [str(field.alias) for field in section.model_fields.values()]


def sections(annotation: object) -> Iterator[type[Model]]:
    """Yield the models that a type annotation names, as in ``list[AccessKeyArgs]``."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from sections(inner)
