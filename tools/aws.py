"""The same as `callers`, as rotate, revoke, adopt and the diagram still call it."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from pydantic import SecretStr

from iam import Side
from tools import keys
from tools.callers import EMULATOR_WAITS, WAITS, Caller, administrator, key_caller


def client_config(*, endpoint: str | None = None) -> Config:
    """Return bounded time-outs and retries, for ``Session.client(..., config=...)``."""
    return EMULATOR_WAITS if endpoint else WAITS


def key_session(access_key_id: str, secret_access_key: str, *, region: str) -> boto3.Session:
    """Return a session that acts with exactly this key."""
    return key_caller(access_key_id, secret_access_key, region=region, endpoint=None).session


def administrator_session(side: Side, config: Mapping[str, Any]) -> boto3.Session:
    """Return a session of the administrator of one of the accounts."""
    return administrator(side, config).session


def stored_key(location: str, session: boto3.Session, endpoint: str | None) -> tuple[str, SecretStr]:
    """Return the access key that a stack has put into a store."""
    return keys.stored_key(location, Caller(session=session, endpoint=endpoint))
