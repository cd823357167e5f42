"""The embedded AWS: starts once where the endpoint says, is found again, and keeps or reports its state."""

import fcntl
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from local import LocalError
from local.checkout import Checkout
from local.emulator import ensure_running, stop
from local.locks import exclusive
from tests.conftest import emulator_process

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    yield Checkout(tmp_path)
    stop(Checkout(tmp_path))


@pytest.fixture
def endpoint(free_port):
    return f"http://127.0.0.1:{free_port()}"


def iam(endpoint):
    return boto3.client(
        "iam",
        aws_access_key_id="111111111111",
        aws_secret_access_key="any",
        region_name="us-east-1",
        endpoint_url=endpoint,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_starts_once_and_keeps_its_state_over_a_restart(checkout, endpoint, capfd):
    ensure_running(checkout, endpoint)
    first = emulator_process(checkout)
    iam(endpoint).create_user(UserName="kept")
    key = iam(endpoint).create_access_key(UserName="kept")["AccessKey"]
    ensure_running(checkout, endpoint)
    assert emulator_process(checkout) == first

    assert stop(checkout)
    assert not stop(checkout)
    ensure_running(checkout, endpoint)

    (found,) = iam(endpoint).list_access_keys(UserName="kept")["AccessKeyMetadata"]
    assert found["AccessKeyId"] == key["AccessKeyId"]
    assert emulator_process(checkout) != first
    assert capfd.readouterr().err == ""


def test_waits_for_one_that_another_command_is_starting(checkout, endpoint, capfd, wait_until):
    """It has a process, and does not listen yet."""
    checkout.emulator.mkdir(parents=True)
    record = checkout.emulator / "running.json"
    said = ""

    def waits():
        nonlocal said
        said += capfd.readouterr().err
        return "by another process" in said

    with exclusive(checkout.emulator / "lock", "the start", timeout=1), record.open("w") as process:
        fcntl.flock(process, fcntl.LOCK_EX)
        json.dump({"pid": os.getpid(), "endpoint": endpoint}, process)
        process.flush()
        command = threading.Thread(target=ensure_running, args=(checkout, endpoint))
        command.start()
        wait_until(waits)
        record.unlink()  # it starts one itself
    command.join()

    assert _answers(endpoint)


def test_says_that_it_lost_its_state(checkout, endpoint, capfd, wait_until):
    ensure_running(checkout, endpoint)
    iam(endpoint).create_user(UserName="lost")
    os.kill(emulator_process(checkout), signal.SIGKILL)
    wait_until(lambda: not _answers(endpoint))

    ensure_running(checkout, endpoint)

    assert "what it had not saved is lost. `make up` creates again what is gone." in capfd.readouterr().err
    assert iam(endpoint).list_users()["Users"] == []


def test_ends_when_its_folder_is_deleted(checkout, endpoint, wait_until, capfd):
    """After `rm -rf .local` everything is forgotten, and the next command starts anew."""
    ensure_running(checkout, endpoint)
    iam(endpoint).create_user(UserName="forgotten")

    shutil.rmtree(checkout.state)
    wait_until(lambda: not _answers(endpoint))
    assert not checkout.state.exists()

    ensure_running(checkout, endpoint)
    assert iam(endpoint).list_users()["Users"] == []
    assert capfd.readouterr().err == ""


def test_moves_to_another_endpoint_with_its_state(checkout, endpoint, free_port, capfd):
    ensure_running(checkout, endpoint)
    iam(endpoint).create_user(UserName="kept")
    other = f"http://127.0.0.1:{free_port()}"

    ensure_running(checkout, other)

    assert [user["UserName"] for user in iam(other).list_users()["Users"]] == ["kept"]
    assert not _answers(endpoint)
    assert f"Stopped the embedded AWS, to start it again at {other}" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_leaves_none_running(checkout, endpoint):
    checkout.emulator.mkdir(parents=True)
    (checkout.emulator / "running.json").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        ensure_running(checkout, endpoint)

    (checkout.emulator / "running.json").unlink()
    assert not _answers(endpoint)


def test_an_emulator_of_somebody_else_is_used_and_left_running(checkout, emulator, capfd):
    ensure_running(checkout, emulator)

    assert "this checkout did not start it" in capfd.readouterr().err
    assert not stop(checkout)
    iam(emulator).list_users()


@pytest.fixture
def somebody(endpoint):
    """Let something at the endpoint answer with the text that a test writes for each path; nothing to any other."""
    texts = {}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(texts.get(self.path, "").encode())

    with http.server.HTTPServer(("127.0.0.1", int(endpoint.rpartition(":")[2])), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield texts
        server.shutdown()


@pytest.mark.parametrize(
    "health",
    [
        "HTTP/1.0 404 Not Found\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nHello",
        pytest.param("HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{", id="half of an answer"),
        "no HTTP at all",
    ],
)
def test_something_else_listens_there(checkout, endpoint, somebody, health):
    somebody["/_ministack/health"] = health

    with pytest.raises(LocalError, match=rf"Something other than the embedded AWS listens at {endpoint}\. Stop it"):
        ensure_running(checkout, endpoint)


@pytest.mark.parametrize("answer", ["", "no HTTP", "HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n<"])
def test_an_emulator_that_gives_no_answer_is_not_said_to_let_everybody_in(checkout, endpoint, somebody, answer):
    somebody["/_ministack/health"] = 'HTTP/1.0 200 OK\r\n\r\n{"services": {}}'
    somebody["/?Action=GetCallerIdentity&Version=2011-06-15"] = answer

    with pytest.raises(LocalError, match=r"gave no answer \(.+\): this machine is busy, or it hangs\. Try again\."):
        ensure_running(checkout, endpoint)


def test_an_emulator_that_lets_everybody_in(checkout, endpoint, wait_until):
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": endpoint.rpartition(":")[2], "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [ROOT / ".venv/bin/ministack"], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: _answers(endpoint))
            with pytest.raises(LocalError, match="lets everybody in"):
                ensure_running(checkout, endpoint)
        finally:
            process.terminate()


def test_an_address_that_it_cannot_listen_on(checkout):
    with pytest.raises(
        LocalError, match=r"listens on http://127\.0\.0\.1 only, and endpoint is 'https://\[::1\]:4599'"
    ):
        ensure_running(checkout, "https://[::1]:4599")


def test_commands_at_the_same_time_start_one(checkout, endpoint):
    threads = [threading.Thread(target=ensure_running, args=(checkout, endpoint)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stop(checkout)
    assert not stop(checkout)
    with pytest.raises(OSError, match="Connection refused"):
        _connect(endpoint)


def _connect(endpoint):
    socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), timeout=1).close()


def _answers(endpoint):
    try:
        _connect(endpoint)
    except OSError:
        return False
    return True
