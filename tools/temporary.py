"""What a check makes for a moment, and removes whatever happens."""

import json
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.answers import NO_SUCH_ENTITY, error_code, error_text

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

NAME_BYTES = 6  # of randomness
GONE = frozenset({NO_SUCH_ENTITY, "NoSuchBucket", "NoSuchKey", "404"})


class LeftBehindError(Exception):
    """Something that a check made for a moment could not be removed; the message names it."""


def temporary_name(prefix: str) -> str:
    """Return a name that nobody uses."""
    return f"{prefix}-{secrets.token_hex(NAME_BYTES)}"


def remove(what: str, call: Callable[[], object]) -> None:
    """Remove what a check has made, or say what is left.

    Raises:
        LeftBehindError: it is still there, or may be.
    """
    try:
        call()
    except ClientError as error:
        if error_code(error) not in GONE:
            raise LeftBehindError(f"Remove {what} by hand: {error_text(error)}.") from error


@contextmanager
def temporary_user(iam: "IAMClient") -> Generator[tuple[str, str]]:
    """Make a user without any policy, and give the id and the secret of its key."""
    name = temporary_name("verify")
    with ExitStack() as removal:
        removal.callback(remove, f"user {name}", partial(iam.delete_user, UserName=name))
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        delete = partial(iam.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
        removal.callback(remove, f"the key of user {name}", delete)
        yield key["AccessKeyId"], key["SecretAccessKey"]


@contextmanager
def temporary_role(iam: "IAMClient", trust_policy: Mapping[str, Any]) -> Generator[str]:
    """Make a role with a trust policy and no permissions, and give its ARN."""
    name = temporary_name("verify")
    with ExitStack() as removal:
        removal.callback(remove, f"role {name}", partial(iam.delete_role, RoleName=name))
        yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust_policy))["Role"]["Arn"]
