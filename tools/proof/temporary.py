"""Temporary users, roles and buckets, always cleaned up."""

import json
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.iam.permissions import surely_allowed
from tools.aws.callers import text_of
from tools.aws.errors import NO_SUCH_ENTITY, REFUSED, error_code
from tools.proof.case import Case, refused
from tools.proof.report import Row, Verdict, disproven, not_checked, proven

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

NAME_BYTES = 6  # of randomness
BUCKET_ACTIONS = ("s3:CreateBucket", "s3:DeleteBucket")
OBJECT_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
OBJECT = "proof"
# The one region that S3 does not take as a location:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
WITHOUT_LOCATION = "us-east-1"
GONE = frozenset({NO_SUCH_ENTITY, "NoSuchBucket", "NoSuchKey", "404"})


class LeftBehindError(Exception):
    """Something temporary could not be removed; the message names it."""


def temporary_name(prefix: str) -> str:
    """Return a name that nobody uses."""
    return f"{prefix}-{secrets.token_hex(NAME_BYTES)}"


def _remove(what: str, call: Callable[[], object]) -> None:
    """Remove something temporary, with a second attempt, or say that it is left."""
    for is_last in (False, True):
        try:
            call()
        except Exception as error:
            if isinstance(error, ClientError) and error_code(error) in GONE:
                return
            if is_last:
                raise LeftBehindError(f"Remove {what} by hand: {text_of(error)}.") from error
        else:
            return


@contextmanager
def temporary_user(iam: "IAMClient") -> Generator[tuple[str, str]]:
    """Create a user without any policy, and give the id and the secret of its key."""
    name = temporary_name("verify")
    with ExitStack() as removal:
        removal.callback(_remove, f"user {name}", partial(_delete_user, iam, name))
        _create(removal, partial(iam.create_user, UserName=name))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        yield key["AccessKeyId"], key["SecretAccessKey"]


def _create(removal: ExitStack, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - botocore's own
    """Create something; where AWS refuses, nothing has to be removed."""
    try:
        return call()
    except ClientError as error:
        if error_code(error) in REFUSED:
            removal.pop_all()
        raise


def _delete_user(iam: "IAMClient", name: str) -> None:
    """Delete a user with its keys, also those whose id a lost answer held."""
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        if "AccessKeyId" in key:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


@contextmanager
def temporary_role(iam: "IAMClient", trust_policy: Mapping[str, Any]) -> Generator[str]:
    """Create a role with a trust policy and no permissions, and give its ARN."""
    name = temporary_name("verify")
    with ExitStack() as removal:
        removal.callback(_remove, f"role {name}", partial(iam.delete_role, RoleName=name))
        create = partial(iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(trust_policy))
        yield _create(removal, create)["Role"]["Arn"]


def write_to_s3(case: Case) -> Row:
    """Create, write, read and remove a bucket as the role, and try to read it as the key alone."""
    bucket = temporary_name("assume-role-verify")
    if lacking := _not_surely_allowed(case, bucket):
        return not_checked(f"the policy does not surely allow {', '.join(lacking)}", "So there is nothing to write.")
    s3, content, retry = case.role().client("s3"), secrets.token_bytes(16), case.delay.retry
    region = case.outputs.terms.trusting_region
    place = {} if region == WITHOUT_LOCATION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with ExitStack() as removal:
        removal.callback(_remove, f"bucket {bucket}", partial(s3.delete_bucket, Bucket=bucket))
        retry("making a bucket", partial(s3.create_bucket, Bucket=bucket, **place))
        removal.callback(_remove, f"object {OBJECT} of {bucket}", partial(s3.delete_object, Bucket=bucket, Key=OBJECT))
        retry("writing", partial(s3.put_object, Bucket=bucket, Key=OBJECT, Body=content))
        if retry("reading", partial(s3.get_object, Bucket=bucket, Key=OBJECT))["Body"].read() != content:
            return disproven("what was read is not what was written", "S3 answered with other content. Try again.")
        alone = refused(
            case,
            partial(case.current_holder().client("s3").get_object, Bucket=bucket, Key=OBJECT),
            advice="The user may read the trusting account's buckets without the role: see the user's policies.",
        )
    if alone.verdict is not Verdict.PROVEN:
        return replace(alone, observed=f"the key alone: {alone.observed}")
    return proven(f"{bucket} made, written, read and removed; the key alone {alone.observed}")


def _not_surely_allowed(case: Case, bucket: str) -> list[str]:
    policy, arn = case.outputs.terms.permission_policy, f"arn:{case.outputs.terms.partition}:s3:::{bucket}"
    needed = [(action, arn) for action in BUCKET_ACTIONS] + [(action, f"{arn}/{OBJECT}") for action in OBJECT_ACTIONS]
    return [action for action, resource in needed if not surely_allowed(policy, action, resource)]
