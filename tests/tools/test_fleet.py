"""`make fleet`: many stacks side by side, each in a process of its own, and their common result."""

import json
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.conftest import FAST_PYTHON, ROOT, copy
from tools.commands.fleet import row
from tools.console import Exit

NOW = datetime(2026, 7, 1, tzinfo=UTC)
# Instead of preparing a stack and running its command, a process runs the script that has the stack's name.
SCRIPTED = """
def enter(stack):
    import sys
    os.execvp("bash", ["bash", "-c", f'echo "$@"; . ./"{stack}".sh', *sys.argv])
"""


@pytest.fixture
def fleet(packages, fast_python, tmp_path):
    """Return a function that makes a folder of scripted stacks and starts a fleet on them."""
    shutil.copytree(packages, tmp_path, dirs_exist_ok=True, copy_function=copy)
    with (tmp_path / "tools/environment.py").open("a") as environment:
        environment.write(SCRIPTED)

    def start(scripts, *words, real=(), settings=None):
        for number, (stack, script) in enumerate(scripts.items()):
            config = {"trusting": {"accountId": f"{number:012}"}, "trusted": {"accountId": f"1{number:011}"}}
            config |= {} if stack in real else {"endpoint": "http://127.0.0.1:4599"}
            config |= (settings or {}).get(stack, {})
            content = {"config": {f"assume-role:{key}": value for key, value in config.items()}}
            (tmp_path / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
            (tmp_path / f"{stack}.sh").write_text(script)
        python = fast_python.get(FAST_PYTHON, ROOT / ".venv/bin/python")
        command = [python, "-m", "tools", "fleet", *words]
        return subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


def done(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def states(out):
    """Return what the table says of each stack, by its name; columns are two spaces apart."""
    rows = [line.split("  ") for line in out.strip().splitlines()[1:]]
    return {row[0]: [cell.strip() for cell in row[1:] if cell][:2] for row in rows}


def test_one_that_fails_does_not_stop_the_others(fleet, tmp_path):
    scripts = {"a-1": r"printf 'why\t\033[2J\302\2332J\n' >&2; exit 1", "a-2": "touch second", "a-3": "exit 2"}
    scripts |= {"a-4": "exit 77", "b": "touch b"}

    code, out, err = done(fleet(scripts, "verify", "--stacks=a-*", "--jobs=1"))

    assert code == Exit.FAILED
    assert (tmp_path / "second").exists()
    assert not (tmp_path / "b").exists()
    assert (tmp_path / ".local/fleet").stat().st_mode & 0o077 == 0
    assert {stack: state.split(",")[0] for stack, (_, state) in states(out).items()} == {
        "a-1": "failed",
        "a-2": "done",
        "a-3": "could not tell",
        "a-4": "failed",
    }
    assert "a-1: the last of .local/fleet/a-1.log" in err
    assert "  why     ?[2J?2J\n" in err  # no terminal acts on what a log holds
    assert "a-2: the last" not in err


@pytest.mark.parametrize(("codes", "together"), [([0, 0], 0), ([0, 3], 3), ([3, 2, 0], 2), ([3, 2, 1], 1)])
def test_the_exit_code_is_the_one_that_counts_most(fleet, codes, together):
    scripts = {f"s{number}": f"exit {code}" for number, code in enumerate(codes)}
    assert done(fleet(scripts, "verify", "--stacks=*"))[0] == together


def test_no_more_at_once_than_was_said(fleet, tmp_path):
    """Each notes how many there are, itself included, and waits for one more, within a bound."""
    script = "touch $$.on; for i in {1..100}; do n=$(ls *.on | wc -l); ((n > 1)) && break; sleep 0.01; done"
    scripts = {f"a-{number}": f"{script}; echo $n >> most; rm $$.on" for number in range(4)}

    code, *_ = done(fleet(scripts, "verify", "--stacks=*", "--jobs=2"))

    assert code == Exit.DONE
    assert max((tmp_path / "most").read_text().split()) == "2"


def test_yes_is_passed_on_to_what_asks_alone(fleet, tmp_path):
    """`verify` has no such option, and to `preview` it would be an unknown one of Pulumi's."""
    assert done(fleet({"a": ""}, "verify", "--stacks=a", "--yes"))[0] == Exit.DONE
    assert "--yes" not in (tmp_path / ".local/fleet/a.log").read_text()


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("--args=--save 'a", "argument --args: No closing quotation. Close each quote"),
        ("--stacks=customer-*", "matches 'customer-*'"),
    ],
)
def test_what_cannot_be_begun_is_a_sentence(fleet, word, says):
    code, _, err = done(fleet({"a": ""}, "verify", "--stacks=a", word))
    assert (code, says in err) == (Exit.CANNOT_TELL, True)


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
def test_many_at_once_ask_nothing(fleet, tmp_path, words, asks):
    (tmp_path / "Pulumi.broken.yaml").write_text("a: [")  # a file that cannot be read counts as real
    (tmp_path / "broken.sh").write_text("")

    code, _, err = done(fleet({"a": "", "b": ""}, *words, "--stacks=*", real=["b"]))

    log = tmp_path / ".local/fleet/a.log"
    assert log.exists() == (not asks)
    assert code == (Exit.CANNOT_TELL if asks else Exit.DONE), err
    assert asks in err
    if not asks:
        assert f"--stack=a {' '.join(words[1:])}".replace("--args=", "").strip() in log.read_text()


SAME = {"trusting": {"accountId": "111122223333"}, "trusted": {"accountId": "444455556666"}}
STORE = {"kind": "ssm", "name": "/key"}


@pytest.mark.parametrize(
    ("others", "clash", "setting"),
    [
        ({}, "role Assume-Role-1 in account 111122223333", "name"),
        ({"trusting": {"accountId": "777788889999"}}, "user user-1 in account 444455556666", "name"),
        ({"name": "b", "role": {"name": "assume-ROLE-1"}}, "role assume-ROLE-1", "role.name"),
        ({"name": "b", "role": {"policy": {"name": "Custom-Policy-For-Role-1"}}}, "policy", "role.policy.name"),
        ({"name": "b", "user": {"name": "USER-1"}}, "user USER-1", "user.name"),
        ({"name": "b", "user": {"policyName": "Custom-Assume-Role-Policy"}}, "policy", "user.policyName"),
        ({"name": "b", "role": "no object", "user": None}, "", ""),
        ({"name": "b", "secretStore": STORE}, "ssm entry in us-east-1 /key in account 4444", "secretStore.name"),
        ({"name": "b", "secretStore": STORE | {"kind": "secretsmanager"}}, "", ""),
        ({"name": "b", "secretStore": STORE, "trusted": SAME["trusted"] | {"region": "eu-west-1"}}, "", ""),
        ({"endpoint": "http://127.0.0.1:4599/"}, "role Assume-Role-1", "name"),
        ({"endpoint": "http://127.0.0.1:4600"}, "", ""),
    ],
)
def test_equal_names_in_one_account_are_refused_before_anything_starts(fleet, tmp_path, others, clash, setting):
    settings = {"a": SAME | {"secretStore": STORE}, "b": SAME | others}
    code, _, err = done(fleet({"a": "", "b": ""}, "up", "--stacks=*", settings=settings))
    assert code == (Exit.CANNOT_TELL if clash else Exit.DONE), err
    if clash:
        assert f"Stacks a and b would both create the {clash}" in err
        assert f"`assume-role:{setting}` in Pulumi.b.yaml" in err
        of_a = "secretStore.name" if setting == "secretStore.name" else "name"
        assert f"`assume-role:{of_a}` in Pulumi.a.yaml" in err
        assert not (tmp_path / ".local/fleet").exists()


def test_a_name_that_no_stack_can_have_is_refused_without_its_control_characters(fleet):
    code, out, err = done(fleet({"a\x1b[31m\nb": "exit 1", "c": ""}, "verify", "--stacks=*"))
    assert (code, out) == (Exit.CANNOT_TELL, "")
    assert "no stack to be named 'a\\x1b[31m\\nb'." in err
    assert "\x1b" not in err


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
    assert states(out)["a"][1].startswith("not finished")
    assert states(out)["b"][1] == "not begun"
    assert "Not finished. Interrupted. Run the same again" in err


def test_a_preview_shows_the_changes(fleet):
    summary = "echo 'Resources:'; echo '    + 3 to create'; echo '    ~ 1 to update'; echo '    9 unchanged'"
    _, out, _ = done(fleet({"a": summary}, "preview", "--stacks=a"))
    assert states(out)["a"][1].startswith("done, 3 to create, 1 to update, ")


def test_by_the_recipe_of_the_project(standing):
    """One stands, one was never deployed, one cannot be read."""
    text = standing.stack_file.read_text()
    (standing.path / "Pulumi.tenant.yaml").write_text(text)
    (standing.path / "Pulumi.torn.yaml").write_text("a: [")

    out = standing.run("make", "fleet", "COMMAND=verify", "STACKS=t*", check=False)

    lines = {line.split()[0]: line for line in out.stdout.strip().splitlines()}
    assert list(lines) == ["stack", "tenant", "test", "torn"]
    assert "emulated  done" in lines["test"]
    assert "proven, " in lines["test"]
    assert lines["test"].endswith("0 days")
    assert "emulated  could not tell" in lines["tenant"]
    assert "real      could not tell" in lines["torn"]
    assert "Pulumi.torn.yaml cannot be read" in out.stderr


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        ([], "not known"),
        ([None], "age not known"),
        ([0], "0 days"),
        ([1], "1 day"),
        ([90], "90 days"),
        ([91, 3], "91 days: rotate it"),
    ],
)
def test_the_age_is_that_of_the_oldest_active_key(tmp_path, monkeypatch, ages, words):
    made = [None if age is None else (NOW - timedelta(days=age)).isoformat() for age in ages]
    keys = [{"id": "K", "status": "Active", "created": each} for each in made]
    keys.append({"id": "O", "status": "Inactive", "created": (NOW - timedelta(days=400)).isoformat()})
    report = {"stack": "a", "time": NOW.isoformat(), "verdict": "proven", "rows": [], "keys": keys}
    (tmp_path / "proof.json").write_text(json.dumps(report))
    monkeypatch.setattr("tools.commands.fleet.proof_file", lambda _: tmp_path / "proof.json")
    assert row("a", "done", NOW)[-1] == words
