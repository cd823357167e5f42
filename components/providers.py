"""The two AWS providers: one per account, each able to work in exactly that account and no other."""

from collections.abc import Mapping
from functools import partial

import pulumi
import pulumi_aws as aws

from .models import AccountArgs

SESSION_NAME = "pulumi-assume-role"  # what CloudTrail shows for a deployment through assumeRoleArn
EMULATED_SERVICES = ("iam", "sts", "s3", "secretsmanager", "ssm")


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

    Args:
        name: the provider's name in Pulumi's state.
        account: that account.
        tags: the tags of every resource that takes tags.
        endpoint: the emulator that stands in for AWS, if one does.
        opts: the provider's resource options.
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
        secret_key="embedded",  # noqa: S106 - an emulator takes any
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(EMULATED_SERVICES, endpoint))],
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
        s3_use_path_style=True,
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
    return pulumi.ResourceOptions(parent=component, provider=provider)
