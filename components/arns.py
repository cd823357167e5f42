"""ARNs of IAM resources, known before AWS has made them: partition, account, path and name are all there is to one.

So every policy document is whole in the first preview, and both accounts can be built at the same time.
"""

from typing import Literal

import pulumi


def iam_arn(
    kind: Literal["role", "user", "policy", "mfa"], *, partition: str, account_id: str, path: str, name: str
) -> str:
    """Return the ARN of an IAM resource; ``path`` begins and ends with a slash.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    return f"arn:{partition}:iam::{account_id}:{kind}{path}{name}"


def known_arn(arn: str, resource: pulumi.CustomResource) -> pulumi.Output[str]:
    """Return ``arn`` as an output of ``resource``: known in a preview, yet whoever uses it waits for the resource."""
    return resource.urn.apply(lambda _: arn)
