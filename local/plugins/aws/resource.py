"""Resource types: how their inputs are checked, planned and compared with the recorded outputs, and their failures."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from local.plugins.aws.session import CALL_ERRORS, UNKNOWN_CALL, Account, PluginError, reason
from local.plugins.aws.shapes import plain, policy_text, same_document, tag_list, tag_outputs
from local.plugins.aws.wire import UNKNOWN, Properties
from local.plugins.protocol import provider_pb2 as proto

# How AWS says that an object does not exist.
ABSENT: Final = frozenset({"NoSuchEntity", "ResourceNotFoundException", "ParameterNotFound"})


class MissingError(Exception):
    """The object does not exist in AWS."""


@dataclass(frozen=True)
class Input:
    """An input property of a resource type. Its values are checked by the program beforehand, and by AWS."""

    aws: str = ""  # its name in AWS's calls and answers; empty: AWS does not get it
    default: object = None
    replaces: bool = False  # a change needs a new object
    document: bool = False  # a JSON policy document, compared by meaning


@dataclass(frozen=True, kw_only=True)
class Resource(ABC):
    """One resource type: its properties, and the AWS calls that create, read, change and delete an object."""

    service: str = "IAM"  # as AWS's SDKs name it in errors
    label: str
    id_form: str  # what its id is, as messages name it
    inputs: dict[str, Input]  # the first names an object
    # Known only after creation, with their names in AWS's answers; empty where only the creation returns it.
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    secrets: frozenset[str] = frozenset()

    @abstractmethod
    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Create an object; return its id and the outputs that only its creation returns."""

    @abstractmethod
    def read(self, account: Account, identifier: str, known: Properties) -> Properties:
        """Return all outputs; `known` is empty on import. MissingError: there is no such object."""

    @abstractmethod
    def delete(self, account: Account, identifier: str, old: Properties) -> None:
        """Delete the object whose outputs were `old`; MissingError, or AWS's own error: it does not exist."""

    def finish(self, account: Account, identifier: str, known: Properties) -> None:  # noqa: B027 - most need none
        """Make the further calls that a new object needs. `known` has its inputs and outputs, and is changed."""

    def update(self, account: Account, identifier: str, old: Properties, new: Properties) -> None:  # noqa: B027
        """Make the calls for what changed between old outputs and new inputs. Without any, every change replaces."""

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
            if (before or after) and not (same_document(before, after) if item.document else before == after):
                changes[key] = (before, after)
        return changes


def filled_in(resource: Resource, given: Properties, default_tags: Mapping[str, str]) -> Properties:
    """Return the inputs with AWS's defaults and all tags."""
    defaults = {key: item.default for key, item in resource.inputs.items() if item.default is not None}
    own = given.get("tags", {})
    every = UNKNOWN if own == UNKNOWN else {**default_tags, **own}
    return defaults | given | ({"tagsAll": every} if every and "tags" in resource.inputs else {})


def planned(resource: Resource, inputs: Properties, old: Properties) -> Properties:
    """Return the outputs that a preview shows: the inputs, and computed values from the old outputs or unknown."""
    return {key: old.get(key, UNKNOWN) for key in resource.outputs if not old or key in old} | inputs


def difference(resource: Resource, old: Properties, new: Properties) -> proto.DiffResponse:
    """Compare the recorded outputs `old` with the inputs `new`.

    A replacement that keeps its physical name deletes first, because AWS would refuse a second object of that name.
    """
    changes = resource.changed(old, new)
    replaces = [key for key in changes if key in resource.inputs and resource.inputs[key].replaces]
    detail: dict[str, proto.PropertyDiff] = {}
    for key, (before, after) in changes.items():
        name = "DELETE" if after is None else "ADD" if before is None else "UPDATE"
        kind = proto.PropertyDiff.Kind.Value(f"{name}_REPLACE" if key in replaces else name)
        detail[key] = proto.PropertyDiff(kind=kind)
    return proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME if changes else proto.DiffResponse.DIFF_NONE,
        diffs=changes,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and "name" in resource.inputs and old.get("name") == new.get("name"),
        detailedDiff=detail,
        hasDetailedDiff=True,
    )


@contextmanager
def gone_is_fine() -> Generator[None]:
    """Ignore that an object does not exist: an earlier try, whose answer was lost, may have removed it."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ABSENT:
            raise


@contextmanager
def explained(verb: str, resource: Resource, name: str) -> Generator[None]:
    """Turn a failure into a PluginError, whose text names the resource, the call and AWS's reason."""
    subject = f"{verb} {resource.label} ({name})"
    try:
        yield
    except MissingError as error:
        raise PluginError(f"{subject}: not found") from error
    except ClientError as error:
        details = error.response.get("Error", {})
        code, text = details.get("Code", ""), details.get("Message", "")
        limit = " (a limit of the AWS emulator: on real AWS this call exists)" if code in UNKNOWN_CALL else ""
        raise PluginError(
            f"{subject}: operation error {resource.service}: {error.operation_name}, {code}: {text}{limit}"
        ) from error
    except (*CALL_ERRORS, PluginError, ValueError) as error:
        raise PluginError(f"{subject}: {reason(error)}") from error
