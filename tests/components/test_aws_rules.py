"""The rules that no single message shows: partitions of regions, and patterns of ARNs."""

import botocore.session
import pytest

from components.aws_rules import arn_like, partition, region

SESSION = botocore.session.get_session()
USER = "arn:aws:iam::444455556666:user/people/alice"


@pytest.mark.parametrize("name", SESSION.get_available_partitions())
def test_every_region_that_aws_lists_is_in_its_partition(name):
    regions = SESSION.get_available_regions("ec2", partition_name=name)
    assert [region(each) for each in regions] == regions
    assert {partition(each) for each in regions} <= {name}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (USER, True),
        ("arn:aws:iam::444455556666:user/people/*", True),
        ("arn:aws:iam::444455556666:user/*", True),  # a wildcard takes slashes too
        ("arn:aws:iam::444455556666:user/people/al?ce", True),
        ("arn:aws:iam::444455556666:user/people/alice?", False),
        ("arn:aws:iam::444455556666:user/people/alic", False),
        ("arn:aws:iam::444455556666:user/people.alice", False),  # a dot is a dot
        ("arn:aws:iam::444455556666:user/People/Alice", False),
        ("arn:aws:iam::444455556666:role/*", False),
        ("*", True),
        ("", False),
        ("arn:*:user/*/al*e", True),
        ("arn:*:user/*/al*f", False),
        ("*?alice*", True),
        ("*alice?*", False),
        ("a*" * 200, False),  # a regular expression takes seconds for ten of them
    ],
)
def test_arn_like(pattern, matches):
    assert arn_like(USER, pattern) is matches
