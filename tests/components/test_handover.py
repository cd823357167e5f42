"""The AWS config text and the console link that are handed over, read as AWS's own tools read them."""

from urllib.parse import parse_qs, urlsplit

import botocore.configloader
import botocore.session
import pytest

from components.configuration import parse_settings
from components.handover import aws_config, stack_readme, switch_role_url
from components.models import AccountArgs
from tests.components.conftest import TRUSTED, TRUSTING

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalr/UtnFEMI+K7MDENG=bPxRfiCYEXAMPLEKEY"
USER = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region": "us-east-1"}
ROLE = {
    "role_arn": f"arn:aws:iam::{TRUSTING}:role/Assume-Role-1",
    "source_profile": "assume-role-dev-user",
    "role_session_name": "user-1-1",
    "duration_seconds": "3600",
    "region": "eu-west-1",
}
ENDPOINT = "http://127.0.0.1:4599"
# Every character that an external id may have.
CONDITIONS = {"trust": {"externalId": "Az09_+=,.@:/-x", "requireMfa": True}, "endpoint": ENDPOINT}


def text(label="1", key_id=KEY_ID, region="eu-west-1", **settings):
    sides = {"trusting": {"accountId": TRUSTING, "region": region}, "trusted": {"accountId": TRUSTED}}
    return aws_config(parse_settings({**sides, **settings}), "assume-role-dev", label, key_id, SECRET)


@pytest.fixture
def profiles(tmp_path):
    """Return a function that reads a text as AWS's tools read their config file, appended to what is there."""

    def read(*args, **settings):
        file = tmp_path / "config"
        file.write_text("[default]\nregion = us-west-2\n" + text(*args, **settings))
        return botocore.configloader.load_config(str(file))["profiles"]

    return read


def test_profiles(profiles):
    default = {"default": {"region": "us-west-2"}}
    assert profiles() == {**default, "assume-role-dev-user": USER, "assume-role-dev": ROLE}
    asked = {"external_id": "Az09_+=,.@:/-x", "mfa_serial": f"arn:aws:iam::{TRUSTED}:mfa/user-1"}
    assert profiles(**CONDITIONS) == {
        **default,
        "assume-role-dev-user": {**USER, "endpoint_url": ENDPOINT},
        "assume-role-dev": {**ROLE, **asked, "endpoint_url": ENDPOINT},
    }


def test_another_key_is_another_session_to_aws_tools(profiles):
    """They keep sessions by what the role's profile says, and not by the key: an old key's must not be found."""
    assert profiles("1", "AKIA1")["assume-role-dev"] != profiles("2", "AKIA2")["assume-role-dev"]


def test_a_session_name_is_no_longer_than_aws_takes(profiles):
    found = profiles("autumn", user={"name": "u" * 64})
    assert found["assume-role-dev"]["role_session_name"] == "u" * 57 + "-autumn"


def test_a_role_used_in_an_opt_in_region_signs_in_elsewhere(profiles):
    assert profiles(region="me-south-1")["assume-role-dev"]["region"] == "us-east-1"
    assert "# To work in me-south-1: --region me-south-1\n" in text(region="me-south-1")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "signin.aws.amazon.com"),
        ("cn-north-1", "signin.amazonaws.cn"),
        ("us-gov-west-1", "signin.amazonaws-us-gov.com"),
        ("us-iso-east-1", None),
    ],
)
def test_switch_role_link(region, host):
    sides = {
        side: {"accountId": account, "region": region}
        for side, account in zip(("trusting", "trusted"), (TRUSTING, TRUSTED), strict=True)
    }
    role = parse_settings({**sides, "role": {"path": "/a/b/", "name": "R+1=a"}}).role
    url = switch_role_url(AccountArgs(account_id=TRUSTING, region=region), role)
    if host is None:
        assert url is None
    else:
        link = urlsplit(url)
        assert (link.scheme, link.netloc, link.path) == ("https", host, "/switchrole")
        assert parse_qs(link.query) == {"account": [TRUSTING], "roleName": ["a/b/R+1=a"]}


VALUES = {
    "userName": "user-1",
    "roleName": "Assume-Role-1",
    "userArn": "arn:aws:iam::444455556666:user/user-1",
    "roleArn": "arn:aws:iam::111122223333:role/Assume-Role-1",
}


def test_the_page_of_a_stack_has_real_values():
    text = stack_readme("prod", VALUES | {"accessKeyId": "AKIA1", "switchRoleUrl": "https://x"}, emulated=False)
    assert text.startswith("# user-1 may assume Assume-Role-1\n")
    assert "`AKIA1`" in text
    assert "In the console: https://x" in text
    assert "--profile assume-role-prod" in text
    assert text.count("make ") == text.count("STACK=prod") == 4
    assert "${" not in text


def test_the_page_of_a_stack_says_only_what_there_is():
    text = stack_readme("prod", VALUES, emulated=False)
    assert "make profile" not in text
    assert "emulated" not in text
    assert "no AWS account is touched" in stack_readme("dev", VALUES, emulated=True)
