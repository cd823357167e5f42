"""What is true of policy documents; the case files are to be read by anyone."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.iam.documents import (
    assume_policy,
    deny_older_sessions,
    listed,
    matches,
    same_document,
    size,
    source_addresses,
    trust_policy,
)

ACCOUNT = "444455556666"
MANY_STARS = "a*" * 30


def cases(name):
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", cases("same_document"), ids=lambda case: case["case"])
def test_documents_are_compared_by_what_they_mean(case):
    assert same_document(case["one"], case["other"]) is case["same"]
    assert same_document(case["other"], case["one"]) is case["same"]


@pytest.mark.parametrize("case", cases("matches"), ids=lambda case: f"{case['pattern']} {case['text']}")
def test_wildcards(case):
    assert matches(case["pattern"], case["text"]) is case["fits"]


def test_many_wildcards_cost_no_more_than_a_few():
    """Trying each star with each length would take longer than any test may."""
    assert not matches(f"{MANY_STARS}c", "a" * 2000)


@pytest.mark.parametrize(("value", "items"), [(None, []), ("a", ["a"]), (["a", "b"], ["a", "b"]), ([], [])])
def test_one_text_or_a_list_of_texts(value, items):
    assert listed(value) == items


def test_white_space_has_no_size_and_a_character_outside_ascii_has_six():
    assert size({"a": " b  c "}) == len('{"a":"bc"}')
    assert size({"a": "é"}) == len('{"a":"\\u00e9"}')


def test_older_sessions_are_denied_everything_up_to_a_second():
    (statement,) = deny_older_sessions(datetime(2026, 11, 24, 17, 3, 25, tzinfo=UTC))["Statement"]
    assert statement == {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T17:03:25Z"}},
    }


CONDITIONS = [
    ({"external_id": "x-1"}, {"StringEquals": {"sts:ExternalId": "x-1"}}),
    ({"organization_id": "o-a1b2c3d4e5"}, {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    ({"require_mfa": True}, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    ({"mfa_max_age": 900}, {"NumericLessThanEquals": {"aws:MultiFactorAuthAge": "900"}}),
    (
        {"principal_arns": ("arn:aws:iam::444455556666:user/a", "arn:aws:iam::444455556666:role/b*")},
        {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::444455556666:user/a", "arn:aws:iam::444455556666:role/b*"]}},
    ),
    ({"source_ips": ("203.0.113.0/24",)}, {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}),
]


def test_trust_without_conditions_is_the_accounts_root():
    assert trust_policy(partition="aws", trusted_account_id=ACCOUNT) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "sts:AssumeRole"}
        ],
    }


def test_trust_in_another_partition():
    (statement,) = trust_policy(partition="aws-cn", trusted_account_id=ACCOUNT)["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws-cn:iam::444455556666:root"}


@pytest.mark.parametrize(("arguments", "condition"), CONDITIONS, ids=[next(iter(each)) for each, _ in CONDITIONS])
def test_each_condition_alone(arguments, condition):
    (statement,) = trust_policy(partition="aws", trusted_account_id=ACCOUNT, **arguments)["Statement"]
    assert statement["Condition"] == condition
    assert statement["Principal"] == {"AWS": "arn:aws:iam::444455556666:root"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")


def test_all_conditions_must_hold_together():
    arguments = {name: value for each, _ in CONDITIONS for name, value in each.items()}
    expected = {}
    for _, condition in CONDITIONS:
        for operator, keys in condition.items():
            expected[operator] = {**expected.get(operator, {}), **keys}
    document = trust_policy(partition="aws", trusted_account_id=ACCOUNT, **arguments)
    assert len(document["Statement"]) == 1  # a second one would be another way in
    assert document["Statement"][0]["Condition"] == expected
    assert len(expected["StringEquals"]) == 2


def test_the_user_may_assume_one_role_and_nothing_else():
    arn = "arn:aws:iam::111122223333:role/Assume-Role-1"
    assert assume_policy(arn) == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}],
    }


def test_session_tags_are_allowed_beside_and_open_no_other_way_in():
    user = assume_policy("arn:aws:iam::111122223333:role/Assume-Role-1", session_tags=True)
    assert user["Statement"][0]["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    arguments = {name: value for each, _ in CONDITIONS for name, value in each.items()}
    plain = trust_policy(partition="aws", trusted_account_id=ACCOUNT, **arguments)["Statement"]
    statements = trust_policy(partition="aws", trusted_account_id=ACCOUNT, **arguments, session_tags=True)["Statement"]
    assert statements[:1] == plain
    assert statements[1] == {"Effect": "Allow", "Principal": plain[0]["Principal"], "Action": "sts:TagSession"}


@pytest.mark.parametrize(
    ("addresses", "expected"), [(None, []), ("192.0.2.1/32", ["192.0.2.1/32"]), (["a", "b"], ["a", "b"])]
)
def test_the_addresses_that_a_trust_policy_asks_for(addresses, expected):
    condition = {} if addresses is None else {"Condition": {"IpAddress": {"aws:SourceIp": addresses}}}
    assert source_addresses({"Statement": {"Effect": "Allow", **condition}}) == expected
