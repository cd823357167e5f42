"""The reading of the stack's configuration: the settings in it, or every fault at once.

Nothing else in the program reads ``pulumi.Config``.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast, get_args

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError

from components.settings import NAMESPACE, Section, Settings


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
    settings, faults = None, list(_secrets(secret_keys))
    try:
        settings = Settings.model_validate({"trusting": {}, "trusted": {}, **values}, by_alias=True, by_name=False)
    except ValidationError as error:
        # Of a setting that was meant to be secret nothing else is said: a rule may quote its value.
        faults = [fault for fault in map(_fault, error.errors()) if _top(fault.key) not in secret_keys] + faults
    if settings is None or faults:
        raise SettingsError(faults)
    return settings


def _decode(text: str) -> object:
    """Return a configuration value as what it stands for: Pulumi hands objects and lists over as JSON."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # the model says what it should have been


def _describe(fault: Fault) -> str:
    if fault.value is None:
        return f"{fault.key}: {fault.problem}"
    try:
        shown = _shorten(json.dumps(fault.value, ensure_ascii=False, default=str))
    except RecursionError:
        shown = "{...}"
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
            problem = str(error["ctx"]["error"])
            return Fault(key, value, problem if problem.endswith("?") else f"{problem}.")
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
