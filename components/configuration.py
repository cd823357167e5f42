"""The reading of the stack's configuration and of the files that it names: the arguments, or every error at once.

Nothing else in the program reads ``pulumi.Config`` or a file of the project.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError

from .iam import NAMESPACE
from .identity_policy import identity_policy_text
from .pgp import public_key_bytes
from .relationship_args import RelationshipArgs
from .validation import Model, key_path

PROJECT_FOLDER = Path(__file__).parent.parent
RELATIVE = "relative to the folder of Pulumi.yaml"
MAX_BYTES = 1_000_000  # an IAM policy has at most 6,144 characters, an OpenPGP certificate some ten thousand bytes


class FileSetting(NamedTuple):
    """A setting that names a file, and the field of the models that takes what is in it."""

    section: tuple[str, ...]
    setting: str
    field: str
    kind: str
    read: Callable[[bytes], object]
    default: str | None = None
    inline: bool = False  # the content itself may stand in place of the name


FILES = (
    FileSetting(
        ("role", "policy"),
        "file",
        "document",
        "policy",
        identity_policy_text,
        "policies/s3-full-access.json",
        inline=True,
    ),
    FileSetting((), "pgpKeyFile", "pgpKey", "PGP key", public_key_bytes),
)
# The keys of the AWS provider's own namespace, and what to set instead.
INSTEAD = {
    "region": f"{NAMESPACE}:trusting.region and trusted.region",
    "profile": f"{NAMESPACE}:trusting.profile and trusted.profile",
    "allowedAccountIds": f"{NAMESPACE}:trusting.accountId and trusted.accountId",
    "defaultTags": f"{NAMESPACE}:tags",
    **dict.fromkeys(("assumeRole", "assumeRoles"), f"{NAMESPACE}:trusting.assumeRoleArn and trusted.assumeRoleArn"),
    "endpoints": f"{NAMESPACE}:endpoint",
}


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
    return parse_settings({name: value for name, value in values.items() if value not in ("", {})}, secret_keys)


def stack_config() -> dict[str, Any]:
    """Return the configuration of the current stack, of all namespaces."""
    return {**pulumi.runtime.get_config_env(), **CONFIG.get()}


def ignored_settings(config: Iterable[str]) -> list[str]:
    """Return a warning for each key of the AWS provider's own namespace: the program gives its providers all."""
    warnings: list[str] = []
    for key in (key for key in config if key.startswith("aws:")):
        ours = INSTEAD.get(key.removeprefix("aws:"))
        fix = f"Set {ours} instead" if ours else "Remove it"
        warnings.append(f"{key} in the stack's file is ignored: each account has a provider of its own. {fix}.")
    return warnings


def parse_settings(values: Mapping[str, object], secret_keys: frozenset[str] = frozenset()) -> RelationshipArgs:
    """Return the arguments that ``values`` (the decoded configuration, by key without namespace) make.

    Args:
        values: what the stack's configuration says.
        secret_keys: the keys whose values no message may show.

    Raises:
        SettingsError: something is wrong with them; all errors are named at once.
    """
    args, unread = None, list[SettingError]()
    values = {"trusting": {}, "trusted": {}, **{key: value for key, value in values.items() if value is not None}}
    for file in FILES:
        values, errors = _read(file, values)
        unread += errors
    errors = unread
    try:
        args = RelationshipArgs.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        already = {each.key for each in unread}
        errors = [*(each for each in map(_setting_error, error.errors()) if each.key not in already), *unread]
    # Of a setting that was meant to be secret nothing else is said: a rule may quote its value.
    errors = [error for error in errors if _top(error.key) not in secret_keys] + list(_secrets(secret_keys))
    if args is None or errors:
        raise SettingsError(errors)
    return args


def _read(file: FileSetting, values: Mapping[str, object]) -> tuple[dict[str, object], list[SettingError]]:
    """Return the values with what is in a file in place of its name, and what is wrong with that file."""
    copy, key = dict(values), ".".join((*file.section, file.setting))
    section: dict[str, object] = copy
    for name in file.section:
        inner = section.get(name)
        if not isinstance(inner, dict | None):
            return copy, []  # the model says what it should have been
        section[name] = section = dict(cast("dict[str, object]", inner or {}))
    if file.inline and "Statement" in section:
        return copy, []  # the content in place of the section: the model takes that
    errors = []
    if file.field in section:
        errors = [_no_such_setting((*file.section, file.field), section.pop(file.field))]
    name = section.pop(file.setting, None)
    if name in (None, ""):
        name = file.default
    if name is None:
        return copy, errors
    if file.inline and isinstance(name, dict):
        section[file.field] = name
        return copy, errors
    if not isinstance(name, str):
        problem = f"this is not the name of a file. Name a {file.kind} file, {RELATIVE}."
        return copy, [*errors, SettingError(key, name, problem)]
    try:
        section[file.field] = file.read(read_small_file(PROJECT_FOLDER / name, file.kind))
    except ValueError as error:
        errors.append(SettingError(key, name, f"{error}."))
        section[file.field] = []  # wrong, but there: a rule between settings must know that
    return copy, errors


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


def _describe(error: SettingError) -> str:
    if error.value is None:
        return f"{error.key}: {error.problem}"
    try:
        shown = _shorten(json.dumps(error.value, ensure_ascii=False, default=str))
    except RecursionError:
        shown = "{...}"
    return f"{error.key} = {shown}: {error.problem}"


def _top(key: str) -> str:
    """Return the top-level setting of a key, as ``trust`` of ``trust.sourceIps[0]``."""
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _shorten(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _setting_error(details: Any) -> SettingError:  # noqa: ANN401 - pydantic's ErrorDetails: its module is private
    location = cast("tuple[str | int, ...]", details["loc"])
    file = next((file for file in FILES if location == (*file.section, file.field)), None)
    key = key_path((*file.section, file.setting) if file else location)
    value = cast("object", details["input"])
    match details["type"]:
        case "value_error":
            problem = str(details["ctx"]["error"])
            return SettingError(key, value, problem if problem.endswith("?") else f"{problem}.")
        case "missing":
            example = "111122223333" if key.endswith("accountId") else "VALUE"
            return SettingError(
                key,
                None,
                f"this is required. Set it with: pulumi config set --path {NAMESPACE}:{key} {example}",
            )
        case "extra_forbidden":
            return _no_such_setting(location, value)
        case "enum":
            return SettingError(key, value, f"this must be {details['ctx']['expected']}. Choose one of them.")
        case "bool_type" | "bool_parsing":
            return SettingError(key, value, "this must be true or false. Write it without quotes.")
        case "dict_type":
            return SettingError(
                key, value, f"this must be an object of names and values. Add one as {NAMESPACE}:{key}.NAME."
            )
        case "list_type":
            return SettingError(key, value, f"this must be a list. Add the first entry as {NAMESPACE}:{key}[0].")
        case "model_type" | "model_attributes_type":
            return SettingError(key, value, f"this must be an object with the keys {', '.join(_known_keys(location))}.")
        case _:
            return SettingError(key, value, f"{details['msg']}.")


def _no_such_setting(location: tuple[str | int, ...], value: object) -> SettingError:
    known, name = _known_keys(location[:-1]), str(location[-1])
    if len(location) == 1 and _top(name) in known:  # and not the whole name
        problem = (
            "`pulumi config set` takes it for one name without --path. "
            f"Use: pulumi config rm '{NAMESPACE}:{name}' && pulumi config set --path '{NAMESPACE}:{name}' VALUE"
        )
        return SettingError(key_path(location), value, problem)
    nearest = difflib.get_close_matches(name.casefold(), [k.casefold() for k in known], 1, 0.5)
    meant = [k for k in known if k.casefold() in nearest]
    advice = f"Did you mean {meant[0]}?" if meant else "Remove it."
    return SettingError(
        key_path(location), value, f"there is no such setting. {advice} Known here: {', '.join(known)}."
    )


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the section at ``location``; a file's, where a field holds what is in it."""
    section: type[Model] = RelationshipArgs
    for part in location:
        field = next((field for field in section.model_fields.values() if field.alias == part), None)
        if field is not None:
            section = next(_sections(field.annotation), section)
    settings = {file.field: file.setting for file in FILES}
    aliases = (str(field.alias) for field in section.model_fields.values())
    return [settings.get(alias, alias) for alias in aliases]


def _sections(annotation: object) -> Iterator[type[Model]]:
    """Yield the models that a type annotation names, as in ``list[AccessKeyArgs]``."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


def _secrets(secret_keys: frozenset[str]) -> Iterator[SettingError]:
    """Yield the settings that the user meant to keep secret, since none of them can be: AWS shows them all."""
    for key in sorted(secret_keys):
        yield SettingError(
            key,
            None,
            "this is stored as a secret, but previews, tags, names and trust policies (with the external id) show it "
            "to their readers. Set it again without --secret.",
        )
