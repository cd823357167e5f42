"""The AWS emulator: starts once where the endpoint says, is found again, and keeps or reports its state."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config

from local import LocalError
from local.checkout import Checkout
from local.emulator import ensure_running, stop
from local.environment import prepare
from tests.conftest import emulator_process
from tests.local.conftest import script

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


def test_starts_once_and_keeps_its_state_over_a_restart_and_to_itself(checkout, endpoint, capfd, monkeypatch):
    for name in ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "SERVICES"):
        monkeypatch.setenv(name, "s3cret")
    ensure_running(checkout, endpoint)
    first = emulator_process(checkout)
    environment = psutil.Process(first).environ()
    assert environment["AUTH"] == "true"
    assert "s3cret" not in environment.values()
    iam(endpoint).create_user(UserName="kept")
    key = iam(endpoint).create_access_key(UserName="kept")["AccessKey"]
    ensure_running(checkout, endpoint)
    assert emulator_process(checkout) == first

    assert stop(checkout)
    assert not stop(checkout)
    # They hold the secrets of all access keys.
    files = [file for file in checkout.emulator.rglob("*") if file.name not in ("lock", "log")]
    assert "iam.json" in {file.name for file in files}
    assert [file for file in files if file.stat().st_mode & 0o077] == []
    ensure_running(checkout, endpoint)

    (found,) = iam(endpoint).list_access_keys(UserName="kept")["AccessKeyMetadata"]
    assert found["AccessKeyId"] == key["AccessKeyId"]
    assert emulator_process(checkout) != first
    assert capfd.readouterr().err == ""


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


def test_each_endpoint_has_an_emulator_of_its_own(checkout, endpoint, free_port):
    """A stack with another endpoint must not stop the emulator that a command on the first one uses."""
    other = f"http://127.0.0.1:{free_port()}"
    ensure_running(checkout, endpoint)
    iam(endpoint).create_user(UserName="kept")

    ensure_running(checkout, other)

    assert [user["UserName"] for user in iam(endpoint).list_users()["Users"]] == ["kept"]
    assert iam(other).list_users()["Users"] == []
    assert stop(checkout)
    assert not _answers(endpoint)
    assert not _answers(other)


@pytest.mark.parametrize("text", ["R&D", "a < b > c", "<b>", "&amp;", 'it\'s "quoted"', "a\r\nb", "]]>"])
def test_a_text_comes_back_as_it_was(aws_client, accounts, text):
    """Ministack 1.5.33 writes texts into its XML as they are: one role with an ampersand breaks every list of roles.

    If this fails with another version, see whether it still needs what `local/emulator_process.py` changes in it.
    """
    client = aws_client(accounts.trusting, "iam")
    path = f"/{text}/".translate(dict.fromkeys(map(ord, " \r\n")))
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": text}}}
    trust = {"Version": "2012-10-17", "Statement": [statement | {"Principal": {"AWS": "*"}}]}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": "*"}]}
    tags = [{"Key": "team", "Value": text}]

    role = {"RoleName": "role", "Path": path, "Description": text, "AssumeRolePolicyDocument": trust, "Tags": tags}
    client.create_role(**role | {"AssumeRolePolicyDocument": json.dumps(trust)})
    client.create_user(UserName="user", Path=path, Tags=tags)
    client.create_policy(PolicyName="policy", Path=path, Description=text, PolicyDocument=json.dumps(policy), Tags=tags)

    found = client.get_role(RoleName="role")["Role"]
    assert {name: found[name] for name in role} == role
    (user,) = client.list_users()["Users"]
    assert user["Arn"] == f"arn:aws:iam::{accounts.trusting}:user{path}user"
    (found,) = client.list_policies(Scope="Local")["Policies"]
    assert client.get_policy(PolicyArn=found["Arn"])["Policy"]["Description"] == text
    assert client.get_policy_version(PolicyArn=found["Arn"], VersionId="v1")["PolicyVersion"]["Document"] == policy
    assert client.get_account_authorization_details()["RoleDetailList"][0]["Path"] == path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_leaves_none_running(checkout, endpoint):
    folder = checkout.emulator_of(endpoint)
    folder.mkdir(parents=True)
    (folder / "running.json").symlink_to("/dev/full")

    with pytest.raises(LocalError, match=r"did not start at .*No space left on device"):
        ensure_running(checkout, endpoint)

    assert not _answers(endpoint)


def test_an_emulator_of_another_checkout_is_used_and_left_running(checkout, emulator, capfd):
    ensure_running(checkout, emulator)

    assert "this checkout did not start it" in capfd.readouterr().err
    assert not stop(checkout)
    iam(emulator).list_users()


@pytest.mark.parametrize(
    "answer",
    [
        *(b"HTTP/1.0 404 Not Found\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nHello", b"HTTP/1.0 200 OK\r\n\r\n[]", b"SSH-2.0"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 200_000, id="nested"),
        pytest.param(b"", id="without an end"),
    ],
)
@pytest.mark.timeout(60)
def test_something_else_listens_there(checkout, endpoint, answer, monkeypatch):
    monkeypatch.setattr("local.emulator.ANSWER_SECONDS", 0.5)
    pause = threading.Event()
    with socket.create_server(("127.0.0.1", int(endpoint.rpartition(":")[2]))) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
                with suppress(OSError):  # the other side has read enough
                    while not answer and not pause.wait(0.01):
                        connection.sendall(b"X")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(LocalError, match=f"Something other than the AWS emulator listens at {endpoint}"):
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


def test_commands_at_the_same_time_start_one(checkout, endpoint, tmp_path, machine):
    script(tmp_path / "bin/pulumi", "echo v3.274.1")
    arguments = (checkout, "test", endpoint, machine)
    threads = [threading.Thread(target=prepare, args=arguments) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stop(checkout)
    assert not stop(checkout)
    assert not _answers(endpoint)


def _answers(endpoint):
    try:
        socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), timeout=1).close()
    except OSError:
        return False
    return True
