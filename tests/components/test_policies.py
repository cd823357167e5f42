"""The policy documents, without Pulumi."""

import pytest

from components.policies import assume_policy, trust_policy

ACCOUNT = "444455556666"
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
