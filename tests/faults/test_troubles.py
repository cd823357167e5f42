"""`make faults` also tries a machine in trouble: no disk left, nothing to write to, everything twice, no AWS left."""

import os
import re
import shutil
import signal
import subprocess

import boto3
import pytest

from local.checkout import Checkout
from local.emulator import ensure_running, stop
from tests.conftest import emulator_process
from tests.faults.aftermath import differences, doubts
from tests.faults.operations import OPERATIONS, STACK, UP, finish, run, start

# Where a user may have a file system of his own, without being root.
# A command that runs in it starts its own Python: the preforked one is in the file system of the tests.
OWN_FILE_SYSTEM = ("unshare", "--map-root-user", "--mount", "bash", "-euo", "pipefail", "-c")
needs_own_file_system = pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run([*OWN_FILE_SYSTEM, "mount -t tmpfs none /mnt"], check=False, capture_output=True).returncode != 0,
    reason="this system lets nobody mount a file system of his own (unshare --map-root-user --mount)",
)
pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wanted(stage):
    stage.record(OPERATIONS["up"])
    return stage.wanted["up"]


@pytest.fixture
def recovers(wanted, aws_client):
    """Return a function that lets `make up` run once more, and finds out whether all is well then."""

    def after_one_more(project, client=aws_client):
        done = run(project, *UP)
        assert done.went_well, done
        assert [*differences(project, client, wanted), *doubts(project, done)] == []

    return after_one_more


@needs_own_file_system
@pytest.mark.parametrize("kilobytes", [0, 8, 24])
def test_a_full_disk(project, kilobytes, recovers):
    """The stack's state lies on a disk with no more room than that beside what is there; later there is room again."""
    script = f"""
        cp -a .local/stacks .local/kept
        mount -t tmpfs -o size=10m none .local/stacks
        cp -a .local/kept/. .local/stacks
        used=$(df --output=used .local/stacks | tail -1)
        mount -o remount,size=$((used + {kilobytes}))k .local/stacks
        make up STACK=test && exit 9
        rm -rf .local/kept
        cp -a .local/stacks .local/kept
    """
    done = run(project.with_own_plugins(), *OWN_FILE_SYSTEM, script)
    assert done.went_well, done
    assert "Traceback" not in done.said
    shutil.rmtree(project.path / ".local/stacks")
    (project.path / ".local/kept").rename(project.path / ".local/stacks")
    recovers(project)


@needs_own_file_system
def test_a_checkout_that_nobody_may_write_to(project, recovers):
    script = (
        'mount --bind "$PWD" "$PWD"; mount -o remount,ro,bind "$PWD"; cd "$PWD"; make up STACK=test && exit 9; true'
    )
    done = run(project.with_own_plugins(), *OWN_FILE_SYSTEM, script)
    assert done.went_well, done
    assert "read-only" in done.said.lower()
    assert "Traceback" not in done.said
    recovers(project)


def test_two_ups_at_once(project, recovers):
    both = [start(project, *UP) for _ in range(2)]
    ended = [finish(process, UP) for process in both]
    assert any(done.went_well for done in ended), ended
    assert all(done.went_well or "locked" in done.said for done in ended), [done.said for done in ended]
    recovers(project)


def test_two_rotations_at_once(standing, aws_client):
    """Whichever comes second says who is at work, and no key is lost."""
    rotate = ("make", "rotate", STACK, "YES=1", "ARGS=--quiet-hours 0")
    both = [start(standing, *rotate) for _ in range(2)]
    ended = [finish(process, rotate) for process in both]
    assert any(done.went_well for done in ended), [done.said for done in ended]
    for done in ended:
        assert done.went_well or re.search(r"locked by 1 lock(.|\n)*created by .* \(pid \d+\)", done.said), done.said
        assert "Traceback" not in done.said
    assert [*differences(standing, aws_client, None), *doubts(standing, ended[0])] == []


@pytest.mark.parametrize("objects", [1, 3, 5])
def test_an_aws_that_was_killed(project, free_port, wait_until, recovers, objects):
    """The emulator is killed when it has so many objects, and loses them all."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    checkout = Checkout(project.path)

    def client(account, service):
        keys = {"aws_access_key_id": account, "aws_secret_access_key": "any", "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=endpoint, **keys)

    def there():
        held = [client(a, "iam").get_account_authorization_details() for a in (accounts.trusting, accounts.trusted)]
        return sum(len(held[n][k]) for n in (0, 1) for k in ("Policies", "RoleDetailList", "UserDetailList"))

    accounts = project.accounts
    project.configure({"endpoint": endpoint})
    ensure_running(checkout, endpoint)
    try:
        process = start(project, *UP)
        wait_until(lambda: there() >= objects or process.poll() is not None)
        os.kill(emulator_process(checkout), signal.SIGKILL)
        finish(process, UP)
        recovers(project, client)
    finally:
        stop(checkout)
