"""Verify, through its command against the emulator; with made-up responses where the emulator cannot show a case."""

import contextlib
import json
import os
import pty
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from components.iam.owner import OWNER_TAG
from tests import factories
from tests.proxy import Fault
from tools.__main__ import main
from tools.aws.callers import Caller, key_caller
from tools.aws.propagation import Delay
from tools.commands import verify
from tools.engine import last_change
from tools.proof import stack
from tools.proof.case import REFUSALS, Case, refused
from tools.proof.checks import all_checks
from tools.proof.refused import refusal_checks
from tools.proof.report import Proof, Row, Verdict
from tools.proof.run import prove, run_check
from tools.proof.works import ASSUME, key_checks, session_checks
from tools.stack import Outputs, read_stack

EXTERNAL_ID = "for-verify-1"
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
TRUSTING, TRUSTED = factories.TRUSTING, factories.TRUSTED
ROLE_ARN = f"arn:aws:iam::{TRUSTING}:role/Assume-Role-1"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*") -> str:
    return policy({"Effect": "Allow", "Action": action, "Resource": resource})


@pytest.fixture(scope="module")
def relation(tmp_path_factory, next_accounts, make_project):
    """Return a deployed project whose role asks for an external id; whoever breaks it repairs it.

    Its configuration was edited since, and not deployed: nothing of that may count.
    """
    project = make_project(tmp_path_factory.mktemp("relation"), next_accounts())
    trusting = {"accountId": project.accounts.trusting, "region": "eu-west-1"}
    project.configure({"trust": {"externalId": EXTERNAL_ID}, "trusting": trusting})
    project.up()
    boundary = {"permissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    project.configure(
        {
            "trusting": {"accountId": project.accounts.other, "region": "eu-central-1"},
            "trusted": "mistyped",
            "role": {**boundary, "policy": {"name": "Other"}, "maxSessionDuration": 7200},
            "user": {**boundary, "policyName": "Other"},
            "trust": {"externalId": "other", "sourceIps": ["192.0.2.0/24"]},
            "tags": {"other": "yes"},
        }
    )
    return project


@pytest.fixture
def call(relation, aws_client):
    """Return a function that calls IAM as an administrator, with the relation's ids in place of the made-up ones."""
    accounts = {TRUSTING: relation.accounts.trusting, TRUSTED: relation.accounts.trusted}

    def call(account, operation, parameters):
        text = json.dumps(parameters)
        for made_up, own in {**accounts, "AKIAONE": relation.recorded()["accessKeyId"]}.items():
            text = text.replace(made_up, own)
        return getattr(aws_client(accounts[account], "iam"), operation)(**json.loads(text))

    return call


def enter(relation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process call the CLI as a command in the project does."""
    monkeypatch.chdir(relation.path)
    for name, value in relation.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def relation_as_read(relation):
    """Return what verify reads of the relation: its outputs, and its configuration."""
    with pytest.MonkeyPatch.context() as patch:
        enter(relation, patch)
        return read_stack("test")


@pytest.fixture
def verify_here(relation_as_read, monkeypatch, capsys):
    """Return a function that runs verify in this process, on the outputs as read once or on others.

    For proofs that differ in what AWS says. It returns the exit code and what was printed.
    """
    as_read, config = relation_as_read

    def run(*options, outputs=as_read, **configured):
        monkeypatch.setattr(stack, "read_stack", lambda _: (outputs, {**config, **configured}))
        return main(["verify", "--stack", "test", *options]), capsys.readouterr()

    return run


def proof(project, *options: str, **given: Any) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Return the exit code, the rows by check, and all that was printed."""
    done = project.python("-m", "tools", "verify", "--stack", "test", "--json", *options, check=False, **given)
    assert done.stdout, done.stderr
    return done.returncode, rows_by_check(done.stdout), done.stdout + done.stderr


def rows_by_check(report: str) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in json.loads(report)["rows"]}


# --- A relationship that is right ---


def test_what_is_right_is_proven_with_no_secret_shown_and_nothing_left_behind(relation, aws_client):
    code, rows, printed = proof(relation, "--write", "--save", "proofs/test.json")
    unproven = {name: row["verdict"] for name, row in rows.items() if row["verdict"] != "proven"}
    assert unproven == {"user's other credentials": "not checked"}, rows  # calls that the emulator lacks
    assert code == 0
    assert {"key 1", ASSUME, "session", "allowed: s3:ListAllMyBuckets", "not allowed", "write to S3"} <= rows.keys()
    assert {"wrong external id", "no external id", "another account", "another user", "another role"} <= rows.keys()

    saved = relation.path / "proofs/test.json"
    outputs, report = relation.outputs(), json.loads(saved.read_text())
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert outputs["secretAccessKey"] not in printed
    assert (report["stack"], report["verdict"], list(rows.values())) == ("test", "proven", report["rows"])
    fields = {"id", "check", "expected", "observed", "seconds", "verdict", "advice", "needs_person"}
    assert {frozenset(row) for row in report["rows"]} == {frozenset(fields)}  # by which scripts know them
    assert sum(row["seconds"] for row in report["rows"]) < report["seconds"]
    assert datetime.fromisoformat(report["time"]) <= datetime.now(UTC)
    (key,) = report["keys"]
    assert (key["label"], key["id"], key["status"], key["ageDays"]) == ("1", outputs["accessKeyId"], "Active", 0)

    trusting = relation.accounts.trusting
    assert aws_client(trusting, "s3").list_buckets()["Buckets"] == []
    assert [role["RoleName"] for role in aws_client(trusting, "iam").list_roles()["Roles"]] == ["Assume-Role-1"]
    users = aws_client(relation.accounts.trusted, "iam").list_users()["Users"]
    assert [user["UserName"] for user in users] == ["user-1"]


# --- Broken on purpose ---


def trust(
    principal: str = f"arn:aws:iam::{TRUSTED}:root", *, external_id: bool = True, **elements: Any
) -> dict[str, Any]:
    """Return the arguments that set the role's trust policy: by default to what was deployed."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    statement |= {"Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}} if external_id else {}
    return ROLE | {"PolicyDocument": policy(statement | elements)}


def version(arn: str, document: str) -> dict[str, Any]:
    return {"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": True}


ROLE, USER, KEY = (
    {"RoleName": "Assume-Role-1"},
    {"UserName": "user-1"},
    {"UserName": "user-1", "AccessKeyId": "AKIAONE"},
)
ROLE_POLICY = f"arn:aws:iam::{TRUSTING}:policy/Custom-Policy-For-Role-1"
USER_POLICY = f"arn:aws:iam::{TRUSTED}:policy/Custom-Assume-Role-Policy"
COPY = f"arn:aws:iam::{TRUSTING}:policy/A-Copy"
INLINE, MEMBER = USER | {"PolicyName": "more"}, USER | {"GroupName": "people"}


def other_trust(*named: str, **changes: Any) -> tuple[list[Any], list[Any], set[str]]:
    call = (TRUSTING, "update_assume_role_policy")
    return [(*call, trust(**changes))], [(*call, trust())], {*named}


# What is broken: the calls that break it, those that repair it, and the checks that it disproves.
BREAKAGES: dict[str, tuple[list[Any], list[Any], set[str]]] = {
    "policy detached from role": (
        [(TRUSTING, "detach_role_policy", ROLE | {"PolicyArn": ROLE_POLICY})],
        [(TRUSTING, "attach_role_policy", ROLE | {"PolicyArn": ROLE_POLICY})],
        {"role's policies", "allowed: s3:ListAllMyBuckets"},
    ),
    "policy detached from user": (
        [(TRUSTED, "detach_user_policy", USER | {"PolicyArn": USER_POLICY})],
        [(TRUSTED, "attach_user_policy", USER | {"PolicyArn": USER_POLICY})],
        {"user's policies", ASSUME},
    ),
    "another account trusted": other_trust("trust policy", ASSUME, principal="arn:aws:iam::999999999999:root"),
    "root of another partition trusted": other_trust("trust policy", principal=f"arn:aws-cn:iam::{TRUSTED}:root"),
    "everybody trusted": other_trust("trust policy", "another account", principal="*"),
    "external id dropped": other_trust("trust policy", "wrong external id", "no external id", external_id=False),
    "session tags allowed": other_trust("trust policy", "session tags", Action=["sts:AssumeRole", "sts:TagSession"]),
    "key inactive": (
        [(TRUSTED, "update_access_key", KEY | {"Status": "Inactive"})],
        [(TRUSTED, "update_access_key", KEY | {"Status": "Active"})],
        {"key 1", "user's keys"},
    ),
    "role may do anything": (
        [(TRUSTING, "create_policy_version", version(ROLE_POLICY, allow("*")))],
        [(TRUSTING, "create_policy_version", version(ROLE_POLICY, allow("s3:*")))],
        {"role's policies", "not allowed"},
    ),
    "user may assume any role": (
        [(TRUSTED, "create_policy_version", version(USER_POLICY, allow("sts:AssumeRole")))],
        [(TRUSTED, "create_policy_version", version(USER_POLICY, allow("sts:AssumeRole", ROLE_ARN)))],
        {"user's policies", "another role"},
    ),
    "user has another policy": (
        [(TRUSTED, "put_user_policy", INLINE | {"PolicyDocument": allow("s3:*")})],
        [(TRUSTED, "delete_user_policy", INLINE)],
        {"user's policies", "key alone: s3:ListAllMyBuckets"},
    ),
    "user in a group": (
        [(TRUSTED, "create_group", {"GroupName": "people"}), (TRUSTED, "add_user_to_group", MEMBER)],
        [(TRUSTED, "remove_user_from_group", MEMBER)],
        {"user's limits"},
    ),
    "longer sessions": (
        [(TRUSTING, "update_role", ROLE | {"MaxSessionDuration": 43200})],
        [(TRUSTING, "update_role", ROLE | {"MaxSessionDuration": 3600})],
        {"role's limits"},
    ),
    "password and a copy of the policy": (
        [
            (TRUSTED, "create_login_profile", USER | {"Password": "Correct-horse-7"}),
            (TRUSTING, "create_policy", {"PolicyName": "A-Copy", "PolicyDocument": allow("s3:*")}),
            (TRUSTING, "attach_role_policy", ROLE | {"PolicyArn": COPY}),
        ],
        [(TRUSTED, "delete_login_profile", USER), (TRUSTING, "detach_role_policy", ROLE | {"PolicyArn": COPY})],
        {"user's password", "role's policies"},
    ),
}


@pytest.mark.parametrize("broken", BREAKAGES)
def test_what_is_broken_is_named(broken, call, verify_here):
    breaking, repairing, named = BREAKAGES[broken]
    for each in breaking:
        call(*each)
    code, printed = verify_here("--json", "--timeout", "0")
    for each in repairing:
        call(*each)
    rows = rows_by_check(printed.out)
    assert ({name for name, row in rows.items() if row["verdict"] == "disproven"}, code) == (named, 1), rows
    assert all(row["advice"] for row in rows.values() if row["verdict"] != "proven")


def test_session_tags_are_passed_where_both_policies_allow_them(standing, aws_client):
    standing.configure({"trust": {"sessionTags": True, "externalId": EXTERNAL_ID}})
    standing.up()
    code, rows, _ = proof(standing)
    assert (code, rows["session tags"]["verdict"], rows["session tags"]["observed"]) == (0, "proven", "passed")
    without = policy(standing.terms()["trustPolicy"]["Statement"][0])
    aws_client(standing.accounts.trusting, "iam").update_assume_role_policy(**ROLE, PolicyDocument=without)
    code, rows, _ = proof(standing)
    disproven = {name for name, row in rows.items() if row["verdict"] == "disproven"}
    assert (code, disproven) == (1, {"trust policy", "session tags"})


def denying(**statement: Any) -> str:
    return policy({"Effect": "Deny", "Resource": "*", **statement})


def older_than(date: str) -> dict[str, Any]:
    return {"DateLessThan": {"aws:TokenIssueTime": date}}


@pytest.mark.parametrize(
    ("kind", "document", "verdict"),
    [
        ("role", denying(Action="*", Condition=older_than("2020-01-01T00:00:00Z")), "warning"),
        ("user", denying(Action=["*"], Sid="Older", Condition=older_than("2020-01-01T00:00:00Z")), "warning"),
        ("role", denying(Action="*", Condition=older_than("2999-01-01T00:00:00Z")), "disproven"),
        ("role", denying(NotAction=["s3:ListAllMyBuckets", "iam:*", "sts:*"]), "disproven"),
        ("role", denying(Action="s3:PutObject"), "disproven"),
        ("user", denying(Action="s3:*"), "disproven"),
        ("user", denying(Action="*", Condition={"DateLessThan": {"aws:CurrentTime": "2020-01-01"}}), "disproven"),
    ],
)
def test_of_inline_policies_that_deny_only_a_revocation_is_a_warning(kind, document, verdict, call, verify_here):
    account, inline = (TRUSTING, ROLE) if kind == "role" else (TRUSTED, USER)
    inline = inline | {"PolicyName": "p"}
    call(account, f"put_{kind}_policy", inline | {"PolicyDocument": document})
    code, printed = verify_here("--json")
    call(account, f"delete_{kind}_policy", inline)
    rows = rows_by_check(printed.out)
    assert (rows[f"{kind}'s policies"]["verdict"], code) == (verdict, 1 if verdict == "disproven" else 0), rows


def test_a_tag_is_a_warning_and_the_owner_tag_of_another_stack_is_disproven(relation, call, verify_here):
    own = relation.terms()["tags"][OWNER_TAG]
    call(TRUSTING, "tag_role", ROLE | {"Tags": [{"Key": "team", "Value": "x"}]})
    code, printed = verify_here("--json")
    call(TRUSTING, "untag_role", ROLE | {"TagKeys": ["team"]})
    rows = rows_by_check(printed.out)
    assert (code, rows["owner"]["observed"]) == (0, own)
    assert (rows["tags"]["verdict"], rows["tags"]["observed"]) == ("warning", "not as deployed: role's tag team")

    for kind, named in (("role", ROLE), ("policy", {"PolicyArn": ROLE_POLICY})):
        other = "organization/assume-role/other/assume-role"
        call(TRUSTING, f"tag_{kind}", named | {"Tags": [{"Key": OWNER_TAG, "Value": other}]})
        code, printed = verify_here("--json")
        call(TRUSTING, f"tag_{kind}", named | {"Tags": [{"Key": OWNER_TAG, "Value": own}]})
        row = rows_by_check(printed.out)["owner"]
        assert (code, row["verdict"]) == (1, "disproven")
        assert re.fullmatch(f"{kind} .* belongs to {other}", row["observed"])


def test_a_sid_is_a_difference_in_text_only(call, verify_here):
    call(TRUSTING, "update_assume_role_policy", trust(Sid="ByHand"))
    code, printed = verify_here("--json")
    call(TRUSTING, "update_assume_role_policy", trust())
    assert (code, rows_by_check(printed.out)["trust policy"]["verdict"]) == (0, "warning")


def test_the_accounts_of_another_partition_are_not_checked_on_an_emulator(project):
    for side in ("trusting", "trusted"):
        project.configure({side: {"accountId": getattr(project.accounts, side), "region": "cn-north-1"}})
    project.up()
    code, rows, _ = proof(project)
    assert (code, {row["verdict"] for row in rows.values()}) == (0, {"proven", "not checked"})
    assert {rows[name]["verdict"] for name in (ASSUME, "role's policies", "session")} == {"not checked"}
    assert rows["trust policy"]["verdict"] == "proven"


def test_it_waits_for_a_key_that_works_only_later_and_says_so(relation, call):
    call(TRUSTED, "update_access_key", KEY | {"Status": "Inactive"})
    process = subprocess.Popen(
        ["python", "-m", "tools", "verify", "--stack", "test", "--timeout", "60"],
        cwd=relation.path,
        env=relation.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = next(line for line in process.stderr if "emulator" not in line)  # comes once the key was refused
    call(TRUSTED, "update_access_key", KEY | {"Status": "Active"})
    printed, _ = process.communicate(timeout=60)
    assert "InvalidClientTokenId" in said
    assert "trying for" in said
    assert process.returncode == 0, printed
    assert printed.splitlines()[0].startswith("proven          key 1: ")
    assert re.fullmatch(r"Stack test is proven \(.*; \d+\.\d s\)\.", printed.splitlines()[-1])


def test_right_after_a_deployment_nothing_is_final_and_a_refresh_that_found_nothing_is_no_change(relation, monkeypatch):
    enter(relation, monkeypatch)
    deployed = last_change("test", since=NEVER)
    relation.pulumi("refresh", "--yes", "--skip-preview")
    assert deployed == last_change("test", since=NEVER)
    assert deployed
    assert deployed < datetime.now(UTC)
    assert last_change("test", since=datetime.now(UTC)) is None

    code, rows, _ = proof(relation, "--spreading", "3600", "--timeout", "5")
    assert code == 2
    assert {row["verdict"] for name, row in rows.items() if "credentials" not in name} == {"could not tell"}
    assert rows[ASSUME]["observed"] == "could not tell yet: assumed"
    assert re.search(r"Run it again after \d\d:\d\d:\d\d UTC$", rows[ASSUME]["advice"])
    assert rows["another user"]["observed"] == "could not tell yet"


# --- What cannot be determined ---


@pytest.mark.parametrize("stack", ["test", "nosuch"])
def test_a_stack_that_was_never_deployed_cannot_be_told(project, stack):
    (project.path / "Pulumi.nosuch.yaml").write_text(project.stack_file.read_text())
    done = project.python("-m", "tools", "verify", "--stack", stack, "--json", check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["keys"]) == (2, "could not tell", [])
    assert ("nosuch" if stack == "nosuch" else "make up") in report["rows"][0]["advice"]


def test_on_a_terminal_of_80_columns_what_is_proven_is_a_line_and_the_rest_is_told_in_full(relation):
    ours, its = pty.openpty()
    with subprocess.Popen(
        ["python", "-m", "tools", "verify", "--stack", "test"],
        cwd=relation.path,
        env={**relation.environment, "TERM": "xterm", "COLUMNS": "80"},
        stdout=its,
        stderr=subprocess.DEVNULL,
    ):
        os.close(its)
        shown = b"".join(read_until_closed(ours)).decode()
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("proven") and not re.match(r"proven {10}\S", line)] == []
    told = " ".join(line.strip() for line in lines)
    assert "not listed: SSH public keys, signing certificates, service credentials Expected: none Only " in told
    assert "Only real AWS lists them: emulators lack the calls." in told


def read_until_closed(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while chunk := os.read(terminal, 4096):
            yield chunk
    os.close(terminal)


def test_a_cli_that_dies_after_it_printed_the_secret_is_not_quoted(tmp_path, monkeypatch, capsys):
    secret, saved, cli = "wJalrXUtnFEMI", tmp_path / "proof.json", tmp_path / "pulumi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for ending in ("exit 3", "true"):
        cli.write_text(f"#!/bin/sh\necho secretAccessKey {secret}\n{ending}\n")
        cli.chmod(0o700)
        assert main(["verify", "--stack", "test", "--save", str(saved)]) == 2
        printed = capsys.readouterr()
        assert secret not in printed.out + printed.err + saved.read_text()
        assert ("exit code 3" if ending == "exit 3" else "no JSON") in printed.out
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_a_report_that_cannot_be_saved_is_a_sentence_and_hides_no_failure(monkeypatch, capsys):
    for verdict, code in (("proven", 2), ("could not tell", 2), ("disproven", 1)):
        proof = report_of(Verdict(verdict))
        monkeypatch.setattr(verify, "prove_stack", lambda _, proof=proof, **__: proof)
        assert main(["verify", "--stack", "test", "--save", "/dev/null/proof.json"]) == code
        assert "error: /dev/null/proof.json cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mfa-serial", "arn:aws:iam::444455556666:mfa/phone"], "--mfa-serial and --mfa-code go together"),
        (["--mfa-code", "123456"], "--mfa-serial and --mfa-code go together"),
        (["--timeout", "inf"], "inf has no end"),
    ],
)
def test_half_of_an_mfa_sign_in_and_an_endless_wait_are_refused(options, words, capsys):
    with contextlib.suppress(SystemExit):
        assert main(["verify", "--stack", "test", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_rotation_under_way_is_said_and_nothing_is_to_be_put_back(call, verify_here):
    key = call(TRUSTED, "create_access_key", USER)["AccessKey"]["AccessKeyId"]
    code, unexpected = verify_here("--timeout", "0")
    assert (code, f"{key} is not the stack's" in unexpected.out) == (1, True)
    code, printed = verify_here("--timeout", "0", accessKeys=[{"label": "1"}, {"label": "2"}])
    call(TRUSTED, "delete_access_key", USER | {"AccessKeyId": key})
    assert code == 1
    assert re.search(r"warning +state: .* a rotation is under way", printed.out)
    assert "make rotate STACK=test" in printed.out
    assert "--refresh" not in printed.out


def test_a_stack_that_was_imported_and_not_deployed_is_an_adoption(standing):
    state = json.loads(standing.state())
    state["checkpoint"]["latest"]["resources"][0]["outputs"] = {}
    standing.state_file.write_text(json.dumps(state))
    code, rows, _ = proof(standing)
    assert (code, list(rows)) == (2, ["state"])
    assert "an adoption is under way" in rows["state"]["observed"]
    assert rows["state"]["advice"] == "Finish it:\n  make up STACK=test"


def test_a_stopped_emulator_cannot_be_told(relation_as_read, verify_here, free_port):
    nobody = f"http://127.0.0.1:{free_port()}"
    outputs, _ = relation_as_read
    terms = replace(outputs.terms, endpoint=nobody)
    code, printed = verify_here(outputs=outputs.model_copy(update={"terms": terms}))
    assert code == 2
    assert f"No AWS emulator answers at {nobody}. Start it and deploy:\n" in printed.out


def test_mfa_is_proven_as_far_as_an_emulator_can(project):
    project.configure({"trust": {"requireMfa": True}})
    project.up()
    code, rows, _ = proof(project)
    assert code == 2
    assert rows["no MFA"]["verdict"] == "proven"
    assert rows[ASSUME]["verdict"] == "could not tell"
    assert "only real AWS" in rows[ASSUME]["advice"]
    assert "mfa_serial = arn:aws:iam::" in project.outputs()["awsConfig"]


# --- Secrets that the stack does not have ---


def without_secret(outputs: Outputs, **more: Any) -> Outputs:
    encrypted = more.get("encrypted_secret_access_key")
    update = {"secret": None, "encrypted_secret": encrypted}
    keys = {label: key.model_copy(update=update) for label, key in outputs.access_keys.items()}
    return outputs.model_copy(update={"access_keys": keys, "secret_access_key": None, **more})


def test_a_decrypted_secret_comes_on_standard_input(relation_as_read, verify_here, monkeypatch):
    outputs, _ = relation_as_read
    encrypted = without_secret(outputs, encrypted_secret_access_key="wcBMA0")
    code, printed = verify_here(outputs=encrypted)
    assert code == 2
    assert "gpg --decrypt | make verify STACK=test ARGS=--secret-stdin" in printed.out

    assert outputs.secret_access_key
    given = outputs.secret_access_key.get_secret_value()
    for text, expected in ((f"{given}\n", 0), ("wrong-" + given, 1), ("", 2)):
        with subprocess.Popen(["printf", "%s", text], stdout=subprocess.PIPE, text=True) as source:
            monkeypatch.setattr("sys.stdin", source.stdout)
            code, printed = verify_here("--secret-stdin", outputs=encrypted)
        assert code == expected
        assert given not in printed.out + printed.err


@pytest.mark.parametrize("kind", ["secretsmanager", "ssm"])
def test_a_stored_secret_is_read_from_its_store(kind, relation, relation_as_read, verify_here, aws_client):
    outputs, _ = relation_as_read
    assert outputs.secret_access_key
    given = outputs.secret_access_key.get_secret_value()
    store = aws_client(relation.accounts.trusted, kind)

    def put(name, key_id):
        text = json.dumps({"accessKeyId": key_id, "secretAccessKey": given})
        if kind == "secretsmanager":
            return store.create_secret(Name=name, SecretString=text)["ARN"]
        store.put_parameter(Name=f"/{name}", Value=text, Type="SecureString")
        return store.get_parameter(Name=f"/{name}")["Parameter"]["ARN"]

    for name, key_id, expected in (("right", outputs.access_key_id, 0), ("other", "AKIAOTHER", 1)):
        code, printed = verify_here(outputs=without_secret(outputs, secret_location=put(name, key_id)))
        assert code == expected
        assert "stored key" in printed.out
        assert given not in printed.out + printed.err


def test_a_secret_that_was_deleted_is_restored_within_its_recovery_window(
    relation, relation_as_read, verify_here, aws_client
):
    outputs, _ = relation_as_read
    store = aws_client(relation.accounts.trusted, "secretsmanager")
    arn = store.create_secret(Name="deleted", SecretString="{}")["ARN"]
    store.delete_secret(SecretId=arn)
    code, printed = verify_here(outputs=without_secret(outputs, secret_location=arn))
    assert code == 2
    assert f"\n                  aws secretsmanager restore-secret --secret-id {arn}\n" in printed.out


# --- What an emulator cannot show ---


class Aws:
    """A client whose calls answer, or fail with, what was made up for them: the last answer stays."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self.calls.append((name, parameters))
            answers = self.answers[name]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation: str) -> Any:
        return type("Paginator", (), {"paginate": lambda _, **parameters: [getattr(self, operation)(**parameters)]})()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def delay(self) -> Delay:
        return Delay(timeout=90.0, report=self.said.append, clock=lambda: self.now, sleep=self.sleep)


def clients(aws: Aws) -> dict[tuple[str, str | None], Any]:
    return dict.fromkeys([("sts", "us-east-1"), ("s3", None), ("iam", None)], aws)


def fails(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


def made_up(time: Time, *, key: Aws | None = None, role: Aws | None = None, **terms: Any) -> Case:
    """Return a case whose key and role call made-up clients."""
    made: dict[str, Any] = {"trustingRegion": "eu-west-1", "trustedRegion": "us-east-1", "maxSessionDuration": 3600}
    keys = {"1": {"id": "AKIAONE", "status": "Active"}}
    outputs = factories.outputs(
        accessKeyId="AKIAONE", secretAccessKey=None, accessKeys=keys, terms={**made, "trustPolicy": {}, **terms}
    )
    case = Case(stack="test", outputs=outputs, config={}, delay=time.delay(), secrets={"1": SecretStr("s")})
    session: Any = None
    if key:
        case.callers["1"] = Caller(session=session, endpoint=None, clients=clients(key))
    if role:
        case.session = Caller(session=session, endpoint=None, clients=clients(role))
        case.session_seconds = 3600.0
    return case


def report_of(*verdicts: Verdict) -> Proof:
    rows = tuple(Row(verdict, "o", id="c", check="c", expected="e") for verdict in verdicts)
    return Proof(stack="test", time=NEVER, rows=rows)


def row(case: Case, name: str) -> Row:
    return run_check(next(check for check in all_checks(case) if check.name == name), case)


def administered(case: Case, **answers: list[Any]) -> Case:
    """Let both accounts' administrators hear made-up answers."""
    session: Any = None
    iam = Aws(**answers)
    for side in ("trusting", "trusted"):
        case.callers[f"{side} account"] = Caller(session=session, endpoint=None, clients=clients(iam))
    return case


def test_a_new_key_is_asked_again_with_growing_pauses_until_aws_knows_it():
    time = Time()
    identity = {"Arn": f"arn:aws:iam::{TRUSTED}:user/user-1", "Account": TRUSTED}
    sts = Aws(get_caller_identity=[*[fails("InvalidClientTokenId")] * 4, identity])
    assert row(made_up(time, key=sts), "key 1").verdict is Verdict.PROVEN
    assert time.now == 0.5 + 1 + 2 + 4
    assert len(time.said) == 4
    assert "86 s more" in time.said[-1]  # 3.5 of 90 s have passed


def test_positive_checks_wait_no_longer_than_the_bound_in_all():
    time = Time()
    case = made_up(
        time, key=Aws(get_caller_identity=[fails("InvalidClientTokenId")], assume_role=[fails("AccessDenied")])
    )
    assert row(case, "key 1").verdict is Verdict.DISPROVEN
    assert time.now == 90
    assert row(case, ASSUME).verdict is Verdict.DISPROVEN
    assert time.now == 90


def test_what_waiting_does_not_mend_is_not_waited_for():
    time = Time()
    wrong = row(made_up(time, key=Aws(get_caller_identity=[fails("SignatureDoesNotMatch")])), "key 1")
    busy = row(made_up(time, key=Aws(get_caller_identity=[fails("Throttling")])), "key 1")
    assert (wrong.verdict, busy.verdict, time.now) == (Verdict.DISPROVEN, Verdict.UNKNOWN, 0)


def test_the_key_of_another_user_is_disproven():
    sts = Aws(get_caller_identity=[{"Arn": f"arn:aws:iam::{TRUSTED}:user/other", "Account": TRUSTED}])
    assert row(made_up(Time(), key=sts), "key 1").verdict is Verdict.DISPROVEN


@pytest.mark.parametrize(
    ("answers", "verdict", "calls"),
    [
        ([fails("AccessDenied")], Verdict.PROVEN, REFUSALS),
        ([fails("UnauthorizedOperation")], Verdict.PROVEN, REFUSALS),
        ([fails("AccessDenied"), fails("AccessDenied"), {}], Verdict.DISPROVEN, 3),
        ([{}], Verdict.DISPROVEN, 1),
        ([fails("AccessDenied"), fails("ServiceUnavailable")], Verdict.UNKNOWN, 2),
        ([fails("InvalidClientTokenId"), fails("InvalidAccessKeyId"), fails("AccessDenied")], Verdict.PROVEN, 5),
        ([fails("InvalidClientTokenId")], Verdict.UNKNOWN, 14),  # a key that never propagates
    ],
)
def test_a_negative_check_must_be_refused_every_time_and_in_so_many_words(answers, verdict, calls):
    iam = Aws(list_users=list(answers))
    assert refused(made_up(Time()), iam.list_users, advice="x").verdict is verdict
    assert len(iam.calls) == calls


def test_a_negative_check_counts_only_after_the_positive_one_passed():
    case = made_up(
        Time(), key=Aws(get_caller_identity=[fails("InvalidClientTokenId")], list_users=[fails("AccessDenied")])
    )
    rows = {row.check: row for row in prove(case, [*key_checks(case), *session_checks(case), *refusal_checks(case)])}
    assert rows["key 1"].verdict is Verdict.DISPROVEN
    assert {row.verdict for name, row in rows.items() if name != "key 1"} == {Verdict.UNKNOWN}
    assert "'key 1'" in rows[ASSUME].advice


NOON = "Thu, 01 Jan 2026 12:00:00 GMT"


def granted() -> dict[str, Any]:
    """Return what AssumeRole answers at noon, for an hour."""
    credentials = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t"}
    return {
        "Credentials": credentials | {"Expiration": datetime(2026, 1, 1, 13, tzinfo=UTC)},
        "ResponseMetadata": {"HTTPHeaders": {"date": NOON}},
    }


def test_a_session_is_asked_for_with_the_code_of_mfa():
    sts = Aws(assume_role=[granted()])
    case = made_up(Time(), key=sts, requireMfa=True, externalId="x-1")
    assert "--mfa-serial arn:aws:iam::444455556666:mfa/NAME --mfa-code CODE" in row(case, ASSUME).advice
    assert sts.calls == []
    case.mfa = {"SerialNumber": "arn:aws:iam::444455556666:mfa/phone", "TokenCode": "123456"}
    assert row(case, ASSUME).verdict is Verdict.PROVEN
    ((_, sent),) = sts.calls
    assert (sent["SerialNumber"], sent["TokenCode"], sent["ExternalId"]) == (case.mfa["SerialNumber"], "123456", "x-1")
    assert row(case, "session length").observed == "3600 s"  # by AWS's clock, not by this machine's

    sts.answers["assume_role"] = [fails("AccessDenied")]
    assert row(case, "no MFA").verdict is Verdict.PROVEN
    assert "TokenCode" not in sts.calls[-1][1]


def test_a_used_up_code_of_mfa_is_neither_waited_for_nor_blamed_on_the_role():
    time = Time()
    message = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    case = made_up(time, key=Aws(assume_role=[fails("AccessDenied", message)]), requireMfa=True)
    case.mfa = {"SerialNumber": "arn:aws:iam::444455556666:mfa/phone", "TokenCode": "123456"}
    found = row(case, ASSUME)
    assert (found.verdict, time.now) == (Verdict.UNKNOWN, 0)
    assert "next code" in found.advice


def test_an_address_that_is_not_let_in_proves_nothing():
    trusted = factories.trust(IpAddress={"aws:SourceIp": ["192.0.2.0/24"]})
    case = made_up(Time(), key=Aws(assume_role=[fails("AccessDenied")]), trustPolicy=trusted)
    found = row(case, ASSUME)
    assert (found.verdict, "192.0.2.0/24" in found.advice) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(fails("ValidationError"), Verdict.PROVEN), ({}, Verdict.DISPROVEN), (fails("Throttling"), Verdict.UNKNOWN)],
)
def test_on_aws_a_longer_session_than_allowed_must_be_refused(answer, verdict):
    sts = Aws(assume_role=[answer])
    found = row(made_up(Time(), key=sts, role=Aws()), "session length")
    assert found.verdict is verdict
    assert sts.calls[0][1]["DurationSeconds"] == 3601


@pytest.mark.parametrize("sts", ["eu-west-1", None])
def test_sts_is_called_where_the_handed_over_profile_signs_in(sts, proxy):
    case = made_up(Time(), trustingRegion="af-south-1", trustedRegion="af-south-1", stsRegion=sts, endpoint=proxy.url)
    row(case, "key 1")
    assert {call.region for call in proxy.calls} == {sts or "us-east-1"}


def test_a_clock_that_is_off_disproves_nothing():
    skewed = fails("SignatureDoesNotMatch")
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=1200), usegmt=True)
    skewed.response["ResponseMetadata"] = {"HTTPHeaders": {"date": date}}  # type: ignore[typeddict-item]
    case = administered(made_up(Time(), key=Aws(get_caller_identity=[skewed])), get_role=[skewed])
    for name in ("key 1", "trust policy"):
        found = row(case, name)
        assert found.verdict is Verdict.UNKNOWN
        assert re.fullmatch(r"SignatureDoesNotMatch: your clock is off by 1\d\d\d s", found.observed)
    assert refused(made_up(Time()), Aws(list_users=[skewed]).list_users).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("check", "call"), [("another user", "create_user"), ("another role", "create_role")])
def test_where_the_verifier_may_not_create_what_it_needs_it_is_not_tried(check, call):
    case = administered(made_up(Time(), endpoint="http://127.0.0.1:1"), **{call: [fails("AccessDenied")]})
    found = row(case, check)
    assert (found.verdict, found.observed) == (Verdict.NOT_CHECKED, "not tried: AccessDenied: no")


@pytest.mark.parametrize(("pages", "left"), [(1, 0), (9, 1)])
def test_a_web_page_in_place_of_an_answer_leaves_nothing_temporary_behind_unnamed(
    pages, left, relation_as_read, verify_here, proxy
):
    outputs, _ = relation_as_read
    terms = replace(outputs.terms, endpoint=proxy.url)
    for action in ("DeleteUser", "DeleteRole"):
        proxy.plan(action, *[Fault.WEB_PAGE] * pages)
    code, printed = verify_here(outputs=outputs.model_copy(update={"terms": terms}))
    assert code == (2 if left else 0)
    iam = key_caller(outputs.trusted_account_id, "any", region="us-east-1", endpoint=proxy.url).client("iam")
    users = iam.list_users()["Users"]
    names = [user["UserName"] for user in users if user["UserName"] != "user-1"]
    assert len(names) == left
    assert all(f"Remove user {name} by hand" in printed.out for name in names)


IDS = """key-1 trust-policy roles-policies roles-limits users-policies users-limits users-keys users-password
users-other-credentials owner tags assume-role session session-length allowed:s3:ListAllMyBuckets not-allowed
write-to-S3 key-alone:iam:ListUsers key-alone:s3:ListAllMyBuckets wrong-external-id no-external-id no-MFA session-tags
another-account another-user another-role age-of-key-1"""


def test_the_ids_of_rows_stay_as_scripts_know_them():
    case = made_up(Time(), externalId="x-1", requireMfa=True, endpoint="http://127.0.0.1:1")
    case.write = True
    assert [check.id for check in all_checks(case)] == IDS.split()
    closed = case.outputs.access_keys["1"].model_copy(update={"deployed": "Inactive", "label": "old one"})
    outputs = case.outputs.model_copy(update={"access_keys": {"old one": closed}, "access_key_id": None})
    ids = [check.id for check in all_checks(replace(case, outputs=outputs))]
    assert ids[:2] == ["inactive-key-old-one", "active-key"]
    declared = {"accessKeys": [{"label": "old one", "status": "Inactive"}]}
    assert next(check.id for check in all_checks(replace(case, outputs=outputs, config=declared))) == "state"


def test_another_call_is_tried_where_the_policy_allows_to_list_users():
    permission = json.loads(policy({"Effect": "Allow", "Action": ["iam:List*", "s3:Get*"], "Resource": "*"}))
    role = Aws(list_buckets=[fails("AccessDenied")])
    found = row(made_up(Time(), role=role, permissionPolicy=permission), "not allowed")
    assert found.verdict is Verdict.PROVEN
    assert found.observed.startswith("the policy allows iam:ListUsers; s3:ListAllMyBuckets refused")


def test_services_without_a_harmless_read_are_named_and_do_no_harm():
    permission = json.loads(policy({"Effect": "Allow", "Action": ["s3:GetObject", "braket:*"], "Resource": "*"}))
    found = row(made_up(Time(), permissionPolicy=permission), "other permissions")
    assert found.verdict is Verdict.NOT_CHECKED
    assert "braket, s3" in found.observed


@pytest.mark.parametrize("removed", [{}, fails("SlowDown")])
def test_the_bucket_is_removed_when_writing_fails_or_named(removed):
    s3 = Aws(create_bucket=[{}], put_object=[fails("InternalError")], delete_object=[{}], delete_bucket=[removed])
    case = made_up(Time(), role=s3)
    case.write = True
    found = row(case, "write to S3")
    assert found.verdict is Verdict.UNKNOWN
    made, *_, last = s3.calls
    bucket = made[1]["Bucket"]
    assert made[1]["CreateBucketConfiguration"] == {"LocationConstraint": "eu-west-1"}
    assert last == ("delete_bucket", {"Bucket": bucket})
    assert (f"Remove bucket {bucket} by hand" in found.advice) == bool(removed)


def test_a_key_whose_secret_nobody_has_is_disproven():
    case = made_up(Time(), key=Aws())
    case.secrets.clear()
    found = row(case, "key 1")
    assert found.verdict is Verdict.DISPROVEN
    assert "no secret of AKIAONE, encrypted or not" in found.observed
    assert "accessKeys" in found.advice


BOUNDARY = "arn:aws:iam::111122223333:policy/Boundary"
BOUNDED = {"PermissionsBoundary": {"PermissionsBoundaryArn": BOUNDARY}, "MaxSessionDuration": 3600}
BOUND_ROLE = {"get_role": [{"Role": BOUNDED}]}
TAGS = [{"Key": "aws:cloudformation:stack-id", "Value": "x"}, {"Key": "team", "Value": "audit"}]
GROUPS = {"list_groups_for_user": [{"Groups": [{"GroupName": "people"}]}], "get_user": [{"User": BOUNDED}]}
TAGGED = {"get_role": [{"Role": {"Tags": TAGS}}], "get_user": [{"User": {"Tags": TAGS[:1]}}]}


@pytest.mark.parametrize(
    ("check", "iam", "terms", "verdict", "said"),
    [
        ("role's limits", BOUND_ROLE, {"permissionsBoundaries": {"role": BOUNDARY}}, Verdict.PROVEN, "as deployed"),
        ("role's limits", BOUND_ROLE, {}, Verdict.DISPROVEN, f"{BOUNDARY}, and the stack says none"),
        ("role's limits", BOUND_ROLE, {"maxSessionDuration": 7200}, Verdict.DISPROVEN, "7200 s; the permissions bound"),
        ("user's limits", GROUPS, {}, Verdict.DISPROVEN, "people"),
        ("user's limits", GROUPS, {}, Verdict.DISPROVEN, BOUNDARY),
        ("tags", TAGGED, {"tags": {"team": "audit"}}, Verdict.WARNING, "not as deployed: user's tag team"),
    ],
)
def test_what_stands_in_the_accounts_is_compared_with_what_was_deployed(check, iam, terms, verdict, said):
    found = row(administered(made_up(Time(), **{"permissionsBoundaries": {}, **terms}), **iam), check)
    assert (found.verdict, said in found.observed) == (verdict, True), found


def test_what_a_boundary_may_forbid_is_not_checked():
    role = Aws(list_buckets=[fails("AccessDenied")])
    case = made_up(Time(), role=role, permissionsBoundaries={"role": BOUNDARY})
    found = row(case, "allowed: s3:ListAllMyBuckets")
    assert (found.verdict, BOUNDARY in found.advice) == (Verdict.NOT_CHECKED, True)


def test_all_that_the_user_could_sign_in_with_is_named():
    iam: dict[str, list[Any]] = {
        "list_ssh_public_keys": [{"SSHPublicKeys": [{"SSHPublicKeyId": "APKAONE"}]}],
        "list_signing_certificates": [fails("InvalidAction")],
        "list_service_specific_credentials": [
            {"ServiceSpecificCredentials": [{"ServiceSpecificCredentialId": "ACCAONE"}]}
        ],
    }
    found = row(administered(made_up(Time()), **iam), "user's other credentials")
    assert found.verdict is Verdict.DISPROVEN
    assert [word for word in ("APKAONE", "ACCAONE") if word not in found.observed] == []
    nothing = {**iam, "list_ssh_public_keys": [{"SSHPublicKeys": []}]}
    nothing["list_service_specific_credentials"] = [{"ServiceSpecificCredentials": []}]
    untold = row(administered(made_up(Time()), **nothing), "user's other credentials")
    assert (untold.verdict, untold.observed) == (Verdict.NOT_CHECKED, "not listed: signing certificates")


def test_of_two_policies_that_say_the_same_the_other_is_named():
    arns = [f"arn:aws:iam::{TRUSTING}:policy/{name}" for name in ("Copy", "Own")]
    iam: dict[str, list[Any]] = {
        "list_attached_role_policies": [{"AttachedPolicies": [{"PolicyArn": arn} for arn in arns]}],
        "list_role_policies": [{"PolicyNames": []}],
        "get_policy": [{"Policy": {"DefaultVersionId": "v1"}}],
        "get_policy_version": [{"PolicyVersion": {"Document": json.loads(allow("s3:*"))}}],
    }
    found = row(administered(made_up(Time(), policyNames={"role": "Own", "user": "Assume"}), **iam), "role's policies")
    assert (found.verdict, found.observed) == (Verdict.DISPROVEN, f"{arns[0]} is attached too")


@pytest.mark.parametrize(("days", "verdict"), [(90, Verdict.PROVEN), (91, Verdict.WARNING)])
def test_an_old_key_is_a_warning_which_does_not_fail(days, verdict):
    created, used = datetime.now(UTC) - timedelta(days=days), datetime(2026, 1, 2, tzinfo=UTC)
    iam: dict[str, list[Any]] = {
        "list_access_keys": [
            {"AccessKeyMetadata": [{"AccessKeyId": "AKIAONE", "Status": "Active", "CreateDate": created}]}
        ],
        "get_access_key_last_used": [{"AccessKeyLastUsed": {"LastUsedDate": used}}],
    }
    case = administered(made_up(Time()), **iam)
    found = row(case, "age of key 1")
    assert found.verdict is verdict
    assert found.observed == f"{days} days, last used: 2026-01-02"
    assert report_of(found.verdict).verdict is Verdict.PROVEN
    (key,) = case.stack_keys
    assert (key.created, key.last_used) == (created, used)


def test_the_users_keys_are_listed_once_and_judged_though_their_use_may_not_be_read():
    created = datetime.now(UTC)
    keys = [{"AccessKeyId": key, "Status": "Inactive", "CreateDate": created} for key in ("AKIAONE", "AKIASTRANGE")]
    iam = {"list_access_keys": [{"AccessKeyMetadata": keys}], "get_access_key_last_used": [fails("AccessDenied")]}
    case = administered(made_up(Time()), **iam)
    judged = row(case, "user's keys")
    assert judged.verdict is Verdict.DISPROVEN
    assert judged.observed == "AKIAONE is Inactive, and the stack says Active; AKIASTRANGE is not the stack's"
    assert row(case, "age of key 1").verdict is Verdict.NOT_CHECKED
    calls = [name for name, _ in case.administrator("trusted").client("iam").calls]
    assert calls.count("list_access_keys") == 1
    assert [(key.id, key.created) for key in case.stack_keys] == [("AKIAONE", created)]


def test_a_key_that_is_gone_has_no_age():
    case = administered(made_up(Time()), list_access_keys=[{"AccessKeyMetadata": []}])
    assert row(case, "user's keys").observed == "AKIAONE is gone"
    assert row(case, "age of key 1").verdict is Verdict.NOT_CHECKED


def test_disproven_outweighs_what_could_not_be_told():
    assert report_of(Verdict.PROVEN, Verdict.UNKNOWN, Verdict.DISPROVEN).verdict is Verdict.DISPROVEN
    assert report_of(Verdict.PROVEN, Verdict.UNKNOWN, Verdict.WARNING).verdict is Verdict.UNKNOWN
    assert report_of(Verdict.PROVEN, Verdict.WARNING, Verdict.NOT_CHECKED).verdict is Verdict.PROVEN
