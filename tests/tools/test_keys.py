"""A user's access keys: what the stack knows and what the account says, as one list."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from tests.tools.slow_aws import fails
from tools.aws.keys import AccessKey, read_keys

BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
USE = datetime(2026, 2, 2, tzinfo=UTC)


class Iam:
    """The trusted account, with a list of keys in two pages."""

    def __init__(self, **statuses: str) -> None:
        self.keys = [{"AccessKeyId": key, "Status": status, "CreateDate": BIRTH} for key, status in statuses.items()]
        self.asked = []

    def get_paginator(self, _operation):
        return self

    def paginate(self, **_):
        return [{"AccessKeyMetadata": self.keys[:1]}, {"AccessKeyMetadata": self.keys[1:]}]

    def get_access_key_last_used(self, *, AccessKeyId):  # noqa: N803 - AWS's own name
        self.asked.append(AccessKeyId)
        used = {"LastUsedDate": USE} if AccessKeyId == "AKIANEW" else {}
        return {"AccessKeyLastUsed": {"ServiceName": "N/A", **used}}


KNOWN = [AccessKey(label="2", id="AKIANEW", deployed="Active"), AccessKey(label="1", id="AKIAGONE", deployed="Active")]


def test_the_stacks_keys_come_first_in_their_order_then_unmanaged_keys():
    keys = read_keys(Iam(AKIAZ="Active", AKIAA="Inactive", AKIANEW="Inactive"), "user-1", KNOWN, with_use=False)
    assert [(key.label, key.id, key.deployed, key.actual, key.created) for key in keys] == [
        ("2", "AKIANEW", "Active", "Inactive", BIRTH),
        ("1", "AKIAGONE", "Active", None, None),
        (None, "AKIAA", None, "Inactive", BIRTH),
        (None, "AKIAZ", None, "Active", BIRTH),
    ]


def test_their_last_use_is_asked_for_only_where_it_is_wanted():
    iam = Iam(AKIANEW="Active", AKIAZ="Active")
    assert {key.last_used for key in read_keys(iam, "user-1", KNOWN, with_use=False)} == {None}
    assert iam.asked == []
    used = {key.id: key.last_used for key in read_keys(iam, "user-1", KNOWN, with_use=True)}
    assert used == {"AKIANEW": USE, "AKIAGONE": None, "AKIAZ": None}
    assert sorted(iam.asked) == ["AKIANEW", "AKIAZ"]


@pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
def test_a_key_that_the_next_server_does_not_know_was_not_used_as_far_as_is_known(code):
    def fail(**_):
        raise fails(code)

    iam = Iam(AKIANEW="Active")
    iam.get_access_key_last_used = fail
    with nullcontext() if code == "NoSuchEntity" else pytest.raises(ClientError, match=code):
        keys = read_keys(iam, "user-1", KNOWN, with_use=True)
        assert (keys[0].id, keys[0].actual, keys[0].last_used) == ("AKIANEW", "Active", None)
