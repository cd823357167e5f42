"""What a first `pulumi preview` shows, and what wrong settings or credentials come to. Nothing is created."""

import json

import pysequoia
import pytest

FIRST_PREVIEW_CREATES = 13  # the stack, three components, two providers, seven AWS resources


@pytest.fixture(autouse=True)
def _nothing_is_created(project, aws_client):
    yield
    for account_id in (project.accounts.trusting, project.accounts.trusted):
        iam = aws_client(account_id, "iam")
        assert iam.list_roles()["Roles"] == []
        assert iam.list_users()["Users"] == []
        assert iam.list_policies(Scope="Local")["Policies"] == []


def test_shows_all_documents_whole(project):
    trusting, trusted = project.accounts.trusting, project.accounts.trusted
    role_arn = f"arn:aws:iam::{trusting}:role/Assume-Role-1"

    preview = json.loads(project.preview("--json").stdout)

    inputs = {step["urn"].rpartition("::")[2]: step["newState"].get("inputs", {}) for step in preview["steps"]}
    assert len(inputs) == FIRST_PREVIEW_CREATES
    assert json.loads(inputs["assume-role-trusting-role"]["assumeRolePolicy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    assert json.loads(inputs["assume-role-trusting-role-policy"]["policy"])["Statement"] == [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    ]
    assert json.loads(inputs["assume-role-trusted-user-policy"]["policy"])["Statement"] == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn}
    ]


def test_shows_both_arns_with_the_digits_of_an_account_id_that_the_cli_has_set(project):
    project.configure({"trusted": None, "aws:region": "eu-west-1"})
    project.pulumi("config", "set", "--path", "assume-role:trusted.accountId", "011122223333")

    shown = project.preview().stdout

    assert f'"arn:aws:iam::{project.accounts.trusting}:role/Assume-Role-1"' in shown
    assert '"arn:aws:iam::011122223333:user/user-1"' in shown
    assert "aws:region in the stack's file is ignored" in shown


def test_all_errors_of_the_settings_at_once(project):
    """Among them an account id that YAML has changed: to it, 0111... is an octal number, and the digits are gone."""
    (project.path / "reader.asc").write_text(str(pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")))
    project.configure(
        {
            "trusted": None,
            "role": {"name": "Rôle", "maxSessionDuration": 60, "policy": {"file": "policies/missing.json"}},
            "trust": {"externalID": "x-1"},
            "tags": "team",
            "secretStore": ["vault"],
            "accessKeys": [{"label": "a"}, {"label": "b"}, {"label": "c"}],
            "pgpKeyFile": "reader.asc",
            "endpoint": "http://192.0.2.1:4566",
        }
    )
    trusted = "config:\n  assume-role:trusted:\n    accountId: 011122223333\n"
    project.stack_file.write_text(project.stack_file.read_text().replace("config:\n", trusted))

    done = project.up(check=False)

    assert done.returncode != 0
    assert "10 settings are wrong" in done.stdout
    for expected in (
        "trusted.accountId = ",
        "this is a number: YAML drops leading zeros",
        'role.name = "Rôle": IAM role names are made of letters, digits and _+=,.@- only.',
        "role.maxSessionDuration = 60: a role's maximum session duration is a whole number of seconds from 3600 to",
        'role.policy.file = "policies/missing.json": the policy file cannot be read (No such file or directory).',
        'trust.externalID = "x-1": there is no such setting. Did you mean externalId?',
        'tags = "team": this must be an object of names and values.',
        'secretStore = ["vault"]: this must be an object with the keys kind, name, kmsKeyId.',
        "accessKeys = 3: a user has at most 2 access keys",
        'pgpKeyFile = "reader.asc": this file holds a PRIVATE key',
        "192.0.2.1 is not a loopback address",
    ):
        assert expected in done.stdout
    assert "Traceback" not in done.stdout


def test_credentials_of_another_account_are_refused(project):
    """On an emulator the access key id is the account: here the program signs as another, as a wrong profile would."""
    providers = project.path / "components" / "providers.py"
    providers.write_text(
        providers.read_text().replace("access_key=account.account_id", f'access_key="{project.accounts.other}"')
    )

    done = project.up(check=False)

    assert done.returncode != 0
    assert f"AWS account ID not allowed: {project.accounts.other}" in done.stdout + done.stderr
