"""Rotating: the consumer of the key never meets a key that does not work, wherever the rotation stops or is killed."""

import base64
import itertools
import os
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pysequoia
import pytest
from botocore.session import Session
from pydantic import SecretStr

from tests import factories
from tests.faults.operations import run_on_a_terminal
from tests.tools.test_keys import Iam
from tests.tools.test_recovery import kill_at
from tools.__main__ import main
from tools.aws.callers import Caller
from tools.aws.keys import AccessKey
from tools.aws.propagation import Delay
from tools.commands import rotate
from tools.commands.rotate import Stack, look
from tools.console import FailedError, StackError, UnfinishedError
from tools.engine import Change, State, state_of
from tools.proof.case import Case
from tools.rotation import trial
from tools.rotation.steps import Situation, Step, describe, next_label, next_step, others
from tools.rotation.trial import prove, try_new_key
from tools.stack import Outputs, declared_keys

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=30)


# Where a rotation stands, and what comes next


def key(
    label: str, declared: str | None = "Active", deployed: str = "Active", actual: str | None = "Active"
) -> AccessKey:
    return AccessKey(
        label=label,
        id=f"AKIA{label}",
        declared=declared,  # type: ignore[arg-type]
        deployed=deployed,  # type: ignore[arg-type]
        actual=actual,  # type: ignore[arg-type]
        created=LONG_AGO,
        last_used=LONG_AGO,
    )


def unknown(last_used: datetime | None = None) -> AccessKey:
    return AccessKey(id="AKIAX1", actual="Active", created=NOON, last_used=last_used)


def situation(*keys: AccessKey, undeployed: str = "", **more: Any) -> Situation:
    declared = {key.label: key.declared for key in keys if key.declared} | dict.fromkeys(undeployed, "Active")
    return Situation(stack="x", declared=declared, keys=keys, **more)  # type: ignore[arg-type]


def said(step: Step) -> str:
    return ", ".join(f"{label} {status}" for label, status in step.declared.items())


INACTIVE = ("Inactive", "Inactive", "Inactive")


HALF_REVOKED = ("Inactive", "Active", "Inactive")  # not deployed since
ADD, MAKE, DELETE = "1 Active, 2 Active", "1 Inactive, 2 Active", "2 Active"
STEPS = {
    "begin": (situation(key("1")), "Add key 2", ADD),
    "no key": (situation(), "Add key 1", "1 Active"),
    "killed before add": (situation(key("1"), undeployed="7"), "Add key 7", "1 Active, 7 Active"),
    "revoked": (situation(key("1", *INACTIVE)), "Add key 2", MAKE),
    "the only one is gone": (situation(key("1", actual=None)), "Add key 2", ADD),
    "added": (situation(key("1"), key("2")), "Make key 1", MAKE),
    "killed before it was inactive": (situation(key("1", "Inactive"), key("2")), "Make key 1", MAKE),
    "killed before that was recorded": (situation(key("1", *HALF_REVOKED), key("2")), "Make key 1", MAKE),
    "inactive by hand": (situation(key("1", actual="Inactive"), key("2")), "Make key 1", MAKE),
    "active, and declared no longer": (situation(key("1", None), key("2")), "Make key 1", MAKE),
    "inactive": (situation(key("1", *INACTIVE), key("2")), "Delete key 1", DELETE),
    "killed before delete": (situation(key("1", None, "Inactive", "Inactive"), key("2")), "Delete key 1", DELETE),
    "deletion not recorded": (situation(key("1", None, "Inactive", None), key("2")), "Delete key 1", DELETE),
    "new one given up": (situation(key("1"), key("2", *INACTIVE)), "Delete key 2", "1 Active"),
    "both revoked": (situation(key("1", *INACTIVE), key("2", *INACTIVE)), "Delete key 1", "2 Inactive"),
    "both half revoked": (situation(key("1", *HALF_REVOKED), key("2", *HALF_REVOKED)), "Delete key 1", "2 Inactive"),
}


@pytest.mark.parametrize(("stands", "title", "declared"), STEPS.values(), ids=STEPS)
def test_the_next_step(stands: Situation, title: str, declared: str) -> None:
    step = next_step(stands, now=NOON)
    assert step.title.startswith(title)
    assert said(step) == declared
    assert step.needs_hand_over == title.startswith("Make")
    assert step.last == (title.startswith("Delete") and declared.endswith(" Active"))


@pytest.mark.parametrize(
    ("stands", "words"),
    [
        (situation(key("1", None), undeployed="2"), "in place of key 1"),
        (situation(key("1"), key("2"), undeployed="3"), "declares key 3"),
        (situation(key("1", None), key("2"), undeployed="3"), "declares key 3"),
        (situation(key("1"), key("2", actual="Inactive")), "is inactive in the account"),
        (situation(key("1", *INACTIVE), key("2", actual="Inactive")), "is inactive in the account"),
        (situation(key("1", *INACTIVE), key("2", actual=None)), "is gone from the account"),
        (situation(key("1", "Inactive"), undeployed="2"), "wants key 1 .* inactive"),
        (situation(key("1", "Inactive"), key("2", "Inactive")), "wants key 2 .* inactive"),
        (situation(key("1", "Inactive"), key("2", None)), "wants key 2 .* inactive"),
        (situation(key("1", "Inactive", "Inactive", "Active"), key("2")), "it is active again"),
        (situation(key("1"), unknown=(unknown(),)), "AKIAX1, Active, made 2026-01-02 12:00 UTC, no use known to AWS"),
        (situation(key("1"), key("2"), unknown=(unknown(NOON),)), "last used 2026-01-02 12:00 UTC"),
        (situation(key("1"), undeployed="2", interrupted={"2"}), "did not end while it created key 2"),
    ],
)
def test_what_only_a_person_can_decide(stands, words):
    with pytest.raises(FailedError, match=words):
        next_step(stands, now=NOON)


def test_a_key_that_the_state_does_not_know_is_recovered_by_make_up_or_deleted_by_a_person():
    with pytest.raises(FailedError) as stopped:
        next_step(situation(key("1"), unknown=(unknown(),)), now=NOON)
    assert "\n  make up STACK=x\n" in str(stopped.value)
    assert "\n  aws iam delete-access-key --access-key-id AKIAX1 " in str(stopped.value)


def test_what_the_outputs_do_not_know_yet_is_deployed_to_its_end_first():
    """The state has key 2, made by a deployment that failed elsewhere: it is nobody else's, and the outputs are old."""
    made = next_step(situation(key("1"), key("2"), unrecorded=True), now=NOON)
    assert (made.title, said(made), made.last) == ("Finish the last deployment", "1 Active, 2 Active", False)
    deleted = next_step(situation(key("2"), unrecorded=True), now=NOON)
    assert (said(deleted), deleted.last) == ("2 Active", True)


# Its own change and nothing else


def change(operation: str, name: str, kind: str = "iam/accessKey:AccessKey", *properties: str) -> Change:
    return Change(operation=operation, name=name, type=f"aws:{kind}", properties=properties)


def key_change(operation: str, label: str, *properties: str) -> Change:
    return change(operation, f"assume-role-trusted-key-{label}", "iam/accessKey:AccessKey", *properties)


ONE, TWO = situation(key("1")), situation(key("1"), key("2"))
REVOKED = situation(key("1", "Inactive", "Active", "Inactive"))  # and not deployed since
CLOSED = situation(key("1", *INACTIVE))
REOPENED = situation(key("1", "Active", "Inactive", "Inactive"))
GOING = situation(key("1", *INACTIVE), key("2"))
PARAMETER, VERSION = "ssm/parameter:Parameter", "secretsmanager/secretVersion:SecretVersion"


@pytest.mark.parametrize(
    ("stands", "own"),
    [
        (ONE, [key_change("create", "2")]),
        (ONE, [key_change("create", "2"), change("update", "p", PARAMETER, "insecureValue", "value", "version")]),
        (ONE, [key_change("create", "2"), change("replace", "v", VERSION, "secretString")]),
        (REVOKED, [key_change("create", "2"), key_change("update", "1", "status")]),
        (CLOSED, [key_change("create", "2"), change("create", "p", PARAMETER)]),
        (TWO, [key_change("update", "1", "status")]),
        (GOING, [key_change("delete", "1")]),
        (GOING, []),
    ],
)
def test_its_own_change_and_what_hangs_on_it_is_deployed(stands, own):
    assert others(own, next_step(stands, now=NOON), stands) == []


@pytest.mark.parametrize(
    ("stands", "other"),
    [
        (ONE, change("replace", "assume-role-trusted-user", "iam/user:User", "name")),
        (ONE, key_change("replace", "1", "user")),
        (ONE, key_change("create", "3")),
        (ONE, key_change("delete", "1")),
        (ONE, key_change("update", "1", "pgpKey")),
        (REOPENED, key_change("update", "1", "status")),  # it would open a key that was closed
        (TWO, key_change("delete", "1")),
        (TWO, key_change("update", "2", "pgpKey")),
        (GOING, key_change("replace", "2", "pgpKey")),
        (GOING, key_change("delete", "2")),
        (ONE, change("create", "p", PARAMETER)),  # a store that is new
        (ONE, change("delete", "p", PARAMETER)),
        (ONE, change("replace", "p", PARAMETER, "name", "value")),
        (ONE, change("update", "p", PARAMETER)),
        (ONE, change("update", "role", "iam/role:Role", "description")),
        (ONE, Change(operation="update", name="trusted", type="pulumi:providers:aws", properties=("defaultTags",))),
    ],
)
def test_any_other_change_is_named(stands, other):
    assert others([other], next_step(stands, now=NOON), stands) == [other]


def test_the_state_tells_its_keys_and_what_was_begun():
    def resource(label, kind="aws:iam/accessKey:AccessKey", **more):
        return {"urn": f"urn:pulumi:s::p::a:b:C${kind}::assume-role-trusted-key-{label}", "type": kind, **more}

    one = resource("1", id="AKIA1", inputs={"status": "Active"}, outputs={"status": "Inactive"})
    pending = [
        {"type": "creating", "resource": resource("2")},
        {"type": "updating", "resource": resource("3")},
        {"type": "creating", "resource": resource("4", "aws:iam/user:User")},
    ]
    user = resource("9", "aws:iam/user:User", id="user-1")
    manifest = {"manifest": {"time": NOON.isoformat()}}
    export = {"version": 3, "deployment": {**manifest, "resources": [user, one], "pending_operations": pending}}
    expected = AccessKey(label="1", id="AKIA1", deployed="Inactive")
    assert state_of(export) == State(keys=(expected,), interrupted=frozenset({"2"}), written=NOON)
    with pytest.raises(StackError, match="replaced the access key AKIA1"):
        state_of({"deployment": {"resources": [one | {"delete": True}]}})


@pytest.mark.parametrize(
    ("last_used", "created", "hours", "again_after"),
    [
        (NOON - timedelta(hours=23, minutes=59), LONG_AGO, 24, "2026-01-02 12:01 UTC"),
        (NOON - timedelta(hours=24), LONG_AGO, 24, None),
        (NOON - timedelta(hours=24), LONG_AGO, 24.5, "2026-01-02 12:30 UTC"),
        (NOON, LONG_AGO, 0, None),
        (None, NOON - timedelta(hours=23), 24, "2026-01-02 13:00 UTC"),  # AWS tells a use with some delay
        (None, LONG_AGO, 24, None),
    ],
)
@pytest.mark.parametrize("declared", ["Inactive", None])
def test_a_key_that_was_used_lately_is_not_deleted(declared, last_used, created, hours, again_after):
    old = key("1", declared, "Inactive", "Inactive").model_copy(update={"created": created, "last_used": last_used})
    step = partial(next_step, situation(old, key("2")), now=NOON, quiet=timedelta(hours=hours))
    if again_after is None:
        assert step().title == "Delete key 1 (AKIA1)"
    else:
        with pytest.raises(UnfinishedError, match=f"run this again after {again_after}"):
            step()


def test_no_situation_at_all_loses_the_last_working_key():
    """Whatever the situation: an active key is never deleted, and made inactive only if the other one is active."""
    statuses = ("Active", "Inactive")
    kinds = list(itertools.product((*statuses, None), statuses, (*statuses, None)))
    stands = [situation(key("1", *one), key("2", *two)) for one in kinds for two in kinds]
    stands += [situation(key("1", *one), undeployed=undeployed) for one in kinds for undeployed in ("", "2")]
    steps = 0
    for stand in stands:
        if not stand.declared:
            continue  # the program refuses an empty list
        try:
            step = next_step(stand, now=NOON)
        except (FailedError, UnfinishedError):
            continue
        steps += 1
        will_be = step.declared
        for one in stand.keys:
            if one.actual == "Active" and will_be.get(one.label) != "Active":
                assert one.label in will_be, f"{stand} loses an active key"
                others = [other for other in stand.keys if other is not one]
                assert [(will_be[other.label], other.actual) for other in others] == [("Active", "Active")], stand
                assert step.needs_hand_over
    assert steps > 80


def test_the_label_of_the_new_key():
    assert next_label(["1"]) == "2"
    assert next_label(["7", "10"]) == "11"
    assert next_label(["blue"]) == "1"
    assert next_step(situation(key("1")), now=NOON, label="green").title == "Add key green"
    with pytest.raises(FailedError, match="Choose another label"):
        next_step(situation(key("1")), now=NOON, label="1")


def test_labels_may_be_numbers_and_the_status_may_be_left_out():
    config = {"accessKeys": [{"label": 1}, {"label": "b", "status": "Inactive"}]}
    assert declared_keys(config) == {"1": "Active", "b": "Inactive"}


@pytest.mark.parametrize("setting", ["[]", None, ["1"], [{"status": "Active"}], [{"label": 1}, {"label": "1"}]])
def test_what_is_no_list_of_labels_is_refused(setting):
    with pytest.raises(StackError, match="not a list of"):
        declared_keys({"accessKeys": setting})


def test_changes_by_hand_are_told():
    lines = describe(situation(key("1", actual="Inactive"), key("2", actual=None), undeployed="3"))
    assert lines[0].startswith("Key 1 (AKIA1): Inactive, made 2025-12-03 12:00 UTC, last used")
    assert lines[0].endswith("(changed by hand: the stack last saw it Active)")
    assert lines[1] == "Key 2 (AKIA2): gone from the account (changed by hand: the stack last saw it Active)"
    assert lines[2] == "Key 3: declared, not deployed yet"
    # What a run that was killed left is no change by hand.
    assert "by hand" not in describe(situation(key("1", "Inactive", "Active", "Inactive"), key("2")))[0]


# What AWS and the stack say


def outputs(**changes: Any) -> Outputs:
    """Return the outputs of a stack whose secrets nobody has."""
    secrets = {"secretAccessKey": None, "accessKeyId": None, "accessKeys": {}}
    return factories.outputs(**{**secrets, **changes})


def stack_of(outputs: Outputs, config: dict[str, Any], state: State, **options: Any) -> Stack:
    asked = Namespace(**{"stack": "x", "yes": True, "quiet_hours": timedelta(), "label": None, **options})
    return Stack(options=asked, outputs=outputs, config=config, state=state)


def test_the_keys_stand_in_the_order_of_the_configuration_and_unmanaged_keys_apart():
    iam = Iam(AKIANEW="Inactive", AKIAX="Inactive")
    known = (("9", "AKIANEW"), ("10", "AKIAGONE"))
    held = tuple(AccessKey(label=label, id=key_id, deployed="Active") for label, key_id in known)
    deployed = {key.label: {"id": key.id, "status": "Active"} for key in held}
    config = {"accessKeys": [{"label": 9, "status": "Inactive"}]}
    stack = stack_of(outputs(accessKeys=deployed), config, State(keys=held, interrupted=frozenset({"11"})))
    stands = look(stack, iam)  # type: ignore[arg-type]
    assert [(key.label, key.declared, key.actual) for key in stands.keys] == [
        ("10", None, None),
        ("9", "Inactive", "Inactive"),
    ]
    assert [key.id for key in stands.unknown] == ["AKIAX"]
    assert sorted(iam.asked) == ["AKIANEW", "AKIAX"]
    assert (stands.interrupted, stands.unrecorded) == ({"11"}, False)
    # A deployment that failed elsewhere made key 10: the state has it, and the outputs are old.
    old = stack_of(outputs(accessKeys={"9": deployed["9"]}), config, State(keys=held))
    assert look(old, iam).unrecorded  # type: ignore[arg-type]


def test_no_is_nothing_written(monkeypatch):
    written: list[object] = []
    monkeypatch.setattr(rotate, "declare_keys", lambda _, *given: written.append(given))
    monkeypatch.setattr(rotate, "preview", lambda *_: [])
    monkeypatch.setattr(rotate, "agreed", lambda *_, **__: False)
    stands = situation(key("1"))
    with pytest.raises(UnfinishedError, match="Nothing was changed"):
        rotate.take(next_step(stands, now=NOON), stands, stack_of(outputs(), {}, State(keys=())), iam=None)
    ((declared, flag, file),) = written
    assert (declared, flag) == ({"1": "Active", "2": "Active"}, "--config-file")
    assert not Path(file).exists()  # a copy, for the preview


def test_a_key_that_is_made_active_again_after_the_yes_is_not_deleted(deployed, aws_client, monkeypatch):
    iam = aws_client(deployed.accounts.trusted, "iam")
    user = {"UserName": iam.create_user(UserName="user-2")["User"]["UserName"]}
    old, new = (iam.create_access_key(**user)["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.update_access_key(**user, AccessKeyId=old, Status="Inactive")
    held = tuple(
        AccessKey(label=label, id=key_id, deployed=status)  # type: ignore[arg-type]
        for label, key_id, status in (("1", old, "Inactive"), ("2", new, "Active"))
    )
    config = {"accessKeys": [{"label": "1", "status": "Inactive"}, {"label": "2"}]}
    known = {key.label: {"id": key.id, "status": key.deployed} for key in held}
    stack = stack_of(outputs(userName="user-2", accessKeys=known), config, State(keys=held))
    written: list[object] = []

    def declare(_, declared, *flags):
        if not flags:  # it is written after the yes
            iam.update_access_key(**user, AccessKeyId=old, Status="Active")
            written.append(dict(declared))

    monkeypatch.setattr(rotate, "declare_keys", declare)
    monkeypatch.setattr(rotate, "preview", lambda *_: [])
    monkeypatch.setattr(rotate, "run_visibly", lambda *_: pytest.fail("deployed"))
    stands = look(stack, iam)
    with pytest.raises(FailedError, match="it is active again"):
        rotate.take(stack.next_step(stands), stands, stack, iam)
    keys = {key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(**user)["AccessKeyMetadata"]}
    assert keys == {old: "Active", new: "Active"}
    assert written == [{"2": "Active"}, {"1": "Inactive", "2": "Active"}]  # and taken back


def new_key() -> AccessKey:
    return key("2").model_copy(update={"last_used": None})


NOBODY = Caller(session=Session(), endpoint=None)
BOTH = {label: {"id": f"AKIA{label}", "status": "Active"} for label in "12"}


def test_a_store_that_holds_the_old_key_stops_the_rotation(monkeypatch):
    monkeypatch.setattr(trial, "stored_key", lambda *_: ("AKIA1", SecretStr("from the store")))
    found = outputs(accessKeys=BOTH, secretLocation="arn:aws:ssm:us-east-1:444455556666:parameter/key")
    with pytest.raises(FailedError, match="holds the key AKIA1"):
        try_new_key(situation(key("1"), new_key()), found, None, NOBODY)


def test_a_key_that_aws_has_seen_at_work_needs_no_secret_to_let_the_inactive_one_go():
    try_new_key(situation(key("1", *INACTIVE), key("2")), outputs(accessKeys=BOTH), None, NOBODY)


def test_a_key_is_proven_only_if_it_is_the_users_and_can_assume_the_role(emulator, accounts, aws_client):
    iam = aws_client(accounts.trusted, "iam")
    user_arn = iam.create_user(UserName="user-1")["User"]["Arn"]
    made = iam.create_access_key(UserName="user-1")["AccessKey"]
    new = new_key().model_copy(update={"id": made["AccessKeyId"]})
    role_arn = f"arn:aws:iam::{accounts.trusting}:role/role-1"

    def tried(secret=made["SecretAccessKey"], user=user_arn, **terms):
        keys = {"2": {"id": new.id, "status": "Active"}}
        found = outputs(userArn=user, roleArn=role_arn, accessKeys=keys, terms={"endpoint": emulator, **terms})
        prove(new, Case(stack="x", outputs=found, config={}, delay=Delay(), secrets={"2": SecretStr(secret)}))

    with pytest.raises(FailedError, match=r"(?s)AssumeRole.*make verify"):
        tried()
    with pytest.raises(FailedError, match="SignatureDoesNotMatch"):
        tried("wrong")
    iam.update_access_key(UserName="user-1", AccessKeyId=new.id, Status="Inactive")
    with pytest.raises(FailedError, match="InvalidClientTokenId"):
        tried()
    iam.update_access_key(UserName="user-1", AccessKeyId=new.id, Status="Active")
    # With MFA nobody can assume the role here, so only whose key it is is tried.
    tried(requireMfa=True)
    with pytest.raises(FailedError, match="belongs to"):
        tried(user=f"{user_arn}-2", requireMfa=True)


# The command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "adding --yes"),
        (("--yes", "--quiet-hours", "-1"), "from 0 to 8760"),
        (("--yes", "--quiet-hours", "nan"), "from 0 to 8760"),
        (("--yes", "--quiet-hours", "inf"), "from 0 to 8760"),
        (("--yes", "--quiet-hours", "1e9"), "from 0 to 8760"),
        (("--yes", "--quiet-hours", "soon"), "invalid hours value: 'soon'"),
        (("--secret-stdin",), "Add --yes"),
        (("--yes", "--secret-stdin"), "standard input was empty"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_fix(arguments, words, capsys, monkeypatch):
    with open(os.devnull) as nothing:  # noqa: PTH123 - a device
        monkeypatch.setattr("sys.stdin", nothing)
        try:
            code = main(["rotate", "--stack", "x", *arguments])
        except SystemExit as end:
            code = end.code
    assert code == 2
    assert words in capsys.readouterr().err


# The whole way, through the real CLI


def test_a_killed_rotation_goes_on_and_the_key_in_use_always_works(standing, proxy, aws_client):
    project = standing
    project.stand_behind(proxy.url)
    before = project.outputs()
    iam = aws_client(project.accounts.trusted, "iam")
    user_id = iam.get_user(UserName="user-1")["User"]["UserId"]
    rotate = ("python", "-m", "tools", "rotate", "--stack", "test")

    def keys():
        return [key["Status"] for key in iam.list_access_keys(UserName="user-1")["AccessKeyMetadata"]]

    def use(outputs):
        sts = aws_client(outputs["accessKeyId"], "sts", outputs["secretAccessKey"])
        sts.assume_role(RoleArn=outputs["roleArn"], RoleSessionName="consumer")

    def kill(action):
        kill_at(project, proxy, action, command=(*rotate, "--yes"))

    handed = run_on_a_terminal(project, *rotate, answers="y\nn\n")
    assert handed.status == 3
    for words in ("Add key 2", "It works.", "make profile STACK=test", "Has everybody"):
        assert words in handed.said
    use(before)
    new = project.outputs()

    kill("UpdateAccessKey")
    assert keys() == ["Inactive", "Active"]
    use(new)

    kill("DeleteAccessKey")
    assert keys() == ["Active"]
    use(new)
    done = project.run(*rotate, "--yes")
    assert "is the only key now" in done.stdout
    assert "13 unchanged" in done.stdout
    assert project.recorded()["accessKeyId"] == new["accessKeyId"]
    assert iam.get_user(UserName="user-1")["User"]["UserId"] == user_id
    assert project.config()["assume-role:accessKeys"] == [{"label": "2", "status": "Active"}]


def test_a_change_that_the_program_refuses_is_not_written(deployed):
    done = deployed.python("-m", "tools", "rotate", "--stack", "test", "--yes", "--label", "a b", check=False)
    assert done.returncode == 1
    assert "a label is 1 to 64 letters" in done.stdout + done.stderr
    assert "assume-role:accessKeys" not in deployed.config()


def test_another_change_that_is_pending_is_named_and_nothing_is_deployed(deployed):
    """A new name in the file replaces the user, and with it the only key in use."""
    state = deployed.state()
    deployed.configure({"user": {"name": "other"}, "role": {"description": "other"}})
    try:
        stopped = deployed.python("-m", "tools", "rotate", "--stack", "test", "--yes", check=False)
        assert "assume-role:accessKeys" not in deployed.config()
    finally:
        deployed.configure({"user": None, "role": None})
    assert stopped.returncode == 2
    assert "replace assume-role-trusted-user (name)" in stopped.stderr
    assert "update assume-role-trusting-role (description)" in stopped.stderr
    assert deployed.state() == state


def test_with_a_pgp_key_the_holder_of_the_private_key_tries_the_new_one(project):
    private_key = pysequoia.Tsk.generate(user_id="Reader <reader@example.com>")
    (project.path / "reader.asc").write_text(str(private_key.extract_certificate()))
    project.configure({"pgpKeyFile": "reader.asc", "accessKeys": [{"label": "1"}, {"label": "2"}]})
    project.up()
    command = ("-m", "tools", "rotate", "--stack", "test", "--yes", "--until-hand-over")
    asked = project.python(*command, check=False)
    assert asked.returncode == 3
    assert "make -s outputs STACK=test ARGS=encryptedSecretAccessKey | base64 -d | gpg --decrypt" in asked.stderr
    message = base64.b64decode(project.recorded()["encryptedSecretAccessKey"])
    secret = pysequoia.decrypt(bytes=message, decryptor=private_key.decryptor()).bytes.decode()
    tried = project.python(*command, "--secret-stdin", input=f"{secret}\n", check=False)
    assert tried.returncode == 3
    assert "It works." in tried.stdout
    assert secret not in tried.stdout + tried.stderr


def test_with_a_store_the_new_key_is_tried_as_it_stands_there(project):
    """It begins where a run was killed that had declared the new key, and not deployed it yet."""
    project.configure({"secretStore": {"kind": "ssm", "name": "/key"}})
    project.up()
    project.configure({"accessKeys": [{"label": "1", "status": "Active"}, {"label": "2", "status": "Active"}]})
    command = ("-m", "tools", "rotate", "--stack", "test", "--yes", "--until-hand-over")
    tried = project.python(*command, check=False)
    assert tried.returncode == 3
    assert "Key 2: declared, not deployed yet" in tried.stdout
    assert "It works." in tried.stdout
    assert project.recorded()["secretLocation"] in tried.stdout
