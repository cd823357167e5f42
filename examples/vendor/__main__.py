"""The vendor's half: a user with a key, for a role that the customer makes in its own account."""

import pulumi
from assume_role import AccountArgs, Relationship, RelationshipArgs, RoleArgs, TrustArgs

config = pulumi.Config()
acme = Relationship(
    "acme",
    RelationshipArgs(
        name="acme",
        trusting=AccountArgs(account_id=config.require("customer"), manage=False),
        trusted=AccountArgs(account_id=config.require("vendor"), profile="own"),
        role=RoleArgs(),  # the customer decides what it may do
        trust=TrustArgs(external_id="relationship-7"),
    ),
)
pulumi.export("roleArn", acme.role_arn)  # known before the customer makes it
pulumi.export("awsConfig", acme.aws_config)
