"""The same seven resources, as one would write them first: what `make bench` compares with."""

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
endpoint = config.require("endpoint")
TRUSTING, TRUSTED = (config.require_object(side)["accountId"] for side in ("trusting", "trusted"))


def in_account(account: str) -> pulumi.ResourceOptions:
    """Return the options of a resource in an account of the emulator, which takes an id for the key of its root."""
    keys = {"access_key": account, "secret_key": "any", "allowed_account_ids": [account], "region": "us-east-1"}
    skipped = dict.fromkeys(("skip_credentials_validation", "skip_metadata_api_check", "skip_region_validation"), True)
    urls = [aws.ProviderEndpointArgs(iam=endpoint, sts=endpoint)]
    return pulumi.ResourceOptions(provider=aws.Provider(f"in-{account}", endpoints=urls, **keys, **skipped))


def document(**statement: object) -> pulumi.Output[str]:
    """Return a policy document of one statement."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


trusting, trusted = in_account(TRUSTING), in_account(TRUSTED)
trust = document(Action="sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{TRUSTED}:root"})
description = config.get_object("role", {}).get("description")  # the change that is timed
role = aws.iam.Role("role", name="Assume-Role-1", description=description, assume_role_policy=trust, opts=trusting)
allowed = document(Action="s3:*", Resource="*")
role_policy = aws.iam.Policy("role", name="Custom-Policy-For-Role-1", policy=allowed, opts=trusting)
aws.iam.RolePolicyAttachment("role", role=role.name, policy_arn=role_policy.arn, opts=trusting)

user = aws.iam.User("user", name="user-1", opts=trusted)
assume = document(Action="sts:AssumeRole", Resource=role.arn)
user_policy = aws.iam.Policy("user", name="Custom-Assume-Role-Policy", policy=assume, opts=trusted)
aws.iam.UserPolicyAttachment("user", user=user.name, policy_arn=user_policy.arn, opts=trusted)
key = aws.iam.AccessKey("user", user=user.name, opts=trusted)

pulumi.export("roleArn", role.arn)
pulumi.export("accessKeyId", key.id)
pulumi.export("secretAccessKey", key.secret)
