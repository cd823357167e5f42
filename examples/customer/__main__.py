"""The customer's half: a role that the vendor's account may assume, and AWS's policy for auditors."""

import pulumi
from assume_role import AccountArgs, Relationship, RelationshipArgs, RoleArgs, TrustArgs

config = pulumi.Config()
acme = Relationship(
    "acme",
    RelationshipArgs(
        name="acme",
        trusting=AccountArgs(account_id=config.require("customer"), profile="own"),
        trusted=AccountArgs(account_id=config.require("vendor"), manage=False),
        role=RoleArgs(managed_policies={"audit": "arn:aws:iam::aws:policy/SecurityAudit"}),
        trust=TrustArgs(external_id="relationship-7"),  # the vendor names it
    ),
)
pulumi.export("roleArn", acme.role_arn)
