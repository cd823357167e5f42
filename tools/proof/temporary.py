"""What a check makes for a moment, and removes whatever happens: a user, a role, a bucket."""

import json
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.iam.permissions import surely_allowed
from tools.error_codes import NO_SUCH_ENTITY, error_code, error_text
from tools.proof.case import Case, Finding, Verdict, disproven, not_checked, proven, refused

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
    """Something that a check made for a moment could not be removed; the message names it."""


def temporary_name(prefix: str) -> str:
    """Return a name that nobody uses."""
    return f"{prefix}-{secrets.token_hex(NAME_BYTES)}"


def _remove(what: str, call: Callable[[], object]) -> None:
    """Remove what a check has made, or say what is left."""
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
        removal.callback(_remove, f"user {name}", partial(iam.delete_user, UserName=name))
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        delete = partial(iam.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
        removal.callback(_remove, f"the key of user {name}", delete)
        yield key["AccessKeyId"], key["SecretAccessKey"]


@contextmanager
def temporary_role(iam: "IAMClient", trust_policy: Mapping[str, Any]) -> Generator[str]:
    """Make a role with a trust policy and no permissions, and give its ARN."""
    name = temporary_name("verify")
    with ExitStack() as removal:
        removal.callback(_remove, f"role {name}", partial(iam.delete_role, RoleName=name))
        yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust_policy))["Role"]["Arn"]


def write_to_s3(case: Case) -> Finding:
    """Make, write, read and remove a bucket as the role, and try to read it as the key alone."""
    bucket = temporary_name("assume-role-verify")
    if lacking := _not_surely_allowed(case, bucket):
        return not_checked(f"the policy does not surely allow {', '.join(lacking)}", "So there is nothing to write.")
    s3, content, insist = case.role().client("s3"), secrets.token_bytes(16), case.patience.insist
    with ExitStack() as removal:
        removal.callback(_remove, f"bucket {bucket}", partial(s3.delete_bucket, Bucket=bucket))
        insist("making a bucket", partial(s3.create_bucket, Bucket=bucket, **_place(case)))
        removal.callback(_remove, f"object {OBJECT} of {bucket}", partial(s3.delete_object, Bucket=bucket, Key=OBJECT))
        insist("writing", partial(s3.put_object, Bucket=bucket, Key=OBJECT, Body=content))
        if insist("reading", partial(s3.get_object, Bucket=bucket, Key=OBJECT))["Body"].read() != content:
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


def _place(case: Case) -> dict[str, Any]:
    """Return where to make the bucket, as ``create_bucket`` takes it."""
    region = case.outputs.terms.trusting_region
    return {} if region == WITHOUT_LOCATION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
