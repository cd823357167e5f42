"""The half of the relationship that lives in the trusting account: steps 1 to 4."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.arns import iam_arn, known_arn
from components.policies import PolicyDocument, trust_policy
from components.settings import RoleSettings, TrustSettings


@dataclass(frozen=True, kw_only=True)
class TrustingRoleArgs:
    """What a ``TrustingRole`` is made from."""

    provider: aws.Provider  # of the trusting account; two providers cannot travel in ResourceOptions.providers
    partition: str  # of both accounts, as "aws"
    account_id: str  # the trusting account, which hosts the role
    trusted_account_id: str  # the account whose principals may assume it
    role: RoleSettings
    trust: TrustSettings


class TrustingRole(pulumi.ComponentResource):
    """A role that another account may assume, and the policy that says what it may do.

    Creates, under its own name: ``-role`` (``aws.iam.Role``), ``-role-policy`` (``aws.iam.Policy``) and
    ``-role-policy-attachment`` (``aws.iam.RolePolicyAttachment``), and for each further policy that exists already a
    ``-role-managed-policy-<label>`` (``aws.iam.RolePolicyAttachment``). A new name of the role or of its policy
    replaces it; a new trust or permission policy changes it in place.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN, for whatever needs the role to exist; known in a preview."""
    arn: str
    """The same ARN as a plain text, for documents that need not wait for the role."""
    role_name: pulumi.Output[str]
    trust_policy: PolicyDocument
    permission_policy: dict[str, object]

    def __init__(self, name: str, args: TrustingRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:TrustingRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        self.trust_policy = trust_policy(
            partition=args.partition,
            trusted_account_id=args.trusted_account_id,
            **args.trust.model_dump(),
        )
        self.permission_policy = args.role.policy.document
        self.arn = iam_arn(
            "role",
            partition=args.partition,
            account_id=args.account_id,
            path=args.role.path,
            name=args.role.name,
        )

        self.role = aws.iam.Role(
            f"{name}-role",
            name=args.role.name,
            path=args.role.path,
            description=args.role.description,
            assume_role_policy=json.dumps(self.trust_policy),
            max_session_duration=args.role.max_session_duration,
            permissions_boundary=args.role.permissions_boundary,
            # A policy that somebody attached by hand would otherwise hold up `pulumi destroy` for two minutes, then
            # fail it with DeleteConflict.
            force_detach_policies=True,
            opts=child,
        )
        self.policy = aws.iam.Policy(
            f"{name}-role-policy",
            name=args.role.policy.name,
            policy=json.dumps(self.permission_policy),
            opts=child,
        )
        policy_arn = iam_arn(
            "policy",
            partition=args.partition,
            account_id=args.account_id,
            path="/",
            name=args.role.policy.name,
        )
        # RolePolicyAttachment and not PolicyAttachment: that one detaches the policy from everybody else.
        self.attachment = aws.iam.RolePolicyAttachment(
            f"{name}-role-policy-attachment",
            role=self.role.name,
            policy_arn=known_arn(policy_arn, self.policy),
            opts=child,
        )
        for label, arn in args.role.managed_policies.items():
            aws.iam.RolePolicyAttachment(
                f"{name}-role-managed-policy-{label}", role=self.role.name, policy_arn=arn, opts=child
            )

        self.role_name = self.role.name
        self.role_arn = known_arn(self.arn, self.role)
        self.register_outputs({"roleArn": self.role_arn, "roleName": self.role_name})
