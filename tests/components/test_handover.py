"""The AWS config text and the console link that are handed over, read as AWS's own tools read them."""

import configparser
from urllib.parse import parse_qs, urlsplit

import botocore.configloader
import botocore.session
import pytest

from components.handover import aws_config, stack_readme, switch_role_url

KEY = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalr/UtnFEMI+K7MDENG=bPxRfiCYEXAMPLEKEY"}
PLAIN = {
    "profile": "assume-role-dev",
    **KEY,
    "role_arn": "arn:aws:iam::111122223333:role/Assume-Role-1",
    "session_name": "user-1-1",
    "session_seconds": 3600,
    "trusting_region": "eu-west-1",
    "sts_region": "eu-west-1",
    "trusted_region": "us-east-1",
}
EVERYTHING = {
    **PLAIN,
    "external_id": "Az09_+=,.@:/-x",  # every character that an external id may have
    "mfa_serial": "arn:aws:iam::444455556666:mfa/user-1",
    "endpoint": "http://127.0.0.1:4599",
}


@pytest.fixture
def profiles(tmp_path):
    """Return a function that reads a text as AWS's tools read their config file, appended to what is there."""

    def read(text):
        file = tmp_path / "config"
        file.write_text("[default]\nregion = us-west-2\n" + text)
        return botocore.configloader.load_config(str(file))["profiles"]

    return read


def test_profiles_of_a_plain_relationship(profiles):
    assert profiles(aws_config(**PLAIN)) == {
        "default": {"region": "us-west-2"},
        "assume-role-dev-user": {
            "aws_access_key_id": KEY["access_key_id"],
            "aws_secret_access_key": KEY["secret_access_key"],
            "region": "us-east-1",
        },
        "assume-role-dev": {
            "role_arn": "arn:aws:iam::111122223333:role/Assume-Role-1",
            "source_profile": "assume-role-dev-user",
            "role_session_name": "user-1-1",
            "duration_seconds": "3600",
            "region": "eu-west-1",
        },
    }


def test_profiles_with_every_condition(profiles):
    found = profiles(aws_config(**EVERYTHING))
    assert found["assume-role-dev-user"] == {
        "aws_access_key_id": KEY["access_key_id"],
        "aws_secret_access_key": KEY["secret_access_key"],
        "region": "us-east-1",
        "endpoint_url": "http://127.0.0.1:4599",
    }
    assert found["assume-role-dev"] == {
        "role_arn": "arn:aws:iam::111122223333:role/Assume-Role-1",
        "source_profile": "assume-role-dev-user",
        "role_session_name": "user-1-1",
        "duration_seconds": "3600",
        "external_id": "Az09_+=,.@:/-x",
        "mfa_serial": "arn:aws:iam::444455556666:mfa/user-1",
        "region": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:4599",
    }


def test_another_key_is_another_session_to_aws_tools(profiles):
    """They keep sessions by what the role's profile says, and not by the key: an old key's must not be found."""

    def kept_as(name, key_id):
        text = aws_config(**PLAIN | {"session_name": name, "access_key_id": key_id})
        return profiles(text)["assume-role-dev"]

    assert kept_as("user-1-1", "AKIA1") != kept_as("user-1-2", "AKIA2")


def test_a_session_name_is_no_longer_than_aws_takes(profiles):
    text = aws_config(**PLAIN | {"session_name": "u" * 64 + "-autumn"})
    assert profiles(text)["assume-role-dev"]["role_session_name"] == "u" * 57 + "-autumn"


def test_a_role_used_in_an_opt_in_region_signs_in_elsewhere(profiles):
    text = aws_config(**PLAIN | {"trusting_region": "me-south-1", "sts_region": "us-east-1"})
    assert profiles(text)["assume-role-dev"]["region"] == "us-east-1"
    assert "# To work in me-south-1: --region me-south-1\n" in text


def test_text_is_plain_ini():
    parser = configparser.ConfigParser()
    parser.read_string(aws_config(**EVERYTHING))
    assert parser.sections() == ["profile assume-role-dev-user", "profile assume-role-dev"]
    assert parser["profile assume-role-dev-user"]["aws_secret_access_key"] == KEY["secret_access_key"]


def test_only_one_profile_holds_the_key():
    text = aws_config(**EVERYTHING)
    assert text.count(KEY["secret_access_key"]) == 1
    assert text.index(KEY["secret_access_key"]) < text.index("[profile assume-role-dev]")


def test_boto_takes_the_key_and_the_role_from_the_profiles(tmp_path, monkeypatch):
    file = tmp_path / "config"
    file.write_text(aws_config(**PLAIN))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    session = botocore.session.Session(profile="assume-role-dev-user")
    credentials = session.get_credentials()
    assert (credentials.access_key, credentials.secret_key) == tuple(KEY.values())
    assert session.get_config_variable("region") == "us-east-1"
    role = botocore.session.Session(profile="assume-role-dev")
    assert role.get_credentials().method == "assume-role"  # it is fetched on first use, so nothing was called
    assert role.get_config_variable("region") == "eu-west-1"


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws", "signin.aws.amazon.com"),
        ("aws-cn", "signin.amazonaws.cn"),
        ("aws-us-gov", "signin.amazonaws-us-gov.com"),
    ],
)
def test_switch_role_link(partition, host):
    link = urlsplit(switch_role_url(partition=partition, account_id="111122223333", role_path="/", role_name="R+1=a"))
    assert (link.scheme, link.netloc, link.path) == ("https", host, "/switchrole")
    assert parse_qs(link.query) == {"account": ["111122223333"], "roleName": ["R+1=a"]}


def test_switch_role_link_names_the_path():
    link = urlsplit(switch_role_url(partition="aws", account_id="111122223333", role_path="/a/b/", role_name="R"))
    assert parse_qs(link.query)["roleName"] == ["a/b/R"]


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
