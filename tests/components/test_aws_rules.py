"""The rules that no single message shows: partitions of regions."""

import botocore.session
import pytest

from components.aws_rules import region
from components.iam.arns import partition

SESSION = botocore.session.get_session()


@pytest.mark.parametrize("name", SESSION.get_available_partitions())
def test_every_region_that_aws_lists_is_in_its_partition(name):
    regions = SESSION.get_available_regions("ec2", partition_name=name)
    assert [region(each) for each in regions] == regions
    assert {partition(each) for each in regions} <= {name}
