"""Revoking: keys stop, sessions begun before are refused, whatever fails, and the next deployment opens nothing."""

import json
from argparse import Namespace
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.factories import outputs, policy
from tests.proxy import Fault
from tests.tools.slow_aws import KEY, RIGHT, SERVERS, HolderClient, SlowAws
from tools.__main__ import main
from tools.aws import callers
from tools.aws.policies import REVOCATION
from tools.aws.propagation import Delay
from tools.commands import revoke
from tools.commands.revoke import first_thing, what_is_left
from tools.console import FailedError, StackError
from tools.proof import stack
from tools.revocation import revocation
from tools.revocation.probes import Probe, refused_now
from tools.revocation.removal import remove_revocation
from tools.stack import Outputs

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
OUTPUTS = outputs(role="role-1")
RIGHT_SIGN_IN = "aws_access_key_id = {account}\naws_secret_access_key = any"
ROLE = "role_arn = arn:aws:iam::111122223333:role/x\n"
# Sections of an AWS config file with which nobody can sign in: botocore raises an error of another kind for each.
BROKEN_SIGN_INS = {
    "process prints words": "credential_process = echo please sign in",
    "process prints a list": "credential_process = echo []",
    "process without keys": "credential_process = echo '{{\"Version\": 1}}'",
    "process with numbers": 'credential_process = echo \'{{"Version":1,"AccessKeyId":1,"SecretAccessKey":2}}\'',
    "process that is nowhere": "credential_process = /nonexistent",
    "process that hangs": "credential_process = sleep 30",
    "process with half a quote": "credential_process = echo 'x",
    "empty process": "credential_process =",
    "missing source": ROLE + "source_profile = nobody",
    "loop": ROLE + "source_profile = broken",
    "role alone": ROLE,
    "bad credential source": ROLE + "credential_source = Moon",
    "unreadable token": ROLE + "web_identity_token_file = /",
    "no SSO session": "sso_session = none\nsso_account_id = 1\nsso_role_name = x",
    "half a key pair": "aws_access_key_id = a",
    "bad mode": RIGHT_SIGN_IN + "\ndefaults_mode = moon",
    "no such profile": "[profile else]",
}


@dataclass
class RealLike:
    """Emulated accounts as real ones: profiles in an AWS config file, and AWS's endpoint in the environment."""

    outputs: Outputs
    config: Mapping[str, Any]
    file: Path
    declared: list[dict[str, str]] = field(default_factory=list)

    def account(self, side: str) -> str:
        return self.outputs.trusting_account_id if side == "trusting" else self.outputs.trusted_account_id

    def sign_in(self, **sections: str) -> None:
        """Write the section of each side's profile."""
        accounts = {side: self.account(side) for side in ("trusting", "trusted")}
        texts = [
            f"[profile {'broken' if side in sections else side}]\n"
            + sections.get(side, RIGHT_SIGN_IN).format(account=account)
            for side, account in accounts.items()
        ]
        self.file.write_text("\n".join(texts))
        self.config = self.config | {
            side: {"accountId": account, "profile": "broken" if side in sections else side}
            for side, account in accounts.items()
        }


@pytest.fixture
def real(standing, tmp_path, monkeypatch):
    printed = standing.outputs() | {"terms": standing.terms()}
    del printed["terms"]["endpoint"]
    config = {"accessKeys": [{"label": "1", "status": "Active"}]}
    real = RealLike(Outputs.model_validate(printed), config, tmp_path / "aws-config")
    real.sign_in()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(real.file))
    monkeypatch.setenv("AWS_ENDPOINT_URL", standing.endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for command in (revoke, stack):
        monkeypatch.setattr(command, "read_stack", lambda _: (real.outputs, real.config))
        monkeypatch.setattr(command, "propagation_seconds", lambda _: 0.0)
    monkeypatch.setattr(revocation, "declare_keys", lambda _, declared: real.declared.append(declared))
    monkeypatch.setattr(callers, "SIGN_IN_SECONDS", 3.0)
    return real


@pytest.fixture
def iam(real, aws_client):
    """Return clients of both accounts' administrators, by the side."""
    return {side: aws_client(real.account(side), "iam") for side in ("trusting", "trusted")}


def statuses(iam):
    return {key["Status"] for key in iam["trusted"].list_access_keys(UserName="user-1")["AccessKeyMetadata"]}


def role_is_refused(iam):
    return iam["trusting"].list_role_policies(RoleName="Assume-Role-1")["PolicyNames"] == [REVOCATION]


# Whatever fails


@pytest.mark.parametrize(("side", "kinds"), [("trusting", BROKEN_SIGN_INS), ("trusted", ["loop", "empty process"])])
def test_a_broken_sign_in_stops_neither_the_other_side_nor_the_file(side, kinds, real, iam, capsys):
    account, key = real.account(side), real.outputs.access_key_id
    for kind in kinds:
        real.declared.clear()
        real.sign_in(**{side: BROKEN_SIGN_INS[kind]})
        assert main(["revoke", "--stack", "x", "--yes"]) == 1
        said = capsys.readouterr()
        failed = f"FAILED   everything in the {side} account: Cannot sign in to the {side} account {account} with"
        assert failed in said.out, kind
        assert "git commit" in said.out
        assert "aws iam update-access-key" in said.err
        reached = ({"Inactive"}, False) if side == "trusting" else ({"Active"}, True)
        assert (statuses(iam), role_is_refused(iam)) == reached, kind
        assert real.declared == [{"1": "Inactive"}]
        iam["trusted"].update_access_key(UserName="user-1", AccessKeyId=key, Status="Active")
        iam["trusting"].delete_role_policy(RoleName="Assume-Role-1", PolicyName=REVOCATION) if reached[1] else None


@pytest.mark.parametrize(("kind", "side"), [("process that hangs", "trusted"), ("no such profile", "trusting")])
def test_a_broken_sign_in_disproves_nothing_and_is_named(kind, side, real, capsys):
    real.sign_in(**{side: BROKEN_SIGN_INS[kind]})
    main(["verify", "--stack", "x", "--json"])
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    del rows["session-length"]  # the emulator grants every length
    unsettled = {name for name, row in rows.items() if row["verdict"] == "could not tell"}
    assert {row["verdict"] for row in rows.values()} <= {"proven", "could not tell", "not checked"}
    named = f"the {side} account {real.account(side)} with profile broken"
    assert all(named in rows[name]["advice"] for name in unsettled)
    expected = {"trust-policy", "roles-policies"} if side == "trusting" else {"users-policies", "users-keys"}
    assert expected <= unsettled


def test_with_a_section_twice_in_the_config_file_the_keys_are_declared_inactive_all_the_same(real, capsys):
    real.file.write_text("[profile a]\n[profile a]\n")
    assert main(["revoke", "--stack", "x", "--yes"]) == 1
    assert real.declared == [{"1": "Inactive"}]
    assert capsys.readouterr().out.count("FAILED   everything in the tru") == 2


def test_credentials_of_another_account_change_nothing_there(real, iam):
    swapped = {"trusting": real.account("trusted"), "trusted": real.account("trusting")}
    iam["trusting"].create_user(UserName="user-1")
    real.sign_in(**{side: RIGHT_SIGN_IN.replace("{account}", other) for side, other in swapped.items()})
    real.file.write_text(real.file.read_text().replace("broken", "trusting", 1).replace("broken", "trusted", 1))
    real.config = {**real.config, **{side: {"profile": side} for side in swapped}}
    assert main(["revoke", "--stack", "x", "--yes"]) == 1
    assert iam["trusting"].list_user_policies(UserName="user-1")["PolicyNames"] == []
    assert (statuses(iam), role_is_refused(iam)) == ({"Active"}, False)


@pytest.mark.usefixtures("real")
def test_keys_are_closed_while_sts_hangs(iam, proxy, monkeypatch, wait_until):
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(revocation, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(revocation, "ACT_SECONDS", 3.0)
    proxy.plan("GetCallerIdentity", *[Fault.STOP] * 20)
    with ThreadPoolExecutor() as beside:
        running = beside.submit(revoke.run, Namespace(stack="x", yes=True))
        wait_until(lambda: statuses(iam) == {"Inactive"} and role_is_refused(iam))
        assert running.result() == 0  # within its own bounds: what it could not try is unproven
        proxy.release()


def test_a_web_page_in_place_of_an_answer_is_no_revocation(real, proxy, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.plan("UpdateAccessKey", Fault.WEB_PAGE)
    proxy.plan("PutRolePolicy", *[Fault.WEB_PAGE] * 2)
    assert main(["revoke", "--stack", "x", "--yes"]) == 1
    said = capsys.readouterr().out
    key = real.outputs.access_key_id
    assert f"FAILED   key {key} of user user-1 is inactive: the response was truncated or is not from AWS" in said
    assert f"FAILED   AWS lists no active key of user user-1: {key} is still active" in said
    assert said.count("FAILED   sessions of role Assume-Role-1") == 2


@pytest.mark.parametrize("action", ["ListAccessKeys", "UpdateAccessKey", "PutUserPolicy", "GetLoginProfile"])
def test_a_call_that_fails_stops_no_other(action, iam, proxy, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.plan(action, Fault.DENY)
    assert main(["revoke", "--stack", "x", "--yes"]) == 1
    user_is_refused = iam["trusted"].list_user_policies(UserName="user-1")["PolicyNames"] == [REVOCATION]
    closed = statuses(iam) == {"Inactive"}
    assert (closed, user_is_refused) == (action not in ("ListAccessKeys", "UpdateAccessKey"), action != "PutUserPolicy")
    assert role_is_refused(iam)


def test_a_session_that_could_not_begin_is_not_said_to_be_refused(real, iam, capsys):
    policy = f"arn:aws:iam::{real.account('trusted')}:policy/Custom-Assume-Role-Policy"
    iam["trusted"].detach_user_policy(UserName="user-1", PolicyArn=policy)
    assert main(["revoke", "--stack", "x", "--yes"]) == 0
    assert "UNPROVEN a session of role Assume-Role-1 begun before is refused: An error" in capsys.readouterr().out


def test_a_console_password_is_named_and_not_deleted(iam, capsys):
    iam["trusted"].create_login_profile(UserName="user-1", Password="Correct-horse-7")
    assert main(["revoke", "--stack", "x", "--yes"]) == 1
    assert "aws iam delete-login-profile --user-name user-1" in capsys.readouterr().out
    assert iam["trusted"].get_login_profile(UserName="user-1")


def test_without_a_stack_it_says_how_to_do_it_by_hand(monkeypatch, capsys):
    for error in (StackError("no such stack"), RuntimeError("no such stack")):

        def fail(_: str, error: Exception = error) -> Outputs:
            raise error

        monkeypatch.setattr(revoke, "read_stack", fail)
        assert main(["revoke", "--stack", "x", "--yes"]) == 2
        said = capsys.readouterr().err
        assert "no such stack" in said
        assert "aws iam list-access-keys" in said


# What it says


@pytest.mark.parametrize("date", ["Fri, 02 Jan 2026 12:00:00 GMT", None])
@pytest.mark.parametrize("fails", [True, False])
def test_only_aws_states_the_time(date, fails):
    """This machine's clock, ahead, would refuse new sessions; behind, it would let old ones through."""
    answer: Any = {"ResponseMetadata": {"HTTPHeaders": {"date": date} if date else {}}}

    def call():
        if fails:
            raise ClientError({**answer, "Error": {"Code": "X"}}, "GetRole")
        return answer

    now = revocation.aws_now(call)
    assert now == NOON if date else datetime.now(UTC) - now < timedelta(minutes=1)


def tried(codes, delay, clock):
    """Return what is said of a probe that AWS answers with these codes; an empty one is success."""

    def call() -> None:
        clock()
        if code := next(codes):
            raise ClientError({"Error": {"Code": code}}, "X")

    try:
        return refused_now(Probe(what="it", call=call, codes=frozenset({"No"})), delay)
    except (ClientError, FailedError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["No"] * 4, "it is refused after 1.0 s"),
        (["", "", "No", "No", "No", "No"], "it is refused after 3.0 s"),
        (["No", "No", "", "No"], "FailedError: it works again"),  # one server is not all of AWS
        ([""] * 9, "FailedError: it still works after 6 s"),
        (["No", "Throttling"], "ClientError"),
    ],
)
def test_it_says_after_how_long_a_probe_was_refused(codes, said):
    aws = SlowAws.settled(RIGHT)
    delay = Delay(timeout=5, clock=lambda: aws.now, sleep=lambda _: None, today=aws.today)
    assert tried(iter(codes), delay, lambda: aws.sleep(1)).startswith(said)


def works_on(seed, seconds):
    """Return whether a key works after it was said to be refused, on an AWS where changes propagate slowly."""
    aws = SlowAws.settled(RIGHT)
    aws.random.seed(seed)
    aws.change(KEY, "Inactive", aws.now)
    delay = Delay(seconds=seconds, timeout=120, clock=lambda: aws.now, sleep=aws.sleep, today=aws.today)
    delay.changed(aws.today())
    codes = frozenset({"InvalidClientTokenId"})
    try:
        refused_now(Probe(what="it", call=HolderClient(aws).get_caller_identity, codes=codes), delay)
    except FailedError:
        return False
    return any(aws.known(KEY, server) == "Active" for server in range(SERVERS))


def test_a_revoked_key_works_nowhere_once_it_is_said_to_be_refused():
    assert not any(works_on(seed, 120.0) for seed in range(100))
    assert any(works_on(seed, 0.0) for seed in range(100))  # with four refusals alone


def test_the_first_thing_to_do_is_to_commit_the_configuration_and_the_last_to_drop_what_the_aws_cli_holds():
    first = first_thing("me/assume-role/prod")
    assert "deploys with the committed Pulumi.prod.yaml" in first
    assert 'git commit --message "Revoke the keys of stack me/assume-role/prod" Pulumi.prod.yaml && git push' in first
    left = what_is_left("x", OUTPUTS, keys=True)
    assert [
        words
        for words in ("role chaining", "AWSDenyAll", "~/.aws/cli/cache", "make rotate STACK=x")
        if words not in left
    ] == []
    assert "python -m" not in left


# The whole way, through the real CLI


def refused(call):
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def test_revoked_and_back_again(deployed, aws_client):
    outputs = deployed.outputs()
    admin = aws_client(deployed.accounts.trusted, "iam")
    role_admin = aws_client(deployed.accounts.trusting, "iam")
    by_hand = admin.create_access_key(UserName="user-1")["AccessKey"]

    def client(service: str, credentials: dict[str, Any]) -> Any:
        secrets = credentials["SecretAccessKey"], credentials.get("SessionToken")
        return aws_client(credentials["AccessKeyId"], service, *secrets)

    def pair(key: dict[str, Any]) -> dict[str, str]:
        return {"AccessKeyId": key["id"], "SecretAccessKey": key["secret"]}

    def begin(caller):
        return caller.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="session")["Credentials"]

    sts = client("sts", pair(outputs["accessKeys"]["1"]))
    old_session = begin(sts)
    old_user_session = sts.get_session_token()["Credentials"]
    client("s3", old_session).list_buckets()
    begin(client("sts", old_user_session))

    done = deployed.python("-m", "tools", "revoke", "--stack", "test", "--yes")
    said = deployed.python("-m", "tools", "verify", "--stack", "test", check=False)
    assert said.returncode == 2, said.stdout
    assert "could not tell  state: revoked: every key is inactive, and older sessions are refused" in said.stdout
    assert "disproven" not in said.stdout
    assert "--refresh" not in said.stdout
    revoked_keys = deployed.config()["assume-role:accessKeys"]
    deployed.configure({"accessKeys": None})  # as in a checkout that does not know of it
    said = deployed.python("-m", "tools", "verify", "--stack", "test", check=False)
    assert said.returncode == 2
    assert "revoked: every key is inactive" in said.stdout
    assert "--refresh" not in said.stdout
    deployed.configure({"accessKeys": revoked_keys})

    # Everything that worked before is refused.
    assert refused(sts.get_caller_identity) == "InvalidClientTokenId"
    assert refused(client("sts", by_hand).get_caller_identity) == "InvalidClientTokenId"
    assert refused(client("s3", old_session).list_buckets) == "AccessDenied"
    assert refused(lambda: begin(client("sts", old_user_session))) == "AccessDenied"
    assert done.stdout.index(
        "FIRST: a colleague or pipeline that deploys with the committed Pulumi.test.yaml"
    ) < done.stdout.index("is refused after")
    assert "FAILED" not in done.stdout
    assert f"key {outputs['accessKeyId']} is refused after " in done.stdout
    assert "a session of role Assume-Role-1 begun before is refused" in done.stdout
    assert outputs["accessKeys"]["1"]["secret"] not in done.stdout + done.stderr
    # The next deployment opens nothing.
    deployed.up()
    keys = admin.list_access_keys(UserName="user-1")["AccessKeyMetadata"]
    assert {key["Status"] for key in keys} == {"Inactive"}
    assert "accessKeyId" not in deployed.recorded()

    # Back again: a new key beside the inactive one; its sessions work, the old one still does not.
    admin.delete_access_key(UserName="user-1", AccessKeyId=by_hand["AccessKeyId"])
    command = ("-m", "tools", "rotate", "--stack", "test", "--yes", "--quiet-hours", "24")
    rotated = deployed.python(*command, check=False)
    assert (rotated.returncode, "is deleted when nothing has used it for 24 hours" in rotated.stderr) == (3, True)
    new = deployed.outputs()["accessKeys"]
    assert {label: key["status"] for label, key in new.items()} == {"1": "Inactive", "2": "Active"}
    issue_time_is_past_the_cut(role_admin)
    new_session = begin(client("sts", pair(new["2"])))
    client("s3", new_session).list_buckets()
    assert refused(client("s3", old_session).list_buckets) == "AccessDenied"


def test_on_real_accounts_a_person_agrees_before_a_revocation_is_removed(real, iam, monkeypatch, capsys):
    main(["revoke", "--stack", "x", "--yes"])
    own = {"RoleName": "Assume-Role-1", "PolicyName": "own"}
    iam["trusting"].put_role_policy(**own, PolicyDocument=json.dumps(policy(Action="s3:*", Resource="*")))
    monkeypatch.setattr("tools.revocation.removal.read_stack", lambda _: (real.outputs, real.config))

    def there() -> list[str]:
        return iam["trusting"].list_role_policies(RoleName="Assume-Role-1")["PolicyNames"]

    assert not remove_revocation("x", yes=False)
    assert there() == [REVOCATION, "own"]
    assert "AWSRevokeOlderSessions of role Assume-Role-1" in capsys.readouterr().out
    assert remove_revocation("x", yes=True)
    assert there() == ["own"]
    assert iam["trusted"].list_user_policies(UserName="user-1")["PolicyNames"] == []
    assert remove_revocation("x", yes=False)  # nothing is left to ask about


def issue_time_is_past_the_cut(iam):
    policy = iam.get_role_policy(RoleName="Assume-Role-1", PolicyName=REVOCATION)["PolicyDocument"]
    cut = policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert datetime.now(UTC) >= datetime.fromisoformat(cut)


def test_where_nobody_can_answer_nothing_is_revoked_without_yes(deployed):
    done = deployed.python("-m", "tools", "revoke", "--stack", "test", check=False)
    assert done.returncode == 2
    assert "--yes answers" in done.stdout
    assert "Nothing was revoked." in done.stdout
