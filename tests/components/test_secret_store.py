"""The settings of the store, and what protects the stack itself."""

import os

import pytest

from components.configuration import SettingsError, parse_settings
from components.stack_encryption import passphrase_error

ACCOUNTS = {"trusting": {"accountId": "111122223333"}, "trusted": {"accountId": "444455556666"}}
SALTED = "encryptionsalt: v1:abc\nconfig: {}\n"


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ({"kind": "vault", "name": "x"}, "secretStore.kind = \"vault\": this must be 'secretsmanager' or 'ssm'"),
        ({"kind": "ssm"}, "secretStore.name: this is required"),
        *(
            (
                {"kind": "ssm", "name": name},
                "a parameter name has at most 900 letters, digits and _.-, at most 15 levels",
            )
            for name in ("a/b", "/" + "a/" * 16, "/a" * 16, "/aws/x", "SSMx", "a" * 901, "")
        ),
        *(
            ({"kind": "secretsmanager", "name": name}, "a secret's name has 1 to 512 letters, digits and /_+=.@- only")
            for name in ("a b", "a" * 513, "")
        ),
        ({"kind": "ssm", "name": "/x", "kmsKeyId": "my key"}, 'secretStore.kmsKeyId = "my key": this is not a KMS key'),
        ({"kind": "ssm", "name": "/x", "kmsKey": "a"}, "there is no such setting. Did you mean kmsKeyId?"),
        ("ssm", "this must be an object with the keys kind, name, kmsKeyId"),
    ],
)
def test_a_store_that_will_not_do(store, problem):
    with pytest.raises(SettingsError) as refusal:
        parse_settings(ACCOUNTS | {"secretStore": store})

    assert problem in str(refusal.value)


@pytest.mark.parametrize("place", ["aws:kms:eu-west-1", "aws-us-gov:kms:us-gov-west-1"])
def test_a_kms_key_of_another_region_is_refused(place):
    key = f"arn:{place}:444455556666:alias/mine"
    with pytest.raises(SettingsError, match=r"secretStore.kmsKeyId = .*and trusted.region is us-east-1"):
        parse_settings(ACCOUNTS | {"secretStore": {"kind": "ssm", "name": "/x", "kmsKeyId": key}})


@pytest.mark.parametrize(
    "key",
    [
        "alias/mine",
        "12345678-1234-1234-1234-123456789012",
        "arn:aws:kms:us-east-1:444455556666:key/12345678-1234-1234-1234-123456789012",
        "arn:aws:kms:us-east-1:444455556666:alias/mine",
        "mrk-1234567890abcdef1234567890abcdef",
    ],
)
def test_every_form_of_a_kms_key(key):
    store = {"kind": "secretsmanager", "name": "assume-role/user-1", "kmsKeyId": key}

    assert parse_settings(ACCOUNTS | {"secretStore": store}).secret_store.kms_key_id == key


@pytest.mark.parametrize("name", ["my-secret", "key-abc123"])
def test_a_secret_may_end_as_aws_advises_against(name):
    store = {"kind": "secretsmanager", "name": name}

    assert parse_settings(ACCOUNTS | {"secretStore": store}).secret_store.name == name


def test_a_store_and_a_pgp_key_exclude_each_other():
    with pytest.raises(SettingsError, match=r"with pgpKeyFile no stack ever has\. Remove one of the two\."):
        parse_settings(ACCOUNTS | {"secretStore": {"kind": "ssm", "name": "/x"}, "pgpKeyFile": "missing.asc"})


@pytest.mark.parametrize("passphrase", ["", " ", "passphrase", "Password", "pulumi"])
def test_a_passphrase_that_protects_nothing(passphrase):
    assert "PULUMI_CONFIG_PASSPHRASE" in passphrase_error(
        SALTED, {"PULUMI_CONFIG_PASSPHRASE": passphrase}, in_pulumi_cloud=False
    )


@pytest.mark.parametrize("stack_file", ["", "config: {}\n"])
def test_a_passphrase_that_protects_nothing_where_the_salt_is_in_another_file(stack_file):
    weak = {"PULUMI_CONFIG_PASSPHRASE": ""}
    assert "the empty passphrase" in passphrase_error(stack_file, weak, in_pulumi_cloud=False)
    assert passphrase_error(stack_file, weak, in_pulumi_cloud=True) is None


def test_a_passphrase_file_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    file = {"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "pipe")}
    assert passphrase_error(SALTED, file, in_pulumi_cloud=False) is None


@pytest.mark.parametrize(
    ("stack_file", "environment"),
    [
        (SALTED, {"PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple"}),
        (SALTED, {}),  # typed at the prompt
        ("secretsprovider: awskms://alias/mine\n", {"PULUMI_CONFIG_PASSPHRASE": ""}),
        ("config: {}\n", {}),
    ],
)
def test_what_is_not_a_weak_passphrase(stack_file, environment):
    assert passphrase_error(stack_file, environment, in_pulumi_cloud=False) is None
