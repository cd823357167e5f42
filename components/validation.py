"""What all models share: one way to check, to refuse several things at once, and to fall back on a default."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

T = TypeVar("T")
Name = TypeVar("Name")
Place = TypeVar("Place", bound=str | int)
if TYPE_CHECKING:
    Defaulted = Annotated[T, "None means the default"]
else:
    # The package's schema takes a field as optional only where it may be None. Here None means the default, and
    # `Model` puts that in, so that no reader of a field ever sees None.
    Defaulted = Optional


class Refusal(NamedTuple):
    """What a rule says of a value inside the one that it was given."""

    place: tuple[str | int, ...]  # from there, with the keys of the configuration
    value: object
    problem: str  # the rule and the fix


def key_path(place: tuple[str | int, ...]) -> str:
    """Return a place in the arguments as Pulumi writes it, as ``trust.sourceIps[0]`` or ``tags["cost centre"]``."""
    return "".join(map(_step, place)).removeprefix(".")


def _step(part: str | int) -> str:
    """Return one step of a path: a name with a dot or a space in it, for example, stands in brackets and quotes."""
    if isinstance(part, str) and re.fullmatch(r"[\w-]+", part):
        return f".{part}"
    return f"[{json.dumps(part, ensure_ascii=False)}]"


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise everything that a rule refuses, at once, where there is something.

    Raises:
        ValidationError: there is something.
    """
    details = [
        InitErrorDetails(type="value_error", loc=place, input=value, ctx={"error": problem})
        for place, value, problem in refusals
    ]
    if details:
        raise ValidationError.from_exception_data("Relationship", details)


def each(rule: Callable[[object], str]) -> Callable[[object], object]:
    """Return the rule for a list whose items must each obey ``rule``."""

    def check(values: object) -> object:
        if not isinstance(values, list):
            return values  # the model says that it must be a list
        return list(_obeying(enumerate(cast("list[object]", values)), int, rule).values())

    return check


def each_entry(name: Callable[[object], str], rule: Callable[[object], str]) -> Callable[[object], object]:
    """Return the rule for an object whose names must obey ``name`` and whose values must obey ``rule``."""

    def check(values: object) -> object:
        if not isinstance(values, Mapping):
            return values  # as above
        return _obeying(cast("Mapping[str, object]", values).items(), name, rule)

    return check


def _obeying(
    entries: Iterable[tuple[Place, object]], name: Callable[[Place], Name], rule: Callable[[object], str]
) -> dict[Name, str]:
    """Return what the rules make of entries; refuse all that are wrong at once."""
    obeying: dict[Name, str] = {}
    refusals: list[Refusal] = []
    for place, value in entries:
        try:
            obeying[name(place)] = rule(value)
        except ValueError as error:
            refusals.append(Refusal((place,), value, str(error)))
    refuse(refusals)
    return obeying


def whole(value: object) -> object:
    """Return a value with whole numbers as such: on the way from other languages all become floating-point ones."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: whole(inner) for key, inner in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [whole(inner) for inner in cast("list[object]", value)]
    return value


class Model(BaseModel):
    """What all models share: camelCase keys beside Python's, no unknown keys, no changes after the check."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
    )

    def or_else(self, **defaults: object) -> Self:
        """Return a copy with other defaults: fields that were set stay. The defaults are not checked."""
        return self.model_copy(
            update={field: value for field, value in defaults.items() if field not in self.model_fields_set}
        )

    @model_validator(mode="before")
    @classmethod
    def _none_is_the_default(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        entries = cast("Mapping[str, object]", values)
        return {key: value for key, value in entries.items() if value is not None}
