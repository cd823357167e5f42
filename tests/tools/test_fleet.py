"""`make fleet`: many stacks side by side, each by its own `make`, and what they come to together."""

import json
import os
import pty
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.conftest import ROOT
from tools.errors import Exit
from tools.proof.saved import Proof
from tools.standing import Standing, due, exit_of, key_age, pending_changes, worst

NOW = datetime(2026, 7, 1, tzinfo=UTC)
# Stands in for the recipes: what a stack does is the script that has its name.
MAKEFILE = """
preview up verify rotate:
\t@echo "$@ YES=$(YES) ARGS=$(ARGS)"; bash ./$(STACK).sh
"""


@pytest.fixture
def fleet(tmp_path):
    """Return a function that makes a folder of stacks of scripts, and gives a command that runs a fleet of them."""
    for name in ("components", "local", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "Makefile").write_text(MAKEFILE)

    def start(scripts, *words, real=(), **streams):
        for stack, script in scripts.items():
            endpoint = {} if stack in real else {"assume-role:endpoint": "http://127.0.0.1:4599"}
            (tmp_path / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": endpoint}))
            (tmp_path / f"{stack}.sh").write_text(script)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen(
            [ROOT / ".venv/bin/python", "-m", "tools", "fleet", *words], cwd=tmp_path, text=True, **streams
        )

    return start


def done(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_one_that_fails_does_not_stop_the_others(fleet, tmp_path):
    scripts = {"a-1": "echo why >&2; exit 1", "a-2": "touch second", "a-3": "exit 2", "b-1": "touch other"}

    code, out, err = done(fleet(scripts, "verify", "--stacks=a-*", "--jobs=1"))

    assert code == Exit.FAILED
    assert (tmp_path / "second").exists()
    assert (tmp_path / ".local/fleet").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "other").exists()
    states = [line.split(",")[0] for line in out.splitlines()]
    assert states[:3] == ["a-1 (pretend): failed", "a-2 (pretend): done", "a-3 (pretend): could not tell"]
    assert states[3] == "verify on 3 stacks: 1 done"
    assert "a-1: the last of .local/fleet/a-1.log" in err
    assert "  why" in err
    assert "a-2: the last" not in err


def test_no_more_at_once_than_was_said(fleet, tmp_path):
    """Each notes how many there are, itself included, and waits for one more, within a bound."""
    script = "touch $$.on; for i in {1..100}; do n=$(ls *.on | wc -l); ((n > 1)) && break; sleep 0.01; done"
    scripts = {f"a-{number}": f"{script}; echo $n >> most; rm $$.on" for number in range(4)}

    code, *_ = done(fleet(scripts, "verify", "--stacks=*", "--jobs=2"))

    assert code == Exit.DONE
    assert max((tmp_path / "most").read_text().split()) == "2"


def test_no_match_is_a_sentence(fleet):
    code, _, err = done(fleet({"a": ""}, "verify", "--stacks=customer-*"))
    assert (code, "matches 'customer-*'" in err) == (Exit.CANNOT_TELL, True)


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (["preview"], ""),
        (["verify"], ""),
        (["up"], "before it changes b, broken,"),
        (["rotate"], "before it changes a, b, broken,"),
        (["up", "--yes"], ""),
        (["rotate", "--yes", "--args=--until-hand-over"], ""),
    ],
)
def test_nothing_is_asked_by_many_at_once(fleet, tmp_path, words, asks):
    (tmp_path / "Pulumi.broken.yaml").write_text("a: [")  # what cannot be read counts as real
    (tmp_path / "broken.sh").write_text("")

    code, _, err = done(fleet({"a": "", "b": ""}, *words, "--stacks=*", real=["b"]))

    log = tmp_path / ".local/fleet/a.log"
    assert log.exists() == (not asks)
    assert code == (Exit.CANNOT_TELL if asks else Exit.DONE), err
    assert asks in err
    if "--yes" in words:
        assert "YES=1" in log.read_text()
    if len(words) > 2:
        assert "ARGS=--until-hand-over" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_reaches_what_runs_once_and_waits_for_its_end(fleet, tmp_path, wait_until, number):
    script = "trap 'echo told >> told; sleep 0.2; touch ended; exit 1' INT; touch begun; while :; do sleep 0.05; done"
    process = fleet({"a": script, "b": "touch later"}, "verify", "--stacks=*", "--jobs=1")
    wait_until((tmp_path / "begun").exists)

    process.send_signal(number)
    code, out, err = done(process)

    assert code == Exit.UNFINISHED
    assert (tmp_path / "told").read_text() == "told\n"
    assert (tmp_path / "ended").exists()
    assert not (tmp_path / "later").exists()
    assert "a (pretend): not finished" in out
    assert "Not finished. Interrupted. Run the same again" in err


def test_on_a_terminal_it_is_a_table(fleet):
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "TERM": "xterm"}
    process = fleet({"a": "", "b": "exit 1"}, "verify", "--stacks=*", stdout=follower, env=environment)
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    process.wait(30)
    assert process.stderr
    process.stderr.close()
    os.close(leader)
    last = shown.decode().rpartition("key age")[2]
    assert [word in last for word in ("done, 0 s", "failed, 0 s", "no proof yet")] == [True] * 3


def test_by_the_recipe_of_the_project(standing):
    """One stands, one was never deployed, one cannot be read."""
    text = standing.stack_file.read_text()
    (standing.path / "Pulumi.tenant.yaml").write_text(text)
    (standing.path / "Pulumi.torn.yaml").write_text("a: [")

    out = standing.run("make", "fleet", "COMMAND=verify", "STACKS=t*", check=False)

    lines = {line.split()[0]: line for line in out.stdout.splitlines()}
    assert "done" in lines["test"]
    assert "proof: proven, " in lines["test"]
    assert "key age: 0 days; due: nothing" in lines["test"]
    assert "(pretend): could not tell" in lines["tenant"]
    assert "(real): could not tell" in lines["torn"]
    assert "Pulumi.torn.yaml cannot be read" in out.stderr


# What is decided


def proof(*ages, verdict="proven"):
    keys = [{"id": "K", "status": "Active", "created": (NOW - timedelta(days=age)).isoformat()} for age in ages]
    report = {"stack": "a", "time": NOW.isoformat(), "verdict": verdict, "rows": [], "keys": keys}
    return Proof.model_validate_json(json.dumps(report))


@pytest.mark.parametrize(
    ("proof", "pending", "age", "words"),
    [
        (None, "", None, ["verify: no proof yet"]),
        (proof(3), "", 3, []),
        (proof(90), "", 90, []),
        (proof(91), "", 91, ["rotate: over 90 days"]),
        (proof(91, 1), "", 91, ["rotate: two keys"]),
        (proof(3, verdict="disproven"), "1 to update", 3, ["up: 1 to update", "verify: disproven"]),
    ],
)
def test_what_is_due(proof, pending, age, words):
    assert key_age(proof, NOW) == age
    assert due(Standing(stack="a", pretend=True, proof=proof, pending=pending), NOW) == words


@pytest.mark.parametrize(
    ("exits", "code"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 2, 0], 2), ([3, 2, 1], 1)],
)
def test_all_together(exits, code):
    assert worst([Exit(each) for each in exits]) == code


@pytest.mark.parametrize(
    ("command", "printed", "code"),
    [
        ("verify", "make: *** [Makefile:63: verify] Error 2\n", Exit.CANNOT_TELL),
        ("rotate", "make: *** [Makefile:63: rotate] Error 3\n", Exit.UNFINISHED),
        ("rotate", "make[1]: *** [rotate] Error 1\n", Exit.FAILED),
        ("verify", "make: *** [Makefile:63: verify] Error 130\n", Exit.FAILED),
        ("up", "make: *** [Makefile:50: up] Error 3\n", Exit.FAILED),  # the engine's own, which means another thing
        ("verify", "nothing that make says", Exit.FAILED),
    ],
)
def test_what_make_hides_is_told(command, printed, code):
    assert exit_of(command, 2, printed) is code
    assert exit_of(command, 0, printed) is Exit.DONE


def test_what_a_preview_found():
    assert pending_changes("Resources:\n    + 3 to create\n    ~ 1 to update\n    9 unchanged\n") == (
        "3 to create, 1 to update"
    )
