"""What all models share: one way to refuse several things at once, and ``None`` for the default."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self, TypeAlias, cast

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

Place: TypeAlias = tuple[str | int, ...]


class Refusal(NamedTuple):
    """What a rule says of a value inside the one that it was given."""

    place: Place  # from there, with the keys of the configuration
    value: object
    problem: str  # the rule and the fix


def key_path(place: Place) -> str:
    """Return a place in the arguments as Pulumi writes it, as ``trust.sourceIps[0]`` or ``tags["cost centre"]``."""
    steps = place[:-1] if place[-1:] == ("[key]",) else place  # pydantic's way to say that the key itself is wrong
    return "".join(map(_step, steps)).removeprefix(".")


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


def outputs_in(value: object, place: Place = ()) -> Iterator[Place]:
    """Yield the places, inside a value, of what is not known yet or not to be shown."""
    if isinstance(value, pulumi.Output):
        yield place
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from outputs_in(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from outputs_in(inner, (*place, index))


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
        defer_build=True,  # most programs use few of the models by themselves
    )

    @classmethod
    def of(cls, args: Self | Mapping[str, object]) -> Self:
        """Return arguments as they are, or what a program in another language gives, checked."""
        return args if isinstance(args, cls) else cls.model_validate(args)

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
