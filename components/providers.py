"""The two AWS providers: one per account, each able to work in exactly that account and no other."""

import json
from collections.abc import Mapping
from functools import partial

import pulumi
import pulumi_aws as aws

from .iam.endpoints import EMULATOR_SECRET
from .models import AccountArgs

SESSION_NAME = "pulumi-assume-role"  # what CloudTrail shows for a deployment through assumeRoleArn
EMULATED_SERVICES = ("iam", "sts", "secretsmanager", "ssm")


def account_provider(
    name: str,
    account: AccountArgs,
    *,
    tags: Mapping[str, str],
    endpoint: str | None,
    opts: pulumi.ResourceOptions | None = None,
) -> aws.Provider:
    """Return the provider of one account.

    It refuses to work with credentials of any other account, which AWS itself would not notice. Against real AWS it
    holds a profile and a role, never a key: a provider's inputs are stored in the stack's state. On an emulator it
    signs with the account id as access key id, which is how the emulator knows whose root is calling.
    """
    assume_roles: list[aws.ProviderAssumeRoleArgs] | None = None
    if account.assume_role_arn:
        assume_roles = [aws.ProviderAssumeRoleArgs(role_arn=account.assume_role_arn, session_name=SESSION_NAME)]
    provider = partial(
        aws.Provider,
        name,
        allowed_account_ids=[account.account_id],
        assume_roles=assume_roles,
        region=account.region,
        sts_region=None if endpoint or account.sts_region == account.region else account.sts_region,
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags),
        opts=opts,
    )
    if endpoint is None:
        return provider(profile=account.profile)
    return provider(
        access_key=account.account_id,
        secret_key=EMULATOR_SECRET,
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(EMULATED_SERVICES, endpoint))],
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
    )


def known(value: str, resource: pulumi.CustomResource) -> pulumi.Output[str]:
    """Return a value as an output of a resource: known in a preview, yet its users wait for the resource."""
    return resource.urn.apply(lambda _: value)


def require_provider(component: pulumi.ComponentResource) -> pulumi.ResourceOptions:
    """Return the options of a component's children: they work in the account of the provider that it was given.

    Raises:
        pulumi.RunError: it was given none. Its resources would land in whatever account the shell is signed in to.
    """
    provider = component.get_provider("aws:iam/role:Role")
    if provider is None:
        raise pulumi.RunError(
            f"{component.pulumi_resource_name} needs the AWS provider of its account. Give it one: "
            "opts=pulumi.ResourceOptions(provider=aws.Provider(..., allowed_account_ids=[ACCOUNT]))"
        )
    hooks = pulumi.ResourceHookBinding(before_update=[refuse_unfinished_update])
    return pulumi.ResourceOptions(parent=component, provider=provider, hooks=hooks)


def refuse_unfinished_update(args: pulumi.ResourceHookArgs) -> None:
    """Stop an update that would succeed without a call to AWS, since the last one failed.

    The AWS provider answers a failed update with the new values as its state. The next update finds no difference and
    reports success, and AWS keeps the old thing: a trust policy without its external id, or an active key.
    https://github.com/pulumi/pulumi/issues/21458

    Raises:
        pulumi.RunError: the state already has a new value, so only a failed update can have written it.
    """
    old, new, state = args.old_inputs or {}, args.new_inputs or {}, args.old_outputs or {}
    changed = [key for key in {*old, *new} if old.get(key) != new.get(key) and not key.startswith("__")]
    written = [key for key in changed if _meaning(state.get(key)) == _meaning(new.get(key))]
    # A property that the program sets for the first time, to the value that AWS has anyway, was never updated.
    if written and (written == changed or any(key in old for key in written)):
        raise pulumi.RunError(
            f"the last update of {args.name} failed. Pulumi's state has its new {', '.join(sorted(written))}, and AWS "
            "may have the old. Read what AWS has, then update it: pulumi up --refresh"
        )


def _meaning(value: object) -> object:
    """Return a value without the spelling of JSON: the provider has documents in its own."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
