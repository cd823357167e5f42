"""The programs in `examples/` and in the README, as users start them, through the real engine."""

import json
import re
import shutil

import pytest
import yaml

from tests.conftest import ROOT

ACTIONS = {"audit": "s3:GetObject", "backup": "s3:PutObject"}
README_ACCOUNTS = ("111122223333", "444455556666")


class Program:
    """Another program, in a folder of its own, with the package that it needs."""

    def __init__(self, project, folder="program"):
        self.project, self.folder = project, project.path / folder
        self.folder.mkdir()
        (self.folder / "venv").symlink_to(ROOT / ".venv")
        (self.folder / "assume_role").symlink_to(ROOT / "components")
        self.key = f"--secrets-provider={yaml.safe_load(project.stack_file.read_text())['secretsprovider']}"

    def pulumi(self, *arguments, check=True):
        command = ("pulumi", *arguments, "--non-interactive", "--cwd", str(self.folder))
        return self.project.run(*command, check=check)

    def up(self, *arguments):
        return self.pulumi("up", "--yes", "--skip-preview", *arguments)

    def outputs(self):
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets").stdout)


@pytest.fixture
def program(project):
    """Return another program, whose accounts are emulated."""
    return Program(project)


@pytest.fixture
def parties(real_project):
    """Return the vendor's and the customer's programs, whose accounts count as real."""
    return Program(real_project, "vendor"), Program(real_project, "customer")


@pytest.fixture
def real_program(real_project):
    """Return another program, whose accounts count as real: it names no endpoint."""
    return Program(real_project)


def test_two_relationships(program, aws_client):
    shutil.copytree(ROOT / "examples/two-relationships", program.folder, dirs_exist_ok=True)
    accounts = program.project.accounts
    program.pulumi("stack", "init", "dev", program.key)
    settings = {"trusting": accounts.trusting, "trusted": accounts.trusted, "endpoint": program.project.endpoint}
    values = [part for key, value in settings.items() for part in ("--plaintext", f"{key}={value}")]
    program.pulumi("config", "set-all", *values)
    program.up()

    outputs = program.outputs()
    iam = aws_client(accounts.trusting, "iam")
    for name, action in ACTIONS.items():
        assert outputs[f"{name}Role"] == f"arn:aws:iam::{accounts.trusting}:role/{name}"
        assert f"[profile {name}-dev]" in outputs[f"{name}Config"]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
        assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": f"for-{name}"}}
        arn = f"arn:aws:iam::{accounts.trusting}:policy/{name}-permissions"
        version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        assert version["Document"]["Statement"][0]["Action"] == action
    users = aws_client(accounts.trusted, "iam").list_users()["Users"]
    assert {user["UserName"] for user in users} == set(ACTIONS)

    program.up("--expect-no-changes")
    program.pulumi("destroy", "--yes", "--skip-preview")
    assert iam.list_roles()["Roles"] == []


def test_a_vendor_and_a_customer_make_one_half_each(parties, aws_client):
    accounts = parties[0].project.accounts
    for party in parties:
        shutil.copytree(ROOT / "examples" / party.folder.name, party.folder, dirs_exist_ok=True)
        settings = (f"customer={accounts.trusting}", f"vendor={accounts.trusted}")
        party.pulumi("stack", "init", "dev", party.key)
        party.pulumi("config", "set-all", *(part for setting in settings for part in ("--plaintext", setting)))
        party.up()

    vendor, customer = (party.outputs() for party in parties)
    assert vendor["roleArn"] == customer["roleArn"] == f"arn:aws:iam::{accounts.trusting}:role/acme"
    key_id, secret = re.findall(r"aws_(?:access_key_id|secret_access_key) = (\S+)", vendor["awsConfig"])
    sts = aws_client(key_id, "sts", secret)
    answer = sts.assume_role(RoleArn=vendor["roleArn"], RoleSessionName="test", ExternalId="relationship-7")
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/acme/test")


def test_pulumi_new_asks_for_the_accounts_and_makes_a_program_that_runs(real_program, aws_client):
    example = ROOT / "examples/new"
    asked = yaml.safe_load((example / "Pulumi.yaml").read_text())["template"]["config"]
    assert set(asked) == set(re.findall(r'config\.\w+\("(\w+)"\)', (example / "__main__.py").read_text()))
    assert [key for key, value in asked.items() if "default" not in value] == ["trustingAccountId", "trustedAccountId"]

    accounts = real_program.project.accounts
    given = {"trustingAccountId": accounts.trusting, "trustedAccountId": accounts.trusted}
    config = [part for key, value in given.items() for part in ("--config", f"{key}={value}")]
    new = ("new", str(example), "--yes", "--force", "--name", "mine", "--stack", "dev", real_program.key, *config)
    real_program.pulumi(*new, check=False)  # the language host of ours installs nothing
    written = yaml.safe_load((real_program.folder / "Pulumi.dev.yaml").read_text())["config"]
    assert written == {
        **{f"mine:{key}": value["default"] for key, value in asked.items() if "default" in value},
        **{f"mine:{key}": value for key, value in given.items()},
    }
    real_program.up()

    outputs = real_program.outputs()
    assert outputs["roleArn"] == f"arn:aws:iam::{accounts.trusting}:role/mine"
    assert aws_client(accounts.trusting, "iam").get_role(RoleName="mine")["Role"]["Arn"] == outputs["roleArn"]


def test_the_program_of_the_readme(real_program, aws_client):
    accounts = real_program.project.accounts
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for documented, own in zip(README_ACCOUNTS, (accounts.trusting, accounts.trusted), strict=True):
        assert documented in text
        text = text.replace(documented, own)
    assert "aws.s3.Bucket(" in text
    # The stand-in plugin makes no buckets.
    instead = 'aws.ssm.Parameter("records", name="/records", type="String", value="x",'
    (real_program.folder / "__main__.py").write_text(text.replace('aws.s3.Bucket("records",', instead))
    shutil.copy2(ROOT / "examples/two-relationships/Pulumi.yaml", real_program.folder)
    real_program.pulumi("stack", "init", "dev", real_program.key)
    real_program.pulumi("config", "set-all", "--plaintext", "trusting=unused", "--plaintext", "trusted=unused")
    real_program.up()

    outputs = real_program.outputs()
    iam = aws_client(accounts.trusting, "iam")
    assert iam.get_role(RoleName="Auditor")["Role"]["Arn"] == outputs["roleArn"]
    arn = f"arn:aws:iam::{accounts.trusting}:policy/Auditor-permissions"
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Resource"] == f"arn:aws:ssm:us-east-1:{accounts.trusting}:parameter/records"
    assert "[profile audit-dev]" in outputs["awsConfig"]
