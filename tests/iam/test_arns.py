"""ARNs, and what the standard-library package imports."""

import subprocess
import sys

import botocore.session
import pytest

from components.iam.arns import account_root, iam_arn, partition, sts_region
from components.models import AccountArgs
from tests.conftest import ROOT

SESSION = botocore.session.get_session()


@pytest.mark.parametrize("name", SESSION.get_available_partitions())
def test_every_region_that_aws_lists_is_in_its_partition(name):
    regions = SESSION.get_available_regions("ec2", partition_name=name)
    assert {partition(each) for each in regions} <= {name}
    assert all(AccountArgs(account_id="1" * 12, region=each).partition == name for each in regions)


def test_arns():
    assert iam_arn("role", partition="aws", account_id="1" * 12, name="r") == "arn:aws:iam::111111111111:role/r"
    user = iam_arn("user", partition="aws-cn", account_id="1" * 12, path="/a/", name="u")
    assert user == "arn:aws-cn:iam::111111111111:user/a/u"
    assert account_root(partition="aws", account_id="1" * 12) == "arn:aws:iam::111111111111:root"


def test_iam_needs_the_standard_library_alone():
    code = (
        "import sys, pkgutil, importlib\n"
        "before = set(sys.modules)\n"
        "import components.iam as iam\n"
        "for module in pkgutil.iter_modules(iam.__path__): importlib.import_module(f'components.iam.{module.name}')\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - {'components'} - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("us-east-1", "us-east-1"),
        ("eu-north-1", "eu-north-1"),
        ("me-south-1", "us-east-1"),
        ("ca-west-1", "us-east-1"),
        ("cn-northwest-1", "cn-northwest-1"),
        ("us-gov-west-1", "us-gov-west-1"),
        ("eusc-de-east-1", "eusc-de-east-1"),
    ],
)
def test_sts_is_called_where_every_account_may(region, expected):
    assert sts_region(region) == expected
