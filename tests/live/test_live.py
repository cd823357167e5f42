"""`make live`: deploy, change, rotate, revoke and destroy a stack on two sandbox accounts of real AWS, and report it.

All has a random name, lies under one IAM path and carries the owner tag. It is removed whatever happens.
"""

import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from components.iam.owner import OWNER_TAG
from tools.aws.callers import all_pages
from tools.aws.policies import attached_policies, holder, inline_policies
from tools.aws.propagation import PROPAGATION_SECONDS
from tools.console import say
from tools.stack import Kind

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = ("Pulumi.yaml", "__main__.py", "requirements.txt", "requirements-tools.txt")
FOLDERS = ("components", "local", "policies", "tools")
REPORT = ROOT / ".local/live-report.md"
SIDES = ("trusting", "trusted")
PATH = "/assume-role-live/"
PREFIX = "live-"  # of each name; a leftover of an earlier run begins so, too
LAST_LINES = 20
ATTEMPTS = 3
HELP = """Name two sandbox accounts, each with its profile, and confirm both ids. Nothing was done.
    make live LIVE_TRUSTING="PROFILE 111122223333" LIVE_TRUSTED="PROFILE 444455556666" \\
        LIVE_CONFIRM="111122223333 444455556666\""""


@dataclass(frozen=True)
class Account:
    """A sandbox account, and the profile that signs in to it."""

    profile: str
    id: str

    def client(self, service: str) -> Any:
        return boto3.Session(profile_name=self.profile, region_name="us-east-1").client(service)


class RefusedError(Exception):
    """The accounts are not named as they have to be."""


def named_accounts(variables: Mapping[str, str]) -> dict[str, Account]:
    """Return the account of each side. Each id is given twice, so that no slip of the hand names an account."""
    accounts = {}
    for side in SIDES:
        name = f"LIVE_{side.upper()}"
        words = variables.get(name, "").split()
        if len(words) != 2 or not re.fullmatch(r"\d{12}", words[1]):
            raise RefusedError(f"{name} is not a profile and an account id of 12 digits. {HELP}")
        accounts[side] = Account(*words)
    ids = {account.id for account in accounts.values()}
    if len(ids) != len(SIDES):
        raise RefusedError(f"LIVE_TRUSTING and LIVE_TRUSTED name the same account. {HELP}")
    if set(variables.get("LIVE_CONFIRM", "").split()) != ids:
        raise RefusedError(f"LIVE_CONFIRM does not repeat exactly these two account ids. {HELP}")
    for side, account in accounts.items():
        try:
            signed_in = account.client("sts").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            raise RefusedError(f"The profile of the {side} account does not sign in: {error}. {HELP}") from None
        if signed_in != account.id:
            raise RefusedError(f"The profile of the {side} account signs in to another account. {HELP}")
    return accounts


# What a run may leave


def is_ours(tags: list[dict[str, str]], stack: str) -> bool:
    """Return whether an owner tag names a stack; `live-` stands for all stacks of this test."""
    ours = re.compile(rf"[^/]+/assume-role/{stack}[^/]*/[^/]+")
    return any(tag["Key"] == OWNER_TAG and ours.fullmatch(tag["Value"]) for tag in tags)


def candidates(iam: Any) -> Iterator[tuple[str, Callable[[], Any], Callable[[], None]]]:
    """Yield what an account holds that may be of this test, how to read its tags, and how to remove it."""
    for user in all_pages(iam, "list_users", "Users", PathPrefix=PATH):
        name = user["UserName"]
        yield f"user {name}", partial(iam.list_user_tags, UserName=name), partial(remove_user, iam, name)
    for role in all_pages(iam, "list_roles", "Roles", PathPrefix=PATH):
        name = role["RoleName"]
        yield f"role {name}", partial(iam.list_role_tags, RoleName=name), partial(remove, iam, "role", name)
    for policy in all_pages(iam, "list_policies", "Policies", Scope="Local"):
        name, arn = policy["PolicyName"], policy["Arn"]
        if name.startswith(PREFIX):
            yield f"policy {name}", partial(iam.list_policy_tags, PolicyArn=arn), partial(remove_policy, iam, arn)


def remove_user(iam: Any, name: str) -> None:
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    remove(iam, "user", name)


def remove(iam: Any, kind: Kind, name: str) -> None:
    """Remove a role, or a user without keys, with its policies."""
    who = holder(kind, name)
    for policy in inline_policies(iam, kind, name):
        getattr(iam, f"delete_{kind}_policy")(**who, PolicyName=policy)
    for arn in attached_policies(iam, kind, name):
        getattr(iam, f"detach_{kind}_policy")(**who, PolicyArn=arn)
    getattr(iam, f"delete_{kind}")(**who)


def remove_policy(iam: Any, arn: str) -> None:
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


# The run


@dataclass
class Live:
    """One run: its stack in a copy of the project, with a state of its own, and what it did."""

    accounts: dict[str, Account]
    folder: Path
    stack: str = field(default_factory=lambda: f"{PREFIX}{secrets.token_hex(4)}")
    steps: list[str] = field(default_factory=list)  # rows of the report
    failure: list[str] = field(default_factory=list)
    proof: Mapping[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)  # after which AWS refused what was revoked

    def __post_init__(self) -> None:
        for name in NEEDED:
            shutil.copy2(ROOT / name, self.folder / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / ".venv").symlink_to(ROOT / ".venv")
        (self.folder / "state").mkdir()
        self.environment = os.environ | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_urlsafe(),
        }
        self.configure()

    def configure(self, **role: int) -> None:
        file = self.folder / f"Pulumi.{self.stack}.yaml"
        content = yaml.safe_load(file.read_text()) if file.exists() else {"config": {}}
        content["config"] |= {
            "assume-role:name": self.stack,
            "assume-role:role": {"path": PATH, **role},
            "assume-role:user": {"path": PATH},
            **{f"assume-role:{side}": {"accountId": a.id, "profile": a.profile} for side, a in self.accounts.items()},
        }
        file.write_text(yaml.safe_dump(content))

    def run(self, title: str, *command: str, expected: int = 0) -> None:
        """Run a command as its user does, and note how it ended.

        Raises:
            AssertionError: it ended otherwise than expected.
        """
        say(f"\n== {title} ==")
        began, lines = time.monotonic(), list[str]()
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            interruption: BaseException | None = None
            while True:
                try:
                    for line in process.stdout or ():
                        lines.append(self.scrubbed(line.rstrip()))
                        say(lines[-1])
                    code = process.wait()
                    break
                except KeyboardInterrupt as error:  # the command got the same Ctrl-C, and ends by itself
                    interruption = error
                except SystemExit as error:
                    interruption = error
                    process.terminate()
        self.times += [f"- {line.removeprefix('done').strip()}" for line in lines if " is refused after " in line]
        self.steps.append(f"| {title} | {code} | {time.monotonic() - began:.0f} s |")
        if interruption or code != expected:
            self.failure = [f"{title}: exit code {code} instead of {expected}", *lines[-LAST_LINES:]]
        if interruption:
            raise interruption
        assert code == expected, "\n".join(self.failure)

    def tools(self, title: str, *words: str, expected: int = 0) -> None:
        self.run(title, str(self.folder / ".venv/bin/python"), "-m", "tools", *words, f"--stack={self.stack}",
                 expected=expected)  # fmt: skip

    def live(self) -> None:
        """Take the stack through its life."""
        self.run("create the stack", "pulumi", "stack", "init", self.stack, "--non-interactive")
        self.tools("deploy and prove", "up", "--yes", "--wait")
        self.tools("prove", "verify", "--save=proof.json")
        self.proof = json.loads((self.folder / "proof.json").read_text())
        self.configure(maxSessionDuration=7200)
        self.tools("change and prove", "up", "--yes", "--wait")
        self.tools("rotate up to the hand-over", "rotate", "--yes", "--until-hand-over", expected=3)
        self.tools("finish the rotation", "rotate", "--yes", "--quiet-hours=0")
        self.tools("revoke", "revoke", "--yes")
        self.tools("destroy", "destroy", "--yes")

    def clean(self) -> None:
        """Remove everything: by Pulumi where it can, and then whatever carries the owner tag of this stack."""
        if self.failure:
            for title, command in {
                "free the stack": ("pulumi", "cancel", "--yes", f"--stack={self.stack}"),
                "destroy after the failure": (
                    *(str(self.folder / ".venv/bin/python"), "-m", "tools", "destroy", "--yes"),
                    f"--stack={self.stack}",
                ),
            }.items():
                failure = self.failure
                try:
                    self.run(title, *command)
                except AssertionError:
                    say("Removing what is left one by one")
                self.failure = failure
        self.sweep(self.stack)

    def sweep(self, stack: str) -> None:
        """Remove what the accounts hold of a stack, or of all stacks of this test, and note what stays."""
        for side, account in self.accounts.items():
            for attempt in range(ATTEMPTS):
                if not (errors := [*self.remove(side, account.client("iam"), stack)]):
                    break
                if attempt < ATTEMPTS - 1:
                    time.sleep(PROPAGATION_SECONDS / ATTEMPTS)
            self.left += errors

    def remove(self, side: str, iam: Any, stack: str) -> Iterator[str]:
        """Remove what an account holds of a stack, and yield what AWS refuses."""
        try:
            for what, tags, remove in [*candidates(iam)]:
                try:
                    if is_ours(tags()["Tags"], stack):
                        remove()
                        self.steps.append(f"| remove {what} of the {side} account | 0 | |")
                except iam.exceptions.NoSuchEntityException:
                    continue  # AWS listed what is removed already
                except (BotoCoreError, ClientError) as error:
                    yield self.scrubbed(f"{what} of the {side} account: {error}")
        except (BotoCoreError, ClientError) as error:
            yield self.scrubbed(f"what the {side} account holds cannot be listed: {error}")

    def scrubbed(self, text: str) -> str:
        """Return a text without account ids, profiles, key ids, secrets and folders of this machine."""
        for side, account in self.accounts.items():
            text = text.replace(account.id, side.upper())
        text = re.sub(r"\b\d{12}\b", "ACCOUNT", text.replace(str(self.folder), "."))
        return re.sub(r"\b(AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}\b|(?<![\w/+])[\w/+]{40}(?![\w/+])", r"\1...", text)

    def report(self) -> str:
        """Return the report as Markdown."""
        rows = self.proof.get("rows", [])
        versions = {
            "Pulumi": output_of("pulumi", "version"),
            "pulumi-aws": importlib.metadata.version("pulumi-aws"),
            "boto3": boto3.__version__,
            "Python": platform.python_version(),
            "on": platform.system(),
        }
        ended = self.scrubbed(self.failure[0]) if self.failure else "all steps ended as expected"
        return "\n".join(
            [
                f"## Live test of {version_here()}: {ended}",
                ", ".join(f"{name} {version}" for name, version in versions.items()),
                "\n| step | exit code | time |\n|---|---|---|",
                *self.steps,
                "\n| check | verdict |\n|---|---|",
                *(f"| {row['id']} | {row['verdict']} |" for row in rows),
                *(["", *self.times] if self.times else []),
                *(["\n```text", *self.failure, "```"] if self.failure else []),
                *(
                    ["", "**Not removed:**", *(f"- {what}" for what in self.left)]
                    if self.left
                    else ["", "All removed."]
                ),
                "",
            ]
        )


def output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "not known"
    return done.stdout.strip() or "not known"


def version_here() -> str:
    return f"assume-role at commit {output_of('git', 'rev-parse', '--short', 'HEAD')}"


@contextmanager
def handled(signals: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Set handlers of signals for a time."""
    former = {number: signal.signal(number, handler) for number, handler in signals.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


@pytest.mark.live
@pytest.mark.timeout(0)
def test_a_stack_lives_on_real_accounts(tmp_path):
    try:
        accounts = named_accounts(os.environ)
    except RefusedError as error:
        pytest.exit(str(error), returncode=2)
    tmp_path.chmod(0o700)
    live = Live(accounts, tmp_path)
    try:
        with handled({signal.SIGTERM: end, signal.SIGHUP: end}):
            live.sweep(PREFIX)  # of a run that was killed
            live.live()
    finally:
        ignored = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with handled(dict.fromkeys(ignored, signal.SIG_IGN)):
            say("\nRemoving everything. This cannot be interrupted.")
            live.clean()
            REPORT.parent.mkdir(exist_ok=True)
            REPORT.write_text(live.report())
            shutil.rmtree(tmp_path)
            say(f"\n{live.report()}\nThe report is in {REPORT}")
    assert not live.left
