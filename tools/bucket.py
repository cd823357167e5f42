"""The one check that writes: the role's session makes, writes, reads and removes an S3 bucket."""

import secrets
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from iam.permissions import surely_allowed
from tools.proof import Case, Finding, Verdict, disproven, not_checked, proven, refused
from tools.temporary import remove, temporary_name

BUCKET_ACTIONS = ("s3:CreateBucket", "s3:DeleteBucket")
OBJECT_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
OBJECT = "proof"
# The one region that S3 does not take as a location:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
WITHOUT_LOCATION = "us-east-1"


def write_to_s3(case: Case) -> Finding:
    """Make, write, read and remove a bucket as the role, and try to read it as the key alone."""
    bucket = temporary_name("assume-role-verify")
    if lacking := _not_surely_allowed(case, bucket):
        return not_checked(f"the policy does not surely allow {', '.join(lacking)}", "So there is nothing to write.")
    s3, content, insist = case.role().client("s3"), secrets.token_bytes(16), case.patience.insist
    with ExitStack() as removal:
        removal.callback(remove, f"bucket {bucket}", partial(s3.delete_bucket, Bucket=bucket))
        insist("making a bucket", partial(s3.create_bucket, Bucket=bucket, **_place(case)))
        removal.callback(remove, f"object {OBJECT} of {bucket}", partial(s3.delete_object, Bucket=bucket, Key=OBJECT))
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
