"""boto3 sessions for the tools: as the holder of a key, or as the administrator of one of the two accounts."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from pydantic import SecretStr

from tools.stack import StackError

DEFAULT_REGION = "us-east-1"  # the program's own default
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
SESSION_NAME = "assume-role-tools"  # what CloudTrail shows for calls through assumeRoleArn


def client_config(*, attempts: int = 3, endpoint: str | None = None) -> Config:
    """Return bounded time-outs and retries, for ``Session.client(..., config=...)``.

    Args:
        attempts: how often a call is tried in all; 1 shows every single fault.
        endpoint: the stack's emulator, if it has one; its buckets are paths, not host names.
    """
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path" if endpoint else "auto"},
        proxies={} if endpoint else None,  # a proxy for the internet must not be asked for this machine
    )


def key_session(
    access_key_id: str, secret_access_key: str, *, region: str, session_token: str | None = None
) -> boto3.Session:
    """Return a session that acts with exactly this key, whatever ``AWS_PROFILE`` says."""
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    core.register_component("data_loader", _descriptions())
    return boto3.Session(
        botocore_session=core,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token,
        region_name=region,
    )


@cache
def _descriptions() -> Loader:
    """Return one reader of the AWS services' descriptions for all sessions: reading them is most of what one costs."""
    return create_loader()


def administrator_session(side: Literal["trusting", "trusted"], config: Mapping[str, Any]) -> boto3.Session:
    """Return a session with which the stack's owner administers one of the accounts, as the program itself would.

    Args:
        side: which of the two accounts.
        config: the stack's configuration, as ``tools.stack.read_config`` returns it.

    Raises:
        StackError: there are no such credentials, or they belong to another account.
    """
    account: Mapping[str, Any] = config.get(side) or {}
    account_id, region = str(account.get("accountId")), str(account.get("region") or DEFAULT_REGION)
    endpoint: str | None = config.get("endpoint") or None
    try:
        if endpoint:
            # An emulator takes a 12-digit access key id, with any secret, for the root of that account.
            session = key_session(account_id, "embedded", region=region)
        else:
            session = boto3.Session(profile_name=account.get("profile"), region_name=region)
        sts = session.client("sts", endpoint_url=endpoint, config=client_config(endpoint=endpoint))
        if role_arn := account.get("assumeRoleArn"):
            granted = sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)["Credentials"]
            session = key_session(
                granted["AccessKeyId"],
                granted["SecretAccessKey"],
                session_token=granted["SessionToken"],
                region=region,
            )
            sts = session.client("sts", endpoint_url=endpoint, config=client_config(endpoint=endpoint))
        actual = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"Cannot get into the {side} account {account_id}: {error}. Check {side}.profile and "
            f"{side}.assumeRoleArn of the stack's configuration, and that you are signed in."
        ) from None
    if actual != account_id:
        raise StackError(
            f"The credentials for the {side} account belong to {actual}, not to {account_id}. "
            f"Set the right profile: pulumi config set --path assume-role:{side}.profile NAME"
        )
    return session


def stored_key(location: str, session: boto3.Session, endpoint: str | None) -> tuple[str, SecretStr]:
    """Return the access key that a stack has put into a store: its id and its secret.

    Args:
        location: the stack's output ``secretLocation``, the ARN of a Secrets Manager secret or an SSM parameter.
        session: an administrator's of the trusted account.
        endpoint: the stack's emulator, if it has one.

    Raises:
        StackError: what is there is no key pair.
        ClientError: it is not there, or not to be read.
    """
    region, config = location.split(":")[3], client_config(endpoint=endpoint)
    if ":ssm:" in location:
        ssm = session.client("ssm", region_name=region, endpoint_url=endpoint, config=config)
        text = ssm.get_parameter(Name=location, WithDecryption=True)["Parameter"].get("Value", "")
    else:
        store = session.client("secretsmanager", region_name=region, endpoint_url=endpoint, config=config)
        text = store.get_secret_value(SecretId=location).get("SecretString", "")
    try:
        pair = json.loads(text)
        return str(pair["accessKeyId"]), SecretStr(pair["secretAccessKey"])
    except (ValueError, KeyError, TypeError):
        # Not the value itself: it may well be the secret.
        raise StackError(
            f"{location} does not hold JSON with accessKeyId and secretAccessKey any more. Deploy again."
        ) from None
