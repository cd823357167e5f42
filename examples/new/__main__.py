"""A role in one AWS account, and a user in another who may assume it."""

import pulumi
from assume_role import AccountArgs, Relationship, RelationshipArgs, RoleArgs

config = pulumi.Config()
READ = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
relationship = Relationship(
    "relationship",
    RelationshipArgs(
        name=pulumi.get_project(),
        trusting=AccountArgs(account_id=config.require("trustingAccountId"), profile=config.get("trustingProfile")),
        trusted=AccountArgs(account_id=config.require("trustedAccountId"), profile=config.get("trustedProfile")),
        role=RoleArgs(policy={"Version": "2012-10-17", "Statement": [READ]}),
    ),
)
pulumi.export("roleArn", relationship.role_arn)
pulumi.export("awsConfig", relationship.aws_config)
