"""The half in the trusting account: steps 1 to 4."""

import json

import pulumi
import pulumi_aws as aws

from .models import TrustingRoleArgs
from .providers import known, require_provider


class TrustingRole(pulumi.ComponentResource):
    """A role that another account may assume, and the policy that says what it may do.

    Give it the provider of the trusting account: ``opts=pulumi.ResourceOptions(provider=...)``. The resources have the
    default tags of that provider, and no owner tag unless it is one of them (see ``iam.owner``).

    Creates, under its own name: ``-role`` (``aws.iam.Role``); for a policy of its own ``-role-policy``
    (``aws.iam.Policy``) and ``-role-policy-attachment`` (``aws.iam.RolePolicyAttachment``); and for each policy that
    exists already a ``-role-managed-policy-<label>`` (``aws.iam.RolePolicyAttachment``). A new name of the role or of
    its policy replaces it; a new trust or permission policy changes it in place.

    Raises:
        pydantic.ValidationError: the arguments are wrong.
        pulumi.RunError: it was given no provider.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN; known in a preview."""
    role_name: pulumi.Output[str]
    """The role's name."""

    def __init__(self, name: str, args: TrustingRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("assume-role:index:TrustingRole", name, None, opts)
        args = TrustingRoleArgs.of(args)
        child = require_provider(self)
        role = aws.iam.Role(
            f"{name}-role",
            name=args.role.name,
            path=args.role.path,
            description=args.role.description,
            assume_role_policy=json.dumps(args.trust_policy),
            max_session_duration=args.role.max_session_duration,
            permissions_boundary=args.role.permissions_boundary,
            # A policy attached by hand would otherwise hold up `pulumi destroy` for two minutes, then
            # fail it with DeleteConflict.
            force_detach_policies=True,
            opts=child,
        )
        if own := args.role.policy:
            document = pulumi.Output.json_dumps(args.permission_policy)
            policy = aws.iam.Policy(f"{name}-role-policy", name=own.name, policy=document, opts=child)
            # RolePolicyAttachment and not PolicyAttachment: that one detaches the policy from all other roles.
            aws.iam.RolePolicyAttachment(
                f"{name}-role-policy-attachment",
                role=role.name,
                policy_arn=known(args.account.arn("policy", own.name), policy),
                opts=child,
            )
        for label, arn in args.role.managed_policies.items():
            aws.iam.RolePolicyAttachment(
                f"{name}-role-managed-policy-{label}", role=role.name, policy_arn=arn, opts=child
            )
        self.role_arn = known(args.account.arn("role", args.role.name, args.role.path), role)
        self.role_name = role.name
        self.register_outputs({"roleArn": self.role_arn, "roleName": self.role_name})
