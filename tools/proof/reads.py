"""Harmless reads that need no resource: they show what a caller may do."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.aws.callers import Caller


@dataclass(frozen=True, kw_only=True)
class Read:
    """A read-only call."""

    action: str  # as policies name it
    client: str
    operation: str

    def of(self, caller: Caller) -> Callable[[], object]:
        """Return the call for a caller."""
        return getattr(caller.client(self.client), self.operation)


# One per service, each on all resources or none: https://docs.aws.amazon.com/service-authorization/latest/reference/
READS = (
    Read(action="s3:ListAllMyBuckets", client="s3", operation="list_buckets"),
    Read(action="iam:ListUsers", client="iam", operation="list_users"),
    Read(action="sqs:ListQueues", client="sqs", operation="list_queues"),
    Read(action="sns:ListTopics", client="sns", operation="list_topics"),
    Read(action="dynamodb:ListTables", client="dynamodb", operation="list_tables"),
    Read(action="lambda:ListFunctions", client="lambda", operation="list_functions"),
    Read(action="logs:DescribeLogGroups", client="logs", operation="describe_log_groups"),
    Read(action="ssm:DescribeParameters", client="ssm", operation="describe_parameters"),
    Read(action="secretsmanager:ListSecrets", client="secretsmanager", operation="list_secrets"),
    Read(action="kms:ListAliases", client="kms", operation="list_aliases"),
    Read(action="cloudwatch:ListMetrics", client="cloudwatch", operation="list_metrics"),
    Read(action="ec2:DescribeRegions", client="ec2", operation="describe_regions"),
)
USERS_FIRST = tuple(sorted(READS, key=lambda read: read.client != "iam"))  # listing users is what policies seldom allow
