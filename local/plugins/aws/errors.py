"""What a failed call to AWS tells the user: the official plugin's words, with what to do added."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import ClientError

from local.plugins.aws.resource import MissingError, Resource
from local.plugins.aws.session import CALL_ERRORS, UNKNOWN_CALL, ConfigurationError, told
from local.plugins.aws.wire import Properties

# How AWS says that an object does not exist.
ABSENT: Final = frozenset({"NoSuchEntity", "ResourceNotFoundException", "ParameterNotFound"})
# Inputs that let a delete also remove what others attached.
FORCES: Final = frozenset({"forceDestroy", "forceDetachPolicies"})
EXISTS: Final = frozenset({"EntityAlreadyExists", "ResourceExistsException", "ParameterAlreadyExists"})


class OperationError(Exception):
    """A call to AWS failed; the text names the resource and the call, and what to do where that is known."""


@contextmanager
def gone_is_fine() -> Generator[None]:
    """Let a call pass where AWS has no such thing: it was removed before, perhaps by a try whose answer was lost."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ABSENT:
            raise


@contextmanager
def explained(verb: str, token: str, resource: Resource, name: str, old: Properties | None = None) -> Generator[None]:
    """Turn a failure into an OperationError, in the official plugin's words with a hint added.

    Args:
        verb: what is being done, as "deleting".
        token: the resource type, as programs name it.
        resource: that type.
        name: of the object.
        old: its outputs, where it is being deleted.
    """
    subject = f"{verb} {resource.label} ({name})"
    try:
        yield
    except MissingError as error:
        raise OperationError(f"{subject}: not found") from error
    except ClientError as error:
        details = error.response.get("Error", {})
        code, text = details.get("Code", ""), details.get("Message", "").rstrip(".")
        retried = bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
        raise OperationError(
            f"{subject}: operation error {resource.service}: {error.operation_name}, {code}: {text}"
            + _hint(verb, code, token, resource, name=name, old=old or {}, retried=retried)
        ) from error
    except (*CALL_ERRORS, ConfigurationError, ValueError) as error:
        raise OperationError(f"{subject}: {told(error)}") from error


def _hint(verb: str, code: str, token: str, resource: Resource, *, name: str, old: Properties, retried: bool) -> str:
    """Return what to do about an error of AWS, as further sentences, or nothing."""
    if code in EXISTS:
        lost = " The call was repeated after a lost answer, so the first try may have created it." if retried else ""
        return (
            f".{lost} Choose another name, delete the one that exists, or adopt it by its {resource.id_form}: "
            f"`pulumi import {token} <resource's name> <{resource.id_form} of {name}>`"
        )
    if code in ABSENT and verb == "updating":
        return ". It was deleted outside Pulumi: `pulumi refresh` notes that, and `pulumi up` then creates it anew"
    if code in UNKNOWN_CALL:
        return ". This is a limit of the AWS emulator, not of AWS: on real AWS the call exists"
    if code == "DeleteConflict":
        force = FORCES & resource.inputs.keys()
        remedy = "".join(f", or set {key} first" for key in force if not old.get(key))
        return f". Something outside this stack uses it: remove that{remedy}"
    return ""
