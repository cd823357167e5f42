"""The AWS config text and the console link that are handed over, read as AWS's own tools read them."""

import configparser
from urllib.parse import parse_qs, urlsplit

import botocore.configloader
import botocore.session
import pytest

from components.handover import aws_config, switch_role_url

KEY = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalr/UtnFEMI+K7MDENG=bPxRfiCYEXAMPLEKEY"}
PLAIN = {
    "profile": "assume-role-dev",
    **KEY,
    "role_arn": "arn:aws:iam::111122223333:role/Assume-Role-1",
    "trusting_region": "eu-west-1",
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
        "external_id": "Az09_+=,.@:/-x",
        "mfa_serial": "arn:aws:iam::444455556666:mfa/user-1",
        "region": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:4599",
    }


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
