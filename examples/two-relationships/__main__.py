"""Two relationships between the same two accounts: each has names, a policy and an external id of its own."""

import pulumi
from assume_role import AccountArgs, Relationship, RelationshipArgs, RoleArgs, TrustArgs

config = pulumi.Config()
RECORDS = "arn:aws:s3:::records/*"
for name, action in {"audit": "s3:GetObject", "backup": "s3:PutObject"}.items():
    statement = {"Effect": "Allow", "Action": action, "Resource": RECORDS}
    relationship = Relationship(
        name,
        RelationshipArgs(
            name=name,
            trusting=AccountArgs(account_id=config.require("trusting"), profile="customer"),
            trusted=AccountArgs(account_id=config.require("trusted"), profile="own"),
            role=RoleArgs(policy={"Version": "2012-10-17", "Statement": [statement]}),
            trust=TrustArgs(external_id=f"for-{name}"),
            endpoint=config.get("endpoint") or None,
        ),
    )
    pulumi.export(f"{name}Role", relationship.role_arn)
    pulumi.export(f"{name}Config", relationship.aws_config)
