"""ARNs of IAM: partition, account, path and name are all there is to one, so each is known before AWS has made it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
"""

import re
from typing import Literal

DEFAULT_REGION = "us-east-1"
# Of IAM and STS. AWS's own managed policies have the account `aws`.
ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?P<service>iam|sts)::(?P<account>[0-9]{12}|aws):(?P<resource>.+)")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


def partition(region: str) -> str:
    """Return the partition that a region belongs to, as ``aws`` or ``aws-cn``."""
    return next((name for prefix, name in PARTITIONS.items() if region.startswith(prefix)), "aws")


def iam_arn(
    kind: Literal["role", "user", "policy", "mfa"], *, partition: str, account_id: str, name: str, path: str = "/"
) -> str:
    """Return the ARN of an IAM resource; ``path`` begins and ends with a slash."""
    return f"arn:{partition}:iam::{account_id}:{kind}{path}{name}"


def account_root(*, partition: str, account_id: str) -> str:
    """Return the ARN that stands for every principal of an account in a trust policy."""
    return f"arn:{partition}:iam::{account_id}:root"
