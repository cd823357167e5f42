"""A run that was killed, a machine that lost its state: the same command again goes on."""

import json
import os
import signal
import subprocess

from local.checkout import Checkout
from local.emulator import stop
from local.environment import may_have_lost
from tests.conftest import emulator_process
from tests.proxy import Fault, proxy_before


def kill_an_up(project, wait_until, condition):
    """Start `pulumi up` and kill the engine, which cannot clean up, as soon as the condition holds."""
    with subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test"],
        cwd=project.path,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(condition)
        process.send_signal(signal.SIGKILL)


def test_an_up_that_was_killed(project, wait_until):
    locks = project.path / ".local/stacks/.pulumi/locks/organization/assume-role/test"
    kill_an_up(project, wait_until, lambda: locks.exists() and list(locks.glob("*.json")))
    assert "currently locked" in project.up(check=False).stderr

    done = project.run("make", "up", "STACK=test")

    assert "was killed: its lock was removed." in done.stderr
    assert "Stack test is proven" in done.stdout
    assert list(locks.glob("*.json")) == []


def test_a_disk_that_was_full(standing):
    """What it leaves: a state that is cut off, with a whole copy of the one before, and an empty lock."""
    project = standing
    backend = project.path / ".local/stacks/.pulumi"
    state = backend / "stacks/assume-role/test.json"
    whole = state.read_text()
    state.with_name("test.json.bak").write_text(whole)
    state.write_text(whole[:1000])
    lock = backend / "locks/organization/assume-role/test/01234567.json.18eb0d20.tmp"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()

    done = project.run("make", "up", "STACK=test")

    assert "The state of stack test was broken, as after a full disk: going on from the copy before it" in done.stderr
    assert "(an unknown process) was killed: its lock was removed." in done.stderr
    assert "Stack test is proven" in done.stdout
    assert "checkpoint" in json.loads(state.with_name("test.json.bak").read_text())  # the engine has made the next one

    # Where the copy was cut off, too, the state at the end of the last run is left.
    key = project.outputs()["accessKeyId"]
    state.write_text("")
    state.with_name("test.json.bak").write_text("{")

    project.run("make", "-s", "env", "STACK=test")

    assert project.outputs()["accessKeyId"] == key


def test_a_disk_that_was_full_in_the_first_run(project, aws_client):
    """What it leaves: two states that are cut off, a run that failed, and all that it had made by then."""
    with proxy_before(project.endpoint) as proxy:
        project.configure({"endpoint": proxy.url})
        proxy.plan("AttachRolePolicy", Fault.WEB_PAGE)
        project.up(check=False)
    project.configure({"endpoint": project.endpoint})
    project.state_file.write_text("")
    project.state_file.with_name("test.json.bak").write_text("{")
    for copy in project.path.rglob("*.checkpoint.json"):
        copy.unlink()

    done = project.run("make", "up", "STACK=test")

    assert "going on from an empty one: no copy is whole" in done.stderr
    assert "  Role Assume-Role-1 (trusting account)" in done.stdout
    assert "policy/Custom-Policy-For-Role-1 (trusting account)" in done.stdout
    keys = aws_client(project.accounts.trusted, "iam").list_access_keys(UserName="user-1")["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in keys] == [project.outputs()["accessKeyId"]]


def test_an_emulator_that_lost_everything(project, free_port):
    """As after a power cut: `make up` looks what AWS still has of what the state knows, and makes the rest again."""
    checkout = Checkout(project.path)
    project.configure({"endpoint": f"http://127.0.0.1:{free_port()}"})
    try:
        project.run("make", "up", "STACK=test")
        os.kill(emulator_process(checkout), signal.SIGKILL)
        project.run("make", "outputs", "STACK=test")  # whichever command starts it again

        done = project.run("make", "up", "STACK=test")

        assert "disproven" not in done.stdout
        assert "Stack test is proven" in done.stdout
        assert not may_have_lost(checkout, "test", str(checkout.endpoint("test")))
    finally:
        stop(checkout)
