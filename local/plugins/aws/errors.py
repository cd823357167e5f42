"""The messages of failed calls to AWS, in the official plugin's words."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import ClientError

from local.plugins.aws.resource import MissingError, Resource
from local.plugins.aws.session import CALL_ERRORS, UNKNOWN_CALL, PluginError, reason

# How AWS says that an object does not exist.
ABSENT: Final = frozenset({"NoSuchEntity", "ResourceNotFoundException", "ParameterNotFound"})


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
    """Turn a failure into a PluginError, whose text names the resource, the call and AWS's reason.

    Args:
        verb: what is being done, as "deleting".
        resource: the type of the object.
        name: of the object.
    """
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
