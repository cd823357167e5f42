"""Revoking: keys stop, sessions begun before are refused, and the next deployment opens nothing again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.stub import Stubber

from tests.factories import outputs
from tests.tools.slow_aws import KEY, RIGHT, SERVERS, HolderClient, SlowAws
from tools.__main__ import main
from tools.callers import Caller
from tools.commands import revoke
from tools.commands.revoke import (
    POLICY_NAME,
    Clock,
    first_thing,
    in_trusted_account,
    in_trusting_account,
    no_password,
    others_let_in,
    what_is_left,
)
from tools.errors import StackError
from tools.proof import case as proof
from tools.proof.probes import Witness, refused_after
from tools.propagation import Patience
from tools.stack import Outputs

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
OUTPUTS = outputs(role="role-1")


@pytest.fixture
def iam() -> Any:
    # A failing call shall be one call, not one and its retries.
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", config=config)


def refusal(before: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Action": "*",
                    "Resource": "*",
                    "Condition": {"DateLessThan": {"aws:TokenIssueTime": before}},
                }
            ],
        }
    )


def listed(*key_ids: str) -> dict[str, Any]:
    keys = [{"UserName": "user-1", "AccessKeyId": key_id, "Status": "Active", "CreateDate": NOON} for key_id in key_ids]
    return {"AccessKeyMetadata": keys, "IsTruncated": False}


def test_sessions_of_the_current_second_are_cut_too() -> None:
    assert Clock(latest=NOON.replace(microsecond=1)).cut() == NOON + timedelta(seconds=1)
    assert Clock(latest=NOON).cut() == NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("date", "latest"),
    [
        ("Fri, 02 Jan 2026 12:10:00 GMT", NOON + timedelta(minutes=10)),
        ("Fri, 02 Jan 2026 11:50:00 GMT", NOON),  # an answer that was late
        ("yesterday", NOON),
        (None, NOON),
    ],
)
def test_the_latest_answer_counts(date: str | None, latest: datetime) -> None:
    clock = Clock(latest=NOON)
    clock.hear({"ResponseMetadata": {"HTTPHeaders": {"date": date} if date else {}}})
    assert clock.latest == latest


def test_only_aws_tells_the_time() -> None:
    """This machine's clock, ahead, would refuse new sessions; behind, it would let old ones through."""
    clock = Clock()
    clock.hear({"ResponseMetadata": {"HTTPHeaders": {"date": "Fri, 02 Jan 2026 12:00:00 GMT"}}})
    assert clock.cut() == NOON + timedelta(seconds=1)
    late = {"ResponseMetadata": {"HTTPHeaders": {"date": "Fri, 02 Jan 2026 12:00:05 GMT"}}, "Error": {"Code": "X"}}

    def fail() -> dict[str, Any]:
        raise ClientError(late, "PutUserPolicy")  # type: ignore[arg-type]

    assert revoke.attempt("x", fail, clock).failure
    assert clock.latest == NOON + timedelta(seconds=5)


def test_the_calls_in_the_trusted_account(iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_response("list_access_keys", listed("AKIA1EXAMPLE00000001", "AKIA2EXAMPLE00000002"))
        for key_id in ("AKIA1EXAMPLE00000001", "AKIA2EXAMPLE00000002"):
            expected = {"UserName": "user-1", "AccessKeyId": key_id, "Status": "Inactive"}
            stub.add_response("update_access_key", {}, expected)
        document = refusal("2026-01-02T12:00:01Z")
        expected = {"UserName": "user-1", "PolicyName": "AWSRevokeOlderSessions", "PolicyDocument": document}
        stub.add_response("put_user_policy", {}, expected)
        stub.add_client_error("get_login_profile", "NoSuchEntity")
        east = NOON.astimezone(timezone(timedelta(hours=2)))
        parts = list(in_trusted_account(iam, OUTPUTS, Clock(latest=east)))
        stub.assert_no_pending_responses()
    assert len(parts) == 4
    assert not any(part.failure for part in parts)


def test_a_part_that_fails_holds_up_no_other(iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_response("list_access_keys", listed("AKIA1EXAMPLE00000001", "AKIA2EXAMPLE00000002"))
        stub.add_client_error("update_access_key", "ServiceFailure")
        stub.add_response("update_access_key", {})
        stub.add_response("put_user_policy", {})
        stub.add_client_error("get_login_profile", "NoSuchEntity")
        parts = list(in_trusted_account(iam, OUTPUTS, Clock(latest=NOON)))
        stub.assert_no_pending_responses()
    assert [bool(part.failure) for part in parts] == [True, False, False, False]


def test_keys_that_cannot_be_listed_hold_up_nothing_else(iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_client_error("list_access_keys", "AccessDenied")
        stub.add_response("put_user_policy", {})
        stub.add_client_error("get_login_profile", "NoSuchEntity")
        parts = list(in_trusted_account(iam, OUTPUTS, Clock(latest=NOON)))
        stub.assert_no_pending_responses()
    assert [bool(part.failure) for part in parts] == [True, False, False]
    assert "AccessDenied" in parts[0].failure


def test_the_call_in_the_trusting_account(iam: Any) -> None:
    with Stubber(iam) as stub:
        document = refusal("2026-01-02T12:00:01Z")
        expected = {"RoleName": "role-1", "PolicyName": "AWSRevokeOlderSessions", "PolicyDocument": document}
        stub.add_response("put_role_policy", {}, expected)
        parts = list(in_trusting_account(iam, OUTPUTS, Clock(latest=NOON)))
        stub.assert_no_pending_responses()
    assert [part.failure for part in parts] == [""]


def test_an_account_that_cannot_be_entered_holds_up_neither_the_other_nor_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    iam: Any,
) -> None:
    written: list[object] = []
    sts = SimpleNamespace(get_caller_identity=dict[str, Any])

    def administrator(side: str, _config: object) -> Caller:
        if side == "trusted":
            raise StackError("the sign-in has expired")
        clients = {("iam", None): iam, ("sts", None): sts}
        return Caller(session=Session(), endpoint=None, clients=clients)

    monkeypatch.setattr(revoke, "read_stack", lambda _: (OUTPUTS, {"accessKeys": [{"label": 1}]}))
    monkeypatch.setattr(proof, "administrator", administrator)
    monkeypatch.setattr(revoke, "declare_keys", lambda *given: written.append(given))
    with Stubber(iam) as stub:
        stub.add_response("put_role_policy", {})
        assert main(["revoke", "--stack", "x", "--yes"]) == 1
        stub.assert_no_pending_responses()
    said = capsys.readouterr()
    assert "FAILED   everything in the trusted account: the sign-in has expired" in said.out
    assert "done     sessions of role role-1" in said.out
    assert "aws iam update-access-key" in said.err
    assert written == [("x", {"1": "Inactive"})]


def test_without_a_stack_it_says_how_to_do_it_by_hand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> Outputs:
        raise StackError("no such stack")

    monkeypatch.setattr(revoke, "read_stack", fail)
    assert main(["revoke", "--stack", "x", "--yes"]) == 2
    said = capsys.readouterr().err
    assert "no such stack" in said
    assert "aws iam list-access-keys" in said


def test_a_console_password_is_named_and_not_deleted(iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_response("get_login_profile", {"LoginProfile": {"UserName": "user-1", "CreateDate": NOON}})
        found = no_password(iam, OUTPUTS)
        assert "aws iam delete-login-profile --user-name user-1" in found.failure
        stub.add_client_error("get_login_profile", "AccessDenied")
        assert "AccessDenied" in no_password(iam, OUTPUTS).failure


class Answers:
    """A key or session that works, or not, as told; each call takes a second."""

    def __init__(self, *codes: str) -> None:
        self.codes, self.now = list(codes), 100.0

    def __call__(self) -> dict[str, Any]:
        self.now += 1
        if code := self.codes.pop(0):
            raise ClientError({"Error": {"Code": code}}, "X")
        return {"ResponseMetadata": {"HTTPHeaders": {"date": f"Fri, 02 Jan 2026 12:00:{self.now - 100:02.0f} GMT"}}}


def witness(call: Callable[[], Any], *codes: str) -> Witness:
    return Witness(what="it", call=call, codes=frozenset(codes), worked=NOON - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["No", "No", "No"], "done     it is refused after 0.0 s. It last worked at 11:59:00"),
        (["", "", "No", "No", "No"], "done     it is refused after 2.0 s. It last worked at 12:00:02"),
        # One that has heard is not all that have.
        (
            ["No", "No", "", "No", "No", "No"],
            "done     it is refused after 3.0 s. It last worked at 12:00:03",
        ),
        ([""] * 7, "FAILED   it is refused: it still works after 6 s"),
        (["No", "Throttling"], "UNPROVEN it is refused: An error"),
    ],
)
def test_it_says_how_long_what_was_revoked_went_on_working(answers: list[str], said: str) -> None:
    call = Answers(*answers)
    patience = Patience(seconds=5, tell=lambda _: None, clock=lambda: call.now, sleep=lambda _: None)
    part = refused_after(witness(call, "No"), patience, 100.0, 0.0)
    assert str(part).replace("2026-01-02 ", "").startswith(said)


def works_on(seed: int, spreading: float) -> str:
    """Return what it says of a key that is revoked on an AWS whose news spread slowly, and what is not so."""
    aws = SlowAws.settled(RIGHT)
    aws.random.seed(seed)
    successes: list[float] = []

    def call() -> Any:
        HolderClient(aws).get_caller_identity()
        successes.append(aws.now)
        return {"ResponseMetadata": {"HTTPHeaders": {"date": f"{aws.today():%a, %d %b %Y %H:%M:%S} GMT"}}}

    aws.change(KEY, "Inactive", aws.now)
    patience = Patience(seconds=120, tell=aws.said.append, clock=lambda: aws.now, sleep=aws.sleep)
    part = refused_after(witness(call, "InvalidClientTokenId"), patience, aws.now, spreading)
    last = aws.date(successes[-1]) if successes else NOON - timedelta(minutes=1)
    assert str(part).endswith(f"It last worked at {last:%Y-%m-%d %H:%M:%S} UTC")
    works = any(aws.known(KEY, server) == "Active" for server in range(SERVERS))
    return f"seed {seed}: it works: {part}" if works else ""


def test_what_is_revoked_works_nowhere_once_it_says_so() -> None:
    assert [said for seed in range(100) if (said := works_on(seed, 120.0))] == []
    assert len([said for seed in range(100) if (said := works_on(seed, 0.0))]) > 10  # with three refusals alone


@pytest.mark.parametrize(
    ("condition", "who"),
    [
        ({}, "whoever else account 444455556666 allows to assume it"),
        ({"ArnLike": {"aws:PrincipalArn": [OUTPUTS.user_arn]}}, ""),
        ({"ArnLike": {"aws:PrincipalArn": [OUTPUTS.user_arn, "arn:x"]}}, "arn:x"),
    ],
)
def test_who_else_gets_in_is_said(condition: dict[str, Any], who: str) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Condition": condition}]}
    outputs = OUTPUTS.model_copy(update={"terms": OUTPUTS.terms.model_copy(update={"trust_policy": trust})})
    assert others_let_in(outputs) == who
    assert ("AWSDenyAll" in what_is_left("x", outputs)) == bool(who)


def test_the_first_thing_said_is_to_commit_the_configuration() -> None:
    told = first_thing("me/assume-role/prod")
    assert "whoever deploys with the Pulumi.prod.yaml that is committed" in told
    assert 'git commit --message "Revoke the keys of stack me/assume-role/prod" Pulumi.prod.yaml && git push' in told
    assert "role chaining" in what_is_left("x", OUTPUTS)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def test_revoked_and_back_again(deployed: Any, aws_client: Callable[..., Any]) -> None:
    outputs = deployed.outputs()
    admin = aws_client(deployed.accounts.trusted, "iam")
    role_admin = aws_client(deployed.accounts.trusting, "iam")
    by_hand = admin.create_access_key(UserName="user-1")["AccessKey"]

    def client(service: str, credentials: dict[str, Any]) -> Any:
        secrets = credentials["SecretAccessKey"], credentials.get("SessionToken")
        return aws_client(credentials["AccessKeyId"], service, *secrets)

    def pair(key: dict[str, Any]) -> dict[str, str]:
        return {"AccessKeyId": key["id"], "SecretAccessKey": key["secret"]}

    def begin(caller: Any) -> dict[str, Any]:
        return caller.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="session")["Credentials"]

    sts = client("sts", pair(outputs["accessKeys"]["1"]))
    old_session = begin(sts)
    old_user_session = sts.get_session_token()["Credentials"]
    client("s3", old_session).list_buckets()
    begin(client("sts", old_user_session))

    done = deployed.python("-m", "tools", "revoke", "--stack", "test", "--yes")

    # Everything that worked before is refused.
    assert refused(sts.get_caller_identity) == "InvalidClientTokenId"
    assert refused(client("sts", by_hand).get_caller_identity) == "InvalidClientTokenId"
    assert refused(client("s3", old_session).list_buckets) == "AccessDenied"
    assert refused(lambda: begin(client("sts", old_user_session))) == "AccessDenied"
    assert done.stdout.index("FIRST: whoever deploys with the Pulumi.test.yaml") < done.stdout.index("is refused after")
    assert "FAILED" not in done.stdout
    assert "UNPROVEN" not in done.stdout
    assert f"key {outputs['accessKeyId']} is refused after " in done.stdout
    assert "a session of role Assume-Role-1 begun before is refused after " in done.stdout
    assert done.stdout.count(" s. It last worked at 20") == 2
    assert outputs["accessKeys"]["1"]["secret"] not in done.stdout + done.stderr
    # The next deployment opens nothing.
    deployed.up()
    keys = admin.list_access_keys(UserName="user-1")["AccessKeyMetadata"]
    assert {key["Status"] for key in keys} == {"Inactive"}
    assert "accessKeyId" not in deployed.recorded()

    # Back again: a new key beside the inactive one; its sessions work, the old one still does not.
    admin.delete_access_key(UserName="user-1", AccessKeyId=by_hand["AccessKeyId"])
    rotated = deployed.python("-m", "tools", "rotate", "--stack", "test", "--yes", check=False)
    assert (rotated.returncode, "is deleted when nothing has used it for 24 hours" in rotated.stderr) == (3, True)
    new = deployed.outputs()["accessKeys"]
    assert {label: key["status"] for label, key in new.items()} == {"1": "Inactive", "2": "Active"}
    issue_time_is_past_the_cut(role_admin)
    new_session = begin(client("sts", pair(new["2"])))
    client("s3", new_session).list_buckets()
    assert refused(client("s3", old_session).list_buckets) == "AccessDenied"

    # As it says: without the refusals, which it names, the old session works again.
    for line in ("aws iam delete-role-policy --role-name", "aws iam delete-user-policy --user-name"):
        assert line in done.stdout
    role_admin.delete_role_policy(RoleName=outputs["roleName"], PolicyName=POLICY_NAME)
    admin.delete_user_policy(UserName="user-1", PolicyName=POLICY_NAME)
    client("s3", old_session).list_buckets()


def issue_time_is_past_the_cut(iam: Any) -> None:
    policy = iam.get_role_policy(RoleName="Assume-Role-1", PolicyName=POLICY_NAME)["PolicyDocument"]
    cut = policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert datetime.now(UTC) >= datetime.fromisoformat(cut)


def test_where_nobody_can_answer_nothing_is_revoked_without_yes(deployed: Any) -> None:
    done = deployed.python("-m", "tools", "revoke", "--stack", "test", check=False)
    assert done.returncode == 2
    assert "--yes answers" in done.stdout
    assert "Nothing was revoked." in done.stdout
