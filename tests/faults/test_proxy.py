"""The proxy does what the matrix says of it: whether AWS did the call, and what the caller sees."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tests.proxy import Fault

DONE = {
    Fault.ERROR: (False, "ServiceFailure"),
    Fault.ERROR_AFTER: (True, "ServiceFailure"),
    Fault.THROTTLE: (False, "Throttling"),
    Fault.DENY: (False, "AccessDenied"),
    Fault.WEB_PAGE: (False, "Unable to parse response"),
    Fault.DROP: (False, "Connection was closed"),
    Fault.LOSE: (True, "Connection was closed"),
    Fault.TRUNCATE: (True, "Connection was closed"),
    Fault.CUT_SHORT: (True, "Unable to parse response"),
    Fault.DELAY: (True, "Read timeout"),
}


@pytest.fixture
def iam(proxy, accounts):
    keys = {"aws_access_key_id": accounts.trusted, "aws_secret_access_key": "any", "region_name": "us-east-1"}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=5)
    return boto3.client("iam", endpoint_url=proxy.url, config=config, **keys)


@pytest.mark.parametrize("fault", DONE)
def test_a_fault(proxy, iam, accounts, fault):
    done, message = DONE[fault]
    proxy.plan("CreateUser", Fault.NONE, fault, key_id=accounts.trusted)
    iam.create_user(UserName="first")
    with pytest.raises((ClientError, BotoCoreError, ResponseParserError), match=message):
        iam.create_user(UserName="second")
    proxy.release()
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["first", "second"][: 1 + done]


def test_a_plan_for_another_account(proxy, iam, accounts):
    proxy.plan("CreateUser", Fault.DENY, key_id=accounts.trusting)
    iam.create_user(UserName="first")
    assert proxy.is_due


def test_a_third_key_is_refused(iam):
    iam.create_user(UserName="user-1")
    for _ in range(2):
        iam.create_access_key(UserName="user-1")
    with pytest.raises(iam.exceptions.LimitExceededException, match="AccessKeysPerUser: 2"):
        iam.create_access_key(UserName="user-1")
    assert len(iam.list_access_keys(UserName="user-1")["AccessKeyMetadata"]) == 2
