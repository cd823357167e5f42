"""`make live`, tried on accounts that count as real and are the emulator's."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import yaml

from components.iam.owner import OWNER_TAG
from tests.conftest import ROOT
from tests.live.test_live import RefusedError, named_accounts
from tests.proxy import Fault
from tests.real_like import shorten_delay


class Sandbox:
    """A checkout with the live test, whose delay is short and secrets are cheap, and two accounts."""

    def __init__(self, project, client):
        self.path, self.environment = project.path, project.environment
        self.ids = (project.accounts.trusting, project.accounts.trusted)
        self.clients = [client(account, "iam") for account in self.ids]
        shutil.copytree(ROOT / "tests/live", self.path / "tests/live")
        for name in ("pyproject.toml", "requirements-dev.txt"):
            shutil.copy2(ROOT / name, self.path)
        shorten_delay(project)
        live = self.path / "tests/live/test_live.py"
        cheap = f"--secrets-provider={yaml.safe_load(project.stack_file.read_text())['secretsprovider']}"
        live.write_text(live.read_text().replace('"stack", "init",', f'"stack", "init", "{cheap}",'))

    def start(self, **changes):
        variables = {
            "LIVE_TRUSTING": f"trusting {self.ids[0]}",
            "LIVE_TRUSTED": f"trusted {self.ids[1]}",
            "LIVE_CONFIRM": f"{self.ids[1]} {self.ids[0]}",
        }
        with (self.path / "out.txt").open("w") as out:
            return subprocess.Popen(
                ["make", "live"],
                cwd=self.path,
                env={**self.environment, **variables, **changes},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, **changes):
        """Run it and return its exit code."""
        return self.start(**changes).wait(600)

    @property
    def printed(self):
        return (self.path / "out.txt").read_text()

    @property
    def report(self):
        return (self.path / ".local/live-report.md").read_text()

    @property
    def left(self):
        """The names of what the accounts hold."""
        return [
            *(user["UserName"] for iam in self.clients for user in iam.list_users()["Users"]),
            *(role["RoleName"] for iam in self.clients for role in iam.list_roles()["Roles"]),
            *(policy["PolicyName"] for iam in self.clients for policy in iam.list_policies(Scope="Local")["Policies"]),
        ]


@pytest.fixture
def sandbox(make_real, proxy, aws_client):
    return Sandbox(make_real(proxy.url), aws_client)


def test_after_a_failure_the_next_run_removes_what_stayed_and_takes_a_stack_through_its_life(sandbox, proxy):
    proxy.plan("AttachUserPolicy", *[Fault.DENY] * 9)
    proxy.plan("DeleteRole", *[Fault.DENY] * 99)

    assert sandbox.run() != 0

    assert "deploy and prove: exit code 1 instead of 0" in sandbox.report
    assert "is not authorized to perform" in sandbox.report
    assert re.search(r"\*\*Not removed:\*\*\n- role live-\w{8} of the trusting account: ", sandbox.report)
    (role,) = sandbox.left
    proxy.release()

    assert sandbox.run() == 0, sandbox.printed

    assert sandbox.left == []
    report = sandbox.report
    assert f"| remove role {role} of the trusting account | 0 | |" in report
    assert "all steps ended as expected" in report
    assert "is refused after" in report
    assert re.search(r"^Pulumi v\d+\..*, pulumi-aws \d+\..*, boto3 .*, Python .*$", report, re.MULTILINE)
    steps = re.findall(r"^\| (.*) \| (\d) \| \d+ s \|$", report, re.MULTILINE)
    assert [code for _, code in steps] == ["0", "0", "0", "0", "3", "0", "0", "0"]
    assert re.search(r"^\| assume-role \| proven \|$", report, re.MULTILINE)
    assert report.endswith("\nAll removed.\n")
    for text in (report, sandbox.printed):
        assert not [account for account in sandbox.ids if account in text]
        assert not re.search(r"(AKIA|ASIA)[A-Z0-9]{12}", text)
        assert not [secret for secret in proxy.secrets if secret in text]
    assert {path.name for path in sandbox.path.glob("Pulumi.*.yaml")} == {"Pulumi.test.yaml"}


def test_ctrl_c_leaves_nothing_but_what_others_own(sandbox, proxy, wait_until):
    """Also where Pulumi cannot remove it: the owner tag says what to remove."""
    others = {
        "untagged": [],
        "other-project": ["organization/other/live-1/assume-role"],
        "other-stack": ["a/assume-role/b/c"],
    }
    for name, owners in others.items():
        tags = [{"Key": OWNER_TAG, "Value": owner} for owner in owners]
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        sandbox.clients[0].create_role(
            RoleName=name, Path="/assume-role-live/", AssumeRolePolicyDocument=trust, Tags=tags
        )
    proxy.plan("DeleteRole", *[Fault.DENY] * 3)
    proxy.plan("CreateAccessKey", Fault.HOLD)
    process = sandbox.start()
    assert proxy.reached.wait(300)

    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: "interrupt" in sandbox.printed.lower())
    proxy.planned.pop("CreateAccessKey")
    proxy.released.set()

    assert process.wait(600) != 0
    assert set(sandbox.left) == set(others)
    assert re.search(r"remove role live-\w{8} of the trusting account", sandbox.report)
    assert sandbox.report.endswith("\nAll removed.\n")


def test_make_refuses_accounts_that_are_not_named(sandbox, proxy):
    assert sandbox.run(LIVE_CONFIRM="") != 0
    assert "LIVE_CONFIRM does not repeat exactly these two account ids" in sandbox.printed
    assert 'make live LIVE_TRUSTING="PROFILE 111122223333"' in sandbox.printed
    assert proxy.calls == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LIVE_TRUSTING": ""}, "LIVE_TRUSTING is not a profile and an account id"),
        ({"LIVE_TRUSTED": "trusted 4444"}, "LIVE_TRUSTED is not a profile and an account id"),
        ({"LIVE_CONFIRM": "111122223333"}, "does not repeat exactly these two account ids"),
        ({"LIVE_CONFIRM": "111122223333 444455556666 777788889999"}, "does not repeat exactly these two account ids"),
        ({"LIVE_TRUSTED": "trusted 111122223333", "LIVE_CONFIRM": "111122223333"}, "name the same account"),
        ({"LIVE_TRUSTING": "trusted 111122223333"}, "The profile of the trusting account signs in to another account"),
        ({"LIVE_TRUSTED": "missing 444455556666"}, "The config profile (missing) could not be found"),
    ],
)
def test_accounts_are_named_twice_and_are_those_of_their_profiles(emulator, tmp_path, monkeypatch, changes, words):
    profiles = {"trusting": "111122223333", "trusted": "444455556666"}
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = any\n"
            for name, account in profiles.items()
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    variables = {f"LIVE_{name.upper()}": f"{name} {account}" for name, account in profiles.items()}
    variables["LIVE_CONFIRM"] = " ".join(profiles.values())
    assert {side: account.id for side, account in named_accounts(variables).items()} == profiles

    with pytest.raises(RefusedError) as refusal:
        named_accounts(variables | changes)
    assert words in str(refusal.value)
