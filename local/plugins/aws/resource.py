"""What a resource type is to this plugin, and how inputs are checked, planned and compared with what AWS holds."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.plugins.aws.session import Account, uncovered
from local.plugins.aws.shapes import same_document
from local.plugins.aws.wire import UNKNOWN, Properties, has_unknown
from local.plugins.protocol import provider_pb2 as proto

# Pulumi's automatic names end in a hyphen and seven random hexadecimal digits.
AUTO_NAME_DIGITS: Final = 7
# Lists, among the inputs of a resource, those that the plugin filled in, as the official plugin does.
DEFAULTS: Final = "__defaults"


class MissingError(Exception):
    """The object does not exist in AWS."""


class UnfinishedError(Exception):
    """The object was created, but a later step failed: it must be recorded with its id and what is known of it."""

    def __init__(self, identifier: str, outputs: Properties) -> None:
        super().__init__(identifier)
        self.identifier = identifier
        self.outputs = outputs


@dataclass(frozen=True)
class Input:
    """An input property of a resource type. What AWS takes of it, the program judges beforehand, and AWS itself."""

    rule: Callable[[Any], str | None] | None = None  # returns what is wrong with a value, as the end of a sentence
    required: bool = False
    default: object = None
    replaces: bool = False  # a change needs a new object
    computed: bool = False  # AWS chooses a value where none is given
    document: bool = False  # a JSON policy document, compared by meaning
    auto_name: bool = False  # where absent, made from the resource's name


Create = Callable[[Account, Properties], tuple[str, Properties]]
Read = Callable[[Account, str, Properties], Properties]
Update = Callable[[Account, str, Properties, Properties], None]
Delete = Callable[[Account, str, Properties], None]


@dataclass(frozen=True)
class Resource:
    """One resource type: its properties, and the AWS calls that make, find, change and remove an object.

    `create(account, inputs)` returns the id and the outputs that no later read can tell; `read(account, id, known)`
    returns all outputs or raises MissingError, where `known` is empty on import; `update(account, id, old, new)` gets
    old outputs and new inputs; `delete(account, id, old)` may raise MissingError.
    """

    service: str  # as AWS's SDKs name it in errors
    label: str
    id_form: str  # what its id is, as messages name it
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]  # known only after creation
    create: Create
    read: Read
    delete: Delete
    update: Update | None = None  # None: every change replaces
    secrets: frozenset[str] = field(default_factory=frozenset[str])

    def name_of(self, values: Properties) -> str:
        """Return what messages call an object with these properties."""
        names = (values.get(key) for key in ("name", "user", "role", "secretId"))
        return next((str(name) for name in names if name), "")


def filled_in(
    resource: Resource, logical_name: str, old: Properties, new: Properties, default_tags: Mapping[str, str]
) -> Properties:
    """Return the inputs with AWS's defaults, an automatic name (the old one, if there was one) and all tags."""
    inputs = dict(new)
    inputs.pop(DEFAULTS, None)
    defaults = {key: item.default for key, item in resource.inputs.items() if item.default is not None}
    for key, item in resource.inputs.items():
        if item.auto_name:
            kept = old.get(key) if key in old.get(DEFAULTS, ()) else None
            suffix = random.randbytes(AUTO_NAME_DIGITS).hex()[:AUTO_NAME_DIGITS]  # noqa: S311 - a name, not a secret
            defaults[key] = kept or f"{logical_name}-{suffix}"
    added = defaults.keys() - inputs.keys()
    inputs |= {key: defaults[key] for key in added}
    if added:
        inputs[DEFAULTS] = sorted(added)
    if "tags" in resource.inputs:
        own = inputs.get("tags", {})
        merged = UNKNOWN if own == UNKNOWN else dict(default_tags) | own
        if merged:
            inputs["tagsAll"] = merged
    return inputs


def faults(token: str, resource: Resource, inputs: Properties) -> Iterator[tuple[str, str]]:
    """Yield the name and the fault of each input that AWS, or this plugin, would refuse."""
    for key in sorted(inputs.keys() - resource.inputs.keys() - {DEFAULTS, "tagsAll"}):
        yield key, uncovered(f"{key} of {token}")
    for key, item in resource.inputs.items():
        if key not in inputs:
            if item.required:
                yield key, f"{key} is required"
        elif item.rule and not has_unknown(inputs[key]) and (fault := item.rule(inputs[key])):
            yield key, f"{key} {fault}"


def planned(resource: Resource, inputs: Properties, old: Properties) -> Properties:
    """Return the outputs that a preview shows: inputs as given, computed values as they are or unknown."""
    computed = [*resource.outputs, *(key for key, item in resource.inputs.items() if item.computed)]
    return {key: old.get(key, UNKNOWN) for key in computed if not old or key in old} | without_marks(inputs)


def without_marks(inputs: Properties) -> Properties:
    """Return the inputs without the plugin's own mark on them."""
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


@dataclass(frozen=True)
class Difference:
    """How the wanted inputs differ from what AWS holds."""

    detail: dict[str, "proto.PropertyDiff.Kind.ValueType"]  # property path -> kind
    changed: tuple[str, ...]  # top-level properties
    replaces: tuple[str, ...]
    delete_first: bool


def difference(resource: Resource, old: Properties, new: Properties) -> Difference:
    """Compare the recorded outputs `old` with the inputs `new`.

    A replacement that keeps its physical name deletes first, because AWS would refuse a second object of that name.
    """
    detail: dict[str, proto.PropertyDiff.Kind.ValueType] = {}
    changed: list[str] = []
    replaces: list[str] = []
    comparable = dict(resource.inputs) | ({"tagsAll": Input()} if "tags" in resource.inputs else {})
    for key, item in comparable.items():
        before, after = old.get(key, item.default), new.get(key, item.default)
        if _same(item, before, after):
            continue
        changed.append(key)
        if item.replaces or resource.update is None:
            replaces.append(key)
        for path, one, other in _paths(key, before, after):
            name = "DELETE" if other is None else "ADD" if one is None else "UPDATE"
            detail[path] = proto.PropertyDiff.Kind.Value(f"{name}_REPLACE" if key in replaces else name)
    named = [key for key, item in resource.inputs.items() if item.auto_name and key not in new.get(DEFAULTS, ())]
    delete_first = bool(replaces) and any(old.get(key) == new.get(key) for key in named)
    return Difference(detail, tuple(changed), tuple(replaces), delete_first)


def _same(item: Input, before: Any, after: Any) -> bool:  # noqa: ANN401 - any property's values
    if before == after or (not before and not after):
        return True
    if after is None and item.computed:
        return True
    return item.document and isinstance(before, str) and isinstance(after, str) and same_document(before, after)


def _paths(key: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - as above
    """Yield path, old and new value of each changed part: of a map its items, of anything else the whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        one, other = Properties(before), Properties(after)  # pyright: ignore[reportUnknownArgumentType]
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                path = f"{key}.{name}" if name.isidentifier() else f'{key}["{name}"]'
                yield path, one.get(name), other.get(name)
    else:
        yield key, before, after
