"""Mending: what the stack's own runs left becomes its own, and what anybody else made is never touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.operations import start
from tests.proxy import Fault, proxy_before
from tests.tools.test_adopt import ROLE, ROLE_POLICY, USER, USER_POLICY, ByHand, document, let_the_second_pass
from tools import adoption
from tools.adoption import Existing, Planned, existing_policy, existing_role, existing_user
from tools.commands.mend import Broken
from tools.engine import Update
from tools.errors import Exit
from tools.keys import AccessKey
from tools.leftovers import Record, clock_ahead, orphans, record_of, stranger
from tools.stack_lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import CompletedProcess

    from tests.conftest import Project

NOTHING = timedelta(0)
KEY_NAME = "assume-role-trusted-key-1"


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def ran(start: int, end: int, *, failed: bool = False, changed: bool = True, deployed: bool = True) -> Update:
    return Update(start=at(start), end=at(end), changed=changed, failed=failed, deployed=deployed)


def record(*runs: Update, begun: str | None = None, made: Mapping[str, float | None] | None = None) -> Record:
    """Return what is recorded of a stack, whose root was made at 2.5 s, at 1000 s."""
    return Record(
        runs=runs,
        made={name: None if when is None else at(when) for name, when in {"root": 2.5, **(made or {})}.items()},
        begun=frozenset([begun] if begun else []),
        now=at(1000),
    )


# Whose is it?

TRUST = document(Principal={"AWS": "arn:aws:iam::444455556666:root"}, Action="sts:AssumeRole")
INPUTS: dict[str, dict[str, Any]] = {
    adoption.ROLE: {"name": "R", "path": "/", "assumeRolePolicy": TRUST, "maxSessionDuration": 3600},
    adoption.USER: {"name": "U", "path": "/"},
    adoption.POLICY: {"name": "P", "path": "/", "policy": document(Action="s3:*", Resource="*")},
}


def in_aws(kind: str, created: float, extras: tuple[str, ...] = (), **other: object) -> Existing:
    """Return what is exactly as planned, but for what is told otherwise."""
    planned = Planned(name="it", type=kind, side="trusting", inputs=INPUTS[kind])
    there = {"Arn": "arn:aws:iam::111122223333:policy/P", "Path": "/", "CreateDate": at(created), **other}
    if kind == adoption.POLICY:
        said = other.get("Document", INPUTS[kind]["policy"])
        return existing_policy(planned, there, json.loads(str(said)), tags={})
    if kind == adoption.USER:
        return existing_user(planned, there, tags={}, extras=extras)
    return existing_role(planned, {"AssumeRolePolicyDocument": json.loads(TRUST), **there}, tags={}, extras=extras)


KINDS = (adoption.ROLE, adoption.USER, adoption.POLICY)
FAILED_ONCE = record(ran(20, 30, failed=True), ran(0, 10))
KILLED = record(ran(20, 30, failed=True, changed=False), ran(0, 10), begun="it")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("created", "known", "own"),
    [
        pytest.param(25, FAILED_ONCE, True, id="while a run was at work that failed"),
        pytest.param(30, FAILED_ONCE, True, id="in its last second"),
        pytest.param(19, FAILED_ONCE, False, id="before it"),
        pytest.param(20, FAILED_ONCE, False, id="in its first second, so perhaps before it"),
        pytest.param(20, replace(FAILED_ONCE, doubtful=NOTHING), True, id="in its first second, on an emulator"),
        pytest.param(31, FAILED_ONCE, False, id="after it"),
        pytest.param(5, FAILED_ONCE, False, id="while one was at work that succeeded"),
        pytest.param(25, record(ran(20, 30)), False, id="and no run failed"),
        pytest.param(25, record(ran(40, 50), ran(20, 30, failed=True)), False, id="and a later run made all"),
        pytest.param(25, record(ran(20, 30, failed=True, deployed=False)), False, id="while a refresh failed"),
        pytest.param(15, KILLED, True, id="between two runs, where one was killed that was making it"),
        pytest.param(15, replace(KILLED, begun=frozenset()), False, id="between two runs, and none was killed"),
        pytest.param(15, replace(KILLED, begun=frozenset(["other"])), False, id="where one was killed at another"),
        pytest.param(10, KILLED, False, id="before the one that was killed, perhaps"),
        pytest.param(3, record(begun="it"), True, id="in the first run of all, that was killed"),
        pytest.param(1, record(begun="it"), False, id="before the first run of all"),
        pytest.param(16, replace(KILLED, locked=at(15)), True, id="since a killed run has held the lock"),
        pytest.param(15, replace(KILLED, locked=at(15)), False, id="before it held the lock, perhaps"),
        pytest.param(15, replace(KILLED, locked=at(15), doubtful=NOTHING), True, id="in that second, on an emulator"),
        pytest.param(10, replace(KILLED, doubtful=NOTHING), True, id="in the second of the last one, on an emulator"),
    ],
)
def test_what_aws_made_while_a_run_was_at_work_is_the_stacks_own(
    kind: str, created: float, known: Record, *, own: bool
) -> None:
    why = stranger(in_aws(kind, created), known)
    assert (why is None) == own
    assert own or "when no failed or killed run of this stack was at work" in str(why)


@pytest.mark.parametrize(
    "existing",
    [
        in_aws(adoption.ROLE, 25, Path="/x/"),
        in_aws(adoption.ROLE, 25, Description="By hand"),
        in_aws(adoption.ROLE, 25, MaxSessionDuration=7200),
        in_aws(adoption.ROLE, 25, Tags=[{"Key": "a", "Value": "b"}]),
        in_aws(adoption.ROLE, 25, PermissionsBoundary={"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/X"}),
        in_aws(adoption.ROLE, 25, AssumeRolePolicyDocument=json.loads(document(Principal="*", Action="*"))),
        in_aws(adoption.ROLE, 25, extras=("inline policy x",)),
        in_aws(adoption.USER, 25, Path="/x/"),
        in_aws(adoption.USER, 25, Tags=[{"Key": "a", "Value": "b"}]),
        in_aws(adoption.USER, 25, extras=("key AKIA",)),
        in_aws(adoption.POLICY, 25, Description="By hand"),
        in_aws(adoption.POLICY, 25, Document=document(Action="*", Resource="*")),
    ],
)
def test_what_differs_in_anything_is_somebody_elses(existing: Existing) -> None:
    assert stranger(existing, FAILED_ONCE) == "it is not what the program makes"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_to_replace_something_is_judged_as_if_that_were_not_there(kind: str) -> None:
    known = replace(FAILED_ONCE, made={"it": at(5)})
    assert stranger(in_aws(kind, 25), known)
    assert stranger(in_aws(kind, 25), known.without(["it"])) is None
    assert stranger(in_aws(kind, 15), known.without(["it"]))


def test_what_the_state_has_is_never_in_the_way_of_itself() -> None:
    there: dict[str, Any] = {"type": adoption.ROLE, "id": "R"}
    root: dict[str, Any] = {"type": "pulumi:pulumi:Stack"}
    assert broken(yes=True, resources=[root, there]).has == {(adoption.ROLE, "R")}
    assert broken(yes=True, resources=[root, there | {"pendingReplacement": True}]).has == frozenset()


def test_an_attachment_which_has_no_date_is_never_taken_over() -> None:
    planned = Planned(name="it", type=adoption.ROLE_ATTACHMENT, side="trusting", inputs={})
    assert stranger(Existing(planned=planned, title="", id="R/arn"), FAILED_ONCE)


def test_the_clocks_need_not_agree() -> None:
    hour = timedelta(hours=1)
    assert stranger(in_aws(adoption.ROLE, 25 + 3600), replace(FAILED_ONCE, ahead=hour)) is None
    assert stranger(in_aws(adoption.ROLE, 25), replace(FAILED_ONCE, ahead=hour))
    assert clock_ahead(at(3600), at(0.3), at(0.5)) == hour
    assert clock_ahead(at(0), at(0.9), at(1.1)) == NOTHING  # whole seconds
    assert clock_ahead(None, at(0), at(1)) == NOTHING


# Whose key is it?

LOST = AccessKey(id="AKIALOST", actual="Active", created=at(5))
MADE_TWICE = record(ran(0, 9), made={KEY_NAME: 7.5})


@pytest.mark.parametrize(
    ("strange", "known"),
    [
        pytest.param([LOST], MADE_TWICE, id="made twice by a run that succeeded"),
        pytest.param(
            [LOST], record(ran(11, 12, changed=False), ran(0, 9), made={KEY_NAME: 7.5}), id="and one after it"
        ),
        pytest.param([LOST], record(ran(0, 9, failed=True)), id="by a run that failed"),
        pytest.param([LOST], record(ran(20, 30), ran(0, 9, failed=True), made={KEY_NAME: 25.5}), id="and made again"),
        pytest.param([LOST], record(begun=KEY_NAME), id="by a run that was killed"),
        pytest.param([LOST], record(ran(20, 30), begun=KEY_NAME, made={KEY_NAME: 25.5}), id="killed, and made again"),
    ],
)
def test_a_key_that_a_run_lost_is_an_orphan(strange: list[AccessKey], known: Record) -> None:
    assert orphans(strange, [KEY_NAME], known, handed_over=frozenset()) == strange


@pytest.mark.parametrize(
    ("strange", "known"),
    [
        pytest.param([LOST.model_copy(update={"created": at(15)})], MADE_TWICE, id="made by hand after the run"),
        pytest.param([LOST.model_copy(update={"created": at(0)})], MADE_TWICE, id="made before it, perhaps"),
        pytest.param([LOST.model_copy(update={"created": at(9)})], MADE_TWICE, id="made after the run's own"),
        pytest.param([LOST.model_copy(update={"created": None})], MADE_TWICE, id="of no known age"),
        pytest.param([LOST.model_copy(update={"last_used": at(6)})], MADE_TWICE, id="used"),
        pytest.param([LOST.model_copy(update={"actual": "Inactive"})], MADE_TWICE, id="made inactive by somebody"),
        pytest.param([LOST, LOST.model_copy(update={"id": "AKIATWO"})], MADE_TWICE, id="more than the run can leave"),
        pytest.param(
            [LOST, LOST.model_copy(update={"created": at(15)})], MADE_TWICE, id="beside one of unknown origin"
        ),
        pytest.param([LOST], record(ran(0, 9), made={KEY_NAME: None}), id="where the state knows no dates"),
        pytest.param([LOST], record(ran(20, 30), ran(0, 9), made={KEY_NAME: 7.5}), id="before a later deployment"),
        pytest.param(
            [LOST], record(ran(3, 9, failed=True), ran(-9, 1), made={KEY_NAME: 0.5}), id="by hand in a failed run"
        ),
    ],
)
def test_any_other_key_is_somebody_elses(strange: list[AccessKey], known: Record) -> None:
    assert orphans(strange, [KEY_NAME], known, handed_over=frozenset()) == []


def test_a_key_that_was_handed_over_is_no_orphan() -> None:
    assert orphans([LOST], [KEY_NAME], MADE_TWICE, handed_over=frozenset([LOST.id])) == []


# What Pulumi tells


def test_the_record_is_read_from_the_export() -> None:
    urn = "urn:pulumi:s::p::t::"
    export = {
        "deployment": {
            "resources": [
                {"urn": f"{urn}root", "created": "2026-01-01T00:00:02.5Z"},
                {"urn": f"{urn}old"},
                {"urn": f"{urn}root", "created": "2026-01-01T00:00:01Z", "delete": True},
            ],
            "pending_operations": [
                {"type": "creating", "resource": {"urn": f"{urn}it"}},
                {"type": "updating", "resource": {"urn": f"{urn}other"}},
            ],
        }
    }
    assert record_of(export, (), now=at(1000)) == record(begun="it", made={"old": None})
    assert record_of({"deployment": {}}, (), now=at(1000)).spans("it") == []


HERE = socket.gethostname()
ENDED, RUNNING = 2**22, os.getpid()  # Linux numbers processes below the first
NOW, LAST_YEAR = datetime.now(UTC), datetime.now(UTC) - timedelta(days=365)


@pytest.mark.parametrize(
    ("holders", "killed", "at_work"),
    [
        ([(HERE, ENDED, NOW)], True, False),
        ([(HERE, RUNNING, NOW)], False, True),
        pytest.param([(HERE, RUNNING, LAST_YEAR)], True, False, id="another program has its id"),
        ([("elsewhere", ENDED, NOW)], False, False),
        ([(HERE, ENDED, NOW), ("elsewhere", ENDED, LAST_YEAR)], False, False),
        ([(HERE, ENDED, LAST_YEAR), (HERE, RUNNING, NOW)], False, True),
    ],
)
def test_a_lock_is_a_killed_runs_only_if_that_is_provable(
    holders: list[tuple[str, int, datetime]], *, killed: bool, at_work: bool
) -> None:
    lines = [
        f"  file:///l.json: created by me@{host} (pid {pid}) at {since.isoformat()}" for host, pid, since in holders
    ]
    lock = read_lock("\n".join(["error: the stack is currently locked by 1 lock(s).", *lines]))
    assert (lock.killed, lock.at_work) == (killed, at_work)
    assert f"me@{holders[0][0]}, process {holders[0][1]}" in lock.holder
    assert lock.since == min(since for _, _, since in holders)


def test_a_process_that_ended_does_not_run_though_nobody_asked_how() -> None:
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
        assert ended.stdout
        ended.stdout.read()  # until it has ended
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        lock = read_lock(f"locked: created by me@{HERE} (pid {ended.pid}) at {datetime.now(UTC).isoformat()}")
    assert lock.killed


def test_a_lock_that_names_nobody_proves_nothing() -> None:
    lock = read_lock("error: [409] Conflict: Another update is currently in progress.")
    assert (lock.killed, lock.at_work, lock.since) == (False, False, None)


# Who decides


def broken(*, yes: bool, endpoint: str | None = None, resources: Sequence[dict[str, Any]] = ()) -> Broken:
    return Broken(stack="s", config={"endpoint": endpoint}, resources=resources, yes=yes)


@pytest.mark.parametrize(
    ("found", "import_it", "delete_it"),
    [
        (broken(yes=False, endpoint="http://127.0.0.1:4599/"), True, True),
        (broken(yes=False), False, False),
        (broken(yes=True), True, False),
        (broken(yes=True, endpoint="https://iam.amazonaws.com:443"), True, False),
        (broken(yes=False, endpoint=" "), False, False),
    ],
)
def test_without_a_person_a_key_of_a_real_account_is_never_deleted(
    found: Broken, capsys: pytest.CaptureFixture[str], *, import_it: bool, delete_it: bool
) -> None:
    assert found.agreed("Import?") == import_it
    assert found.agreed_to_delete("Delete?") == delete_it
    assert delete_it or "(only a person can say yes to this, on a terminal)" in capsys.readouterr().out


# On a stack


def mend(project: Project, *, check: bool = True) -> CompletedProcess[str]:
    return project.python("-m", "tools", "mend", "--stack", "test", check=check)


def names(iam: Any) -> list[str]:
    """Return the names of all roles, users and policies of an account."""
    held = iam.get_account_authorization_details(Filter=["User", "Role", "LocalManagedPolicy"])
    kinds = {"RoleDetailList": "RoleName", "UserDetailList": "UserName", "Policies": "PolicyName"}
    return [each[name] for kind, name in kinds.items() for each in held[kind]]


def user_keys(project: Project, aws_client: Callable[..., Any]) -> list[str]:
    keys = aws_client(project.accounts.trusted, "iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in keys]


def test_what_somebody_else_made_is_never_taken_over(project: Project, aws_client: Callable[..., Any]) -> None:
    """A twin of everything, down to the last property, and a key."""
    by_hand = ByHand(project.accounts, aws_client)
    by_hand.role()
    by_hand.user()
    key = by_hand.key()["AccessKeyId"]
    let_the_second_pass()
    project.up(check=False)

    done = mend(project, check=False)

    assert done.returncode == Exit.CANNOT_TELL
    for title in (f"role {ROLE}", f"policy {ROLE_POLICY}", f"user {USER}", f"policy {USER_POLICY}"):
        assert f"There is a {title}, and it is not provably this stack's" in done.stderr
    assert "make adopt STACK=test" in done.stderr
    assert "Nothing to mend" in done.stderr
    assert not [each for each in (ROLE_POLICY, USER_POLICY, key) if each in project.state()]
    assert user_keys(project, aws_client) == [key]


def test_what_was_to_replace_something_makes_room(
    standing: Project, aws_client: Callable[..., Any], emulator: str, wait_until: Callable[..., None]
) -> None:
    """Another name makes another role, user and policy. What nobody heard of is deleted, and a twin is not."""
    trusting, trusted = (aws_client(a, "iam") for a in (standing.accounts.trusting, standing.accounts.trusted))
    trusting.create_policy(PolicyName="P", PolicyDocument=document(Action="s3:*", Resource="*"))
    let_the_second_pass()
    with proxy_before(emulator) as proxy:
        standing.stand_behind(proxy.url)
        standing.configure({"role": {"name": "R", "policy": {"name": "P"}}, "user": {"name": "U", "policyName": "Q"}})
        for action in ("CreateRole", "CreateUser"):
            proxy.plan(action, Fault.HOLD)
        for key_id in (standing.accounts.trusting, standing.accounts.trusted):
            proxy.plan("CreatePolicy", Fault.HOLD, key_id=key_id)
        run = start(standing, "pulumi", "up", "--yes", "--skip-preview", "--stack", "test")
        wait_until(lambda: not proxy.is_due and {"R", "U", "Q"} <= {*names(trusting), *names(trusted)})
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        proxy.release()

        done = mend(standing)

    assert "made what is to replace another: role R, policy Q, user U." in done.stdout
    assert "There is a policy P, and it is not provably this stack's" in done.stderr
    assert names(trusting) == [ROLE, ROLE_POLICY, "P"]
    assert names(trusted) == [USER, USER_POLICY]
