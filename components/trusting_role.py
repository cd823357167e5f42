"""The half in the trusting account: steps 1 to 4."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Self

import pulumi
import pulumi_aws as aws
from pydantic import Field, model_validator

from . import aws_rules
from .identity_policy import identity_policy
from .models import AccountArgs, RoleArgs, TrustArgs
from .providers import known, require_provider
from .validation import Model, outputs_in, refuse


class TrustingRoleArgs(Model):
    """What a ``TrustingRole`` is made from."""

    account: AccountArgs
    """The account that hosts the role, and that the provider works in."""
    trusted_account_id: Annotated[str, aws_rules.account_id]
    """The account whose principals may assume the role, 12 digits."""
    role: RoleArgs
    """The role."""
    trust: TrustArgs = Field(default={}, validate_default=True)
    """Who may assume it, beyond being in the trusted account."""

    @model_validator(mode="after")
    def _policies_that_fit(self) -> Self:
        refusals = self.account.of_another_partition(self.role.document)
        refuse(each._replace(place=("role", *each.place)) for each in refusals)
        self.trust.policy(self.account.partition, self.trusted_account_id)
        return self

    @cached_property
    def permission_policy(self) -> Mapping[str, Any] | pulumi.Output[Mapping[str, Any]]:
        """The document of the role's own policy, empty without one; where other resources make a part, an output."""
        document = self.role.policy.document if self.role.policy else {}
        return pulumi.Output.from_input(document).apply(self._known) if list(outputs_in(document)) else document

    def _known(self, document: object) -> Mapping[str, Any]:
        try:
            policy = identity_policy(document)
        except ValueError as error:
            raise pulumi.RunError(f"role.policy of {self.role.name}: {error}.") from None
        for _, arn, problem in self.account.of_another_partition(policy):
            raise pulumi.RunError(f"role.policy of {self.role.name} = {arn}: {problem}.")
        return policy

    @property
    def trust_policy(self) -> dict[str, Any]:
        """The document that says who may assume the role."""
        return self.trust.policy(self.account.partition, self.trusted_account_id)


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
