"""The two AWS providers: one per account, each able to work in exactly that account and no other."""

import pulumi
import pulumi_aws as aws

from components.settings import AccountSettings, Settings

SESSION_NAME = "pulumi-assume-role"  # what CloudTrail shows for a deployment through assumeRoleArn
EMULATED_SERVICES = ("iam", "sts", "s3", "secretsmanager", "ssm")


def account_provider(
    name: str, account: AccountSettings, settings: Settings, opts: pulumi.ResourceOptions | None = None
) -> aws.Provider:
    """Return the provider of one account.

    It refuses to work with credentials of any other account, which AWS itself would not notice. Against real AWS it
    holds a profile and a role, never a key: a provider's inputs are stored in the stack's state. On an emulator it
    signs with the account id as access key id, which is how the emulator knows whose root is calling.

    Args:
        name: the provider's name in Pulumi's state.
        account: the settings of that account.
        settings: the stack's settings, for its tags and endpoint.
        opts: the provider's resource options.
    """
    assume_roles: list[aws.ProviderAssumeRoleArgs] | None = None
    if account.assume_role_arn:
        assume_roles = [aws.ProviderAssumeRoleArgs(role_arn=account.assume_role_arn, session_name=SESSION_NAME)]
    default_tags = aws.ProviderDefaultTagsArgs(tags=settings.tags) if settings.tags else None
    if settings.endpoint is None:
        return aws.Provider(
            name,
            allowed_account_ids=[account.account_id],
            profile=account.profile,
            assume_roles=assume_roles,
            region=account.region,
            default_tags=default_tags,
            opts=opts,
        )
    return aws.Provider(
        name,
        allowed_account_ids=[account.account_id],
        access_key=account.account_id,
        secret_key="embedded",  # noqa: S106 - an emulator takes any
        assume_roles=assume_roles,
        region=account.region,
        default_tags=default_tags,
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(EMULATED_SERVICES, settings.endpoint))],
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_region_validation=True,
        s3_use_path_style=True,
        opts=opts,
    )
