"""`up`, with a CLI and a proof that are made up: in which order it does what, how it ends, what it prints last."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import outputs
from tools.__main__ import main
from tools.commands.up import how_to_use, table
from tools.console import StackError
from tools.environment import Accounts
from tools.proof import report, stack
from tools.proof.report import Proof, Row, Verdict
from tools.recovery import recover as recovery

CLI = """#!/bin/sh
case "$*" in
*"stack export"*) cat {0}/state ;;
*"stack history"*) cat {0}/history ;;
*) echo "$*" >> {0}/done; test ! -e {0}/fails || {{ cp {0}/failed {0}/history; rm {0}/fails; exit 255; }} ;;
esac
"""


@pytest.fixture
def up(tmp_path, monkeypatch, capsys):
    """Return a function that runs `up` and returns its exit code, what was done in turn, and what was printed."""
    cli = tmp_path / "bin/pulumi"
    cli.parent.mkdir()
    cli.write_text(CLI.format(tmp_path))
    cli.chmod(0o700)
    monkeypatch.setenv("PATH", str(cli.parent), prepend=os.pathsep)

    def run(
        *words,
        proofs=("proven",),
        state=(),
        failed=None,
        recovers=True,
        emulated=True,
        person=False,
        final_at="",
        saves=True,
    ):
        results = iter(proofs)

        def prove_stack(name, *, wait):
            step(f"prove, {'final' if wait else 'positive checks'}")
            row = Row(Verdict(next(results)), needs_person=person)
            shown = outputs(shown={"roleName": "R"}, awsConfig=None)
            return Proof(stack=name, time=datetime.now(UTC), rows=(row,), final_at=final_at, outputs=shown)

        def recover(_, *, yes):
            step(f"recover{' --yes' * yes}")
            if isinstance(recovers, Exception):
                raise recovers
            return recovers

        def step(what):
            with (tmp_path / "done").open("a") as done:
                done.write(f"{what}\n")

        def save(*_):
            step("save")
            return saves

        monkeypatch.setattr(report, "save", save)
        monkeypatch.setattr(stack, "prove_stack", prove_stack)
        monkeypatch.setattr(recovery, "recover", recover)
        monkeypatch.setattr("tools.environment.enter", lambda _: Accounts(emulated=emulated))
        (tmp_path / "done").write_text("")
        (tmp_path / "state").write_text(json.dumps({"deployment": dict(state)}))
        (tmp_path / "history").write_text("[]")
        if failed is not None:
            (tmp_path / "fails").touch()
            (tmp_path / "failed").write_text(json.dumps(failed))
        code = main(["up", "--stack", "s", *words])
        printed = capsys.readouterr()
        return code, (tmp_path / "done").read_text().splitlines(), printed.out + printed.err

    return run


def update(resources, *, minutes=0):
    when = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    return [{"kind": "update", "startTime": when, "endTime": when, "result": "failed", "resourceChanges": resources}]


UP = "up --yes --skip-preview --suppress-outputs --stack s"
PROVE = "prove, positive checks"


@pytest.mark.parametrize(
    ("verdict", "person", "code"),
    [("proven", False, 0), ("could not tell", False, 2), ("could not tell", True, 0)],
)
def test_only_a_missing_person_leaves_a_proof_that_could_not_tell_a_success(up, verdict, person, code):
    assert up(proofs=[verdict], person=person)[:2] == (code, [UP, PROVE, "save"])


@pytest.mark.parametrize(
    ("verdict", "person", "code"), [("proven", False, 2), ("could not tell", True, 2), ("disproven", False, 1)]
)
def test_a_proof_that_cannot_be_saved_is_no_success(up, verdict, person, code):
    assert up(proofs=[verdict], person=person, recovers=False, saves=False)[0] == code


def test_the_verdict_is_the_last_line_after_the_outputs_and_how_to_use_the_key(up):
    _, _, printed = up()
    assert printed.splitlines()[-6:] == [
        "",
        "    roleName  R",
        "",
        "No access key is active, so nobody can use the role with the user's key.",
        "",
        "Stack s is proven (1 proven; 0.0 s).",
    ]


def test_real_accounts_are_final_later_without_wait(up):
    code, done, printed = up(emulated=False, final_at="14:03:10 UTC")
    assert (code, done) == (0, ["up --suppress-outputs --stack s", PROVE])
    assert printed.endswith("\nStack s works. Refusals are final at 14:03:10 UTC: make verify STACK=s\n")

    _, done, _ = up("--wait", "--yes", emulated=False)
    assert done == [UP, "prove, final", "save"]


def test_where_the_proof_fails_it_recovers_and_deploys_and_proves_once_more(up):
    assert up(proofs=["disproven", "proven"])[:2] == (0, [UP, PROVE, "recover", UP, PROVE, "save"])
    assert up(proofs=["disproven", "disproven"])[:2] == (1, [UP, PROVE, "recover", UP, PROVE, "save"])
    assert up(proofs=["disproven"], recovers=False)[:2] == (1, [UP, PROVE, "recover", "save"])


def test_where_the_deployment_fails_at_a_resource_it_recovers_and_deploys_once_more(up):
    assert up("--yes", failed=update({"create": 9}))[:2] == (0, [UP, "recover --yes", UP, PROVE, "save"])
    assert up(failed=update({"create": 9}), recovers=False)[:2] == (1, [UP, "recover"])

    code, done, printed = up(failed=update({"create": 9}), recovers=StackError("Nothing was imported."))
    assert (code, done) == (1, [UP, "recover"])
    assert printed == "error: Nothing was imported.\n"


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(update({"create": 1}), id="its program refused the settings"),
        pytest.param([], id="its preview failed"),
        pytest.param(update({"same": 9}, minutes=-5), id="its preview failed, and so did an earlier run"),
    ],
)
def test_there_is_nothing_to_recover_where_no_resource_was_reached(up, history):
    assert up(failed=history) == (1, [UP], "")


def test_a_killed_run_on_record_is_recovered_first(up):
    code, done, printed = up(state={"pending_operations": [{"type": "creating"}]})
    assert (code, done) == (0, ["recover", UP, PROVE, "save"])
    assert printed.startswith("The last deployment of stack s was killed. Recovering ...\n")


def test_a_no_to_an_import_is_not_followed_by_a_deployment(up):
    state = {"pending_operations": [{"type": "creating"}]}
    code, done, printed = up(state=state, recovers=recovery.DeclinedError("Nothing was imported."), emulated=False)
    assert (code, done) == (1, ["recover"])
    assert printed.endswith("error: Nothing was imported.\n")


def test_after_an_update_that_failed_the_state_is_refreshed_first(up):
    _, done, printed = up(state={"resources": [{"initErrors": ["AccessDenied"]}]})
    assert done[0] == "up --yes --skip-preview --refresh --suppress-outputs --stack s"
    assert "https://github.com/pulumi/pulumi/issues/21458" in printed


def test_no_document_and_no_secret_is_among_the_outputs():
    shown = {"terms": {}, "readme": "# ...", "roleName": "R", "encryptedSecretAccessKey": "a" * 200}
    assert list(table(shown)) == [f"    encryptedSecretAccessKey  {'a' * 100}...", "    roleName                  R"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["Use the key:", "make profile STACK=s", "aws sts get-caller-identity --profile assume-role-s"]),
        ({"encryptedSecretAccessKey": "a"}, ["ARGS=encryptedSecretAccessKey | base64 -d"]),
        ({"secretLocation": "arn"}, ["The key is kept in secretLocation."]),
        ({"awsConfig": None}, ["No access key is active"]),
        ({"terms": {"unmanaged": "trusted"}}, ["make -s handover STACK=s"]),
    ],
)
def test_how_to_use_the_key(changes, words):
    text = "\n".join(how_to_use("s", outputs(**changes)))
    assert [word for word in words if word not in text] == []
    assert "make profile\n" in "\n".join(how_to_use("dev", outputs()))


@pytest.mark.parametrize(("changes", "is_final"), [({}, False), ({"accessKeys": {}, "accessKeyId": None}, True)])
def test_only_a_key_that_works_ends_a_proof_early(monkeypatch, changes, is_final):
    """Without a key, nothing shows at once that the stack works: then `up` waits for all that is deployed."""
    finals = []
    monkeypatch.setattr(stack, "read_stack", lambda _: (outputs(**changes), {}))
    monkeypatch.setattr(stack, "last_change", lambda *_, **__: datetime.now(UTC))
    monkeypatch.setattr(stack, "prove", lambda _, __, *, final=True: finals.append(final) or [])
    assert bool(stack.prove_stack("s", wait=False).final_at) is not is_final
    assert finals == [is_final]
