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
# No region is added: AWS makes each new one opt-in. The other partitions have none of those.
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
ENABLED_BY_DEFAULT = frozenset(
    {"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"}
    | {"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"}
    | {"us-east-1", "us-east-2", "us-west-1", "us-west-2"}
)


def partition(region: str) -> str:
    """Return the partition that a region belongs to, as ``aws`` or ``aws-cn``."""
    return next((name for prefix, name in PARTITIONS.items() if region.startswith(prefix)), "aws")


def sts_region(region: str) -> str:
    """Return the region whose STS to call for work in a region: one that every account has enabled.

    AWS refuses a call in an opt-in region to callers whose own account has not enabled that region. The credentials
    that STS returns work in all regions.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
    """
    return DEFAULT_REGION if partition(region) == "aws" and region not in ENABLED_BY_DEFAULT else region


def iam_arn(
    kind: Literal["role", "user", "policy", "mfa"], *, partition: str, account_id: str, name: str, path: str = "/"
) -> str:
    """Return the ARN of an IAM resource; ``path`` begins and ends with a slash."""
    return f"arn:{partition}:iam::{account_id}:{kind}{path}{name}"


def account_root(*, partition: str, account_id: str) -> str:
    """Return the ARN that stands for every principal of an account in a trust policy."""
    return f"arn:{partition}:iam::{account_id}:root"
