"""Resource types, and how their inputs are checked, planned and compared with the recorded outputs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.plugins.aws.session import Account, uncovered
from local.plugins.aws.shapes import plain, policy_text, same_document, tag_list, tag_outputs
from local.plugins.aws.wire import UNKNOWN, Properties
from local.plugins.protocol import provider_pb2 as proto

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
    """An input property of a resource type. Its values are checked by the program beforehand, and by AWS."""

    aws: str = ""  # its name in AWS's calls and answers; empty: AWS does not get it
    required: bool = False
    default: object = None
    replaces: bool = False  # a change needs a new object
    computed: bool = False  # AWS chooses a value where none is given
    document: bool = False  # a JSON policy document, compared by meaning


@dataclass(frozen=True, kw_only=True)
class Resource(ABC):
    """One resource type: its properties, and the AWS calls that create, read, change and delete an object."""

    service: str = "IAM"  # as AWS's SDKs name it in errors
    label: str
    id_form: str  # what its id is, as messages name it
    inputs: dict[str, Input]
    # Known only after creation, with their names in AWS's answers; empty where only the creation returns it.
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    secrets: frozenset[str] = frozenset()

    @abstractmethod
    def create(self, account: Account, inputs: Properties, /) -> tuple[str, Properties]:
        """Create an object; return its id and the outputs that only its creation returns."""

    @abstractmethod
    def read(self, account: Account, identifier: str, known: Properties, /) -> Properties:
        """Return all outputs; `known` is empty on import. MissingError: there is no such object."""

    @abstractmethod
    def update(self, account: Account, identifier: str, old: Properties, new: Properties, /) -> None:
        """Make the calls for what changed between old outputs and new inputs, and no others."""

    @abstractmethod
    def delete(self, account: Account, identifier: str, old: Properties, /) -> None:
        """Delete the object whose outputs were `old`; MissingError, or AWS's own error: it does not exist."""

    def sent(self, inputs: Properties) -> Properties:
        """Return the inputs as AWS's calls name them, tags included."""
        named = {item.aws: inputs.get(key) for key, item in self.inputs.items() if item.aws}
        if "tags" in self.inputs:
            named["Tags"] = tag_list(inputs.get("tagsAll", {}))
        return {name: value for name, value in named.items() if value not in (None, "")}

    def outputs_from(self, answer: Mapping[str, Any], account: Account, known: Properties) -> Properties:
        """Return all outputs, from AWS's answer or, where that lacks one, from what is known."""
        outputs: Properties = {}
        for key, item in (self.inputs | {key: Input(name) for key, name in self.outputs.items()}).items():
            value = plain(answer.get(item.aws)) if item.aws else known.get(key)
            if item.document:
                value = policy_text(value, known.get(key))
            outputs[key] = item.default if value is None else value
        if "tags" in self.inputs:
            outputs |= tag_outputs(answer.get("Tags", []), account, known)
        return {key: value for key, value in outputs.items() if value not in (None, "")}

    def changed(self, old: Properties, new: Properties) -> dict[str, tuple[Any, Any]]:
        """Return the values before and after of each input that differs between old outputs and new inputs."""
        changes: dict[str, tuple[Any, Any]] = {}
        for key, item in (self.inputs | ({"tagsAll": Input()} if "tags" in self.inputs else {})).items():
            before, after = old.get(key, item.default), new.get(key, item.default)
            kept = (not before and not after) or (after is None and item.computed)
            if not kept and not (same_document(before, after) if item.document else before == after):
                changes[key] = (before, after)
        return changes

    def name_of(self, values: Properties) -> str:
        """Return what messages call an object with these properties."""
        names = (values.get(key) for key in ("name", "user", "role", "secretId"))
        return next((str(name) for name in names if name), "")


def filled_in(resource: Resource, given: Properties, default_tags: Mapping[str, str]) -> Properties:
    """Return the inputs with AWS's defaults and all tags."""
    inputs = {key: value for key, value in given.items() if key != DEFAULTS}
    defaults = {
        key: item.default for key, item in resource.inputs.items() if item.default is not None and key not in inputs
    }
    inputs |= defaults
    if defaults:
        inputs[DEFAULTS] = sorted(defaults)
    if "tags" in resource.inputs:
        own = inputs.get("tags", {})
        merged = UNKNOWN if own == UNKNOWN else dict(default_tags) | own
        if merged:
            inputs["tagsAll"] = merged
    return inputs


def input_errors(token: str, resource: Resource, inputs: Properties) -> Iterator[tuple[str, str]]:
    """Yield name and error of each input that this plugin does not cover, and of each that is missing."""
    for key in sorted(inputs.keys() - resource.inputs.keys() - {DEFAULTS, "tagsAll"}):
        yield key, uncovered(f"{key} of {token}")
    for key, item in resource.inputs.items():
        if item.required and key not in inputs:
            yield key, f"{key} is required"


def planned(resource: Resource, inputs: Properties, old: Properties) -> Properties:
    """Return the outputs that a preview shows: the inputs, and computed values from the old outputs or unknown."""
    computed = [*resource.outputs, *(key for key, item in resource.inputs.items() if item.computed)]
    return {key: old.get(key, UNKNOWN) for key in computed if not old or key in old} | without_marks(inputs)


def without_marks(inputs: Properties) -> Properties:
    """Return the inputs without the plugin's own mark on them."""
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


def difference(resource: Resource, old: Properties, new: Properties) -> proto.DiffResponse:
    """Compare the recorded outputs `old` with the inputs `new`.

    A replacement that keeps its physical name deletes first, because AWS would refuse a second object of that name.
    """
    changes = resource.changed(old, new)
    replaces = [key for key in changes if key in resource.inputs and resource.inputs[key].replaces]
    detail: dict[str, proto.PropertyDiff] = {}
    for key, (before, after) in changes.items():
        for path, one, other in _paths(key, before, after):
            name = "DELETE" if other is None else "ADD" if one is None else "UPDATE"
            kind = proto.PropertyDiff.Kind.Value(f"{name}_REPLACE" if key in replaces else name)
            detail[path] = proto.PropertyDiff(kind=kind)
    return proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME if changes else proto.DiffResponse.DIFF_NONE,
        diffs=changes,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and "name" in resource.inputs and old.get("name") == new.get("name"),
        detailedDiff=detail,
        hasDetailedDiff=True,
    )


def _paths(key: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any property's values
    """Yield path, old and new value of each changed part: of a map its items, of anything else the whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        one, other = Properties(before), Properties(after)  # pyright: ignore[reportUnknownArgumentType]
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                path = f"{key}.{name}" if name.isidentifier() else f'{key}["{name}"]'
                yield path, one.get(name), other.get(name)
    else:
        yield key, before, after
