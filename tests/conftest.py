"""What tests share: an emulator that enforces IAM, accounts of their own, and copies of the project."""

import compileall
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

from local.checkout import Checkout
from local.emulator import ensure_running, stop
from local.environment import prepare
from tests.open_kms import open_kms
from tests.preforked import READY
from tests.proxy import proxy_before
from tests.real_like import make_real_like, real_like_plugin
from tests.shared_plugin import VARIABLE, shared_plugin
from tests.standing import readable_state, stand

ROOT = Path(__file__).resolve().parent.parent
# What a copy of the project needs.
PROGRAM = ("Pulumi.yaml", "__main__.py", "Makefile", "requirements.txt", "requirements-tools.txt")
PACKAGES = ("components", "local", "policies", "tools")
# One choice for the whole run, and never a download of hundreds of megabytes: `make test PLUGIN=official`.
AWS_PLUGIN = os.environ.get("PLUGIN") or "stand-in"
# Bounds for what hangs, far beyond what a loaded machine needs.
COMMAND_SECONDS = 600.0
CONDITION_SECONDS = 300.0
CONDITION_POLL_SECONDS = 0.01
STACK = "test"
# In the environment of a command: what runs modules faster than Python. Not those that outlive whoever started them.
FAST_PYTHON = "TESTS_PYTHON"
FAST_MODULES = ("tools", "tools.make", "local.plugins.language_host")


@dataclass(frozen=True)
class Accounts:
    """Account ids that no other test uses: the emulator is shared, and accounts are its only walls."""

    trusting: str
    trusted: str
    other: str


@dataclass(frozen=True)
class Project:
    """A copy of the project with a stack of its own, used as a user would: through commands."""

    path: Path
    accounts: Accounts
    endpoint: str
    environment: dict[str, str] = field(repr=False)
    stack: str = STACK

    @property
    def stack_file(self) -> Path:
        return self.path / f"Pulumi.{self.stack}.yaml"

    @property
    def state_file(self) -> Path:
        backend = self.environment["PULUMI_BACKEND_URL"].removeprefix("file://").partition("?")[0]
        return Path(backend) / f".pulumi/stacks/assume-role/{self.stack}.json"

    def run(
        self,
        *command: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
        environment: dict[str, str] | None = None,
        timeout: float = COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def with_own_plugins(self) -> "Project":
        """Return the project as users have it: its engine starts processes of its own for hosts and providers."""
        kept = {n: v for n, v in self.environment.items() if n not in (VARIABLE, FAST_PYTHON)}
        return replace(self, environment=kept)

    def init(self, secrets_provider: str = "") -> None:
        """Make the stack, with the secrets under the same key as those of its stack file, or under another."""
        provider = secrets_provider or yaml.safe_load(self.stack_file.read_text())["secretsprovider"]
        self.pulumi("stack", "init", "--no-select", f"--secrets-provider={provider}")

    def with_passphrase(self) -> "Project":
        """Return the project, which is not deployed, with its secrets under the empty passphrase, as users have it."""
        self.state_file.unlink()
        self.init("passphrase")
        return self

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("pulumi", *arguments, "--non-interactive", "--stack", self.stack, check=check)

    preview = partialmethod(pulumi, "preview")
    up = partialmethod(pulumi, "up", "--yes", "--skip-preview")
    destroy = partialmethod(pulumi, "destroy", "--yes", "--skip-preview")
    python = partialmethod(run, "python")

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets").stdout)

    def terms(self) -> dict[str, Any]:
        """Return the terms of the relationship, out of the state file."""
        resources = json.loads(self.state())["checkpoint"]["latest"]["resources"]
        (relationship,) = [each for each in resources if each["type"] == "assume-role:index:Relationship"]
        return relationship["outputs"]["terms"]

    def recorded(self) -> dict[str, Any]:
        """Return the outputs as the state file has them: without a command, and secrets only as ciphertext."""
        return json.loads(self.state())["checkpoint"]["latest"]["resources"][0]["outputs"]

    def config(self) -> dict[str, Any]:
        return yaml.safe_load(self.stack_file.read_text())["config"]

    def configure(self, values: dict[str, Any]) -> None:
        """Set top-level keys of the stack's configuration; None removes one."""
        content = yaml.safe_load(self.stack_file.read_text())
        for key, value in values.items():
            name = key if ":" in key else f"assume-role:{key}"
            content["config"].pop(name, None)
            if value is not None:
                content["config"][name] = value
        self.stack_file.write_text(yaml.safe_dump(content, sort_keys=False))

    def stand_behind(self, endpoint: str) -> None:
        """Let a standing project be as one that was deployed through a proxy."""
        self.configure({"endpoint": endpoint})
        self.state_file.write_text(self.state().replace(self.endpoint, endpoint))

    def state(self) -> str:
        """Return the text of the state file: for asserting what it does not hold."""
        return self.state_file.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: a test that waits for AWS or for a clock needs none."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _no_user_settings():
    """Keep the tests from the user's AWS and Pulumi settings, but let them find the user's Pulumi CLI.

    Also from the arguments of `make test`: its variables and flags would reach every `make` that a test runs.
    """
    names = [name for name in os.environ if name.startswith(("AWS_", "PULUMI_", "MAKE", "MFLAGS"))]
    names += {"STACK", "ARGS", "YES", "JSON", "OUTPUT", "COMMAND", "STACKS", "JOBS"} & os.environ.keys()
    own_home = str(Checkout(ROOT).pulumi_home)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            if name != "PULUMI_HOME" or os.environ[name] == own_home:
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def wait_until():
    """Return a function that waits for a condition, within a bound."""

    def wait(condition):
        end = time.monotonic() + CONDITION_SECONDS
        while not condition():
            assert time.monotonic() < end, "the condition did not come true in time"
            time.sleep(CONDITION_POLL_SECONDS)

    return wait


@pytest.fixture(scope="session")
def free_port():
    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture(scope="session")
def emulator(tmp_path_factory, free_port):
    folder = tmp_path_factory.mktemp("emulator")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    endpoint = f"http://127.0.0.1:{free_port()}"
    ensure_running(Checkout(folder), endpoint)
    yield endpoint
    stop(Checkout(folder))


@pytest.fixture
def proxy(emulator):
    """Return a proxy of the test's own before the emulator."""
    with proxy_before(emulator) as running:
        yield running


@pytest.fixture(scope="session")
def next_accounts():
    ids = (f"{number:012d}" for number in itertools.count(100_000_000_001))
    return lambda: Accounts(next(ids), next(ids), next(ids))


@pytest.fixture
def accounts(next_accounts):
    return next_accounts()


@pytest.fixture(scope="session")
def aws_client(emulator):
    """Return a function that makes a client of a service, for the root of an account or with a key."""

    def make(key_id, service, secret="any", token=None):  # noqa: S107
        """Take an account's id for its root: the emulator asks that one for no secret."""
        return boto3.client(
            service,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name="us-east-1",
            endpoint_url=emulator,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    return make


def emulator_process(checkout: Checkout) -> int:
    """Return the process id of a checkout's emulator."""
    (record,) = checkout.emulator.glob("*/running.json")
    return json.loads(record.read_text())["pid"]


def make_environment(folder: Path) -> None:
    """Make a virtual environment that is the project's own, with a `python` that may be fast."""
    for own in [*(ROOT / ".venv").iterdir(), *(ROOT / ".venv/bin").iterdir()]:
        link = folder / own.relative_to(ROOT / ".venv")
        link.parent.mkdir(exist_ok=True)
        if link.relative_to(folder) != Path("bin"):
            link.symlink_to(own)
    python = folder / "bin/python"
    python.unlink()
    fast = "|".join(f"'-m {module}'" for module in FAST_MODULES)
    python.write_text(
        f"#!/bin/sh\ncase \"${{{FAST_PYTHON}:+$*}} \" in '-E '*) shift ;; esac\n"
        f'case "${{{FAST_PYTHON}:+$1 $2}}" in {fast}) exec "${FAST_PYTHON}" "$@" ;; esac\n'
        f'exec {shlex.quote(str(ROOT / ".venv/bin/python"))} "$@"\n'
    )
    python.chmod(0o755)


@pytest.fixture(scope="session")
def secrets_provider():
    with open_kms() as provider:
        yield provider


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Return a folder with the packages of the project, compiled."""
    folder = tmp_path_factory.mktemp("packages")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture(scope="session")
def template(packages, tmp_path_factory, emulator, secrets_provider):
    """Return the folder of a project whose stack is made and whose accounts are missing: every project is its copy."""
    folder = tmp_path_factory.mktemp("template")
    for name in PROGRAM:
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(packages, folder, dirs_exist_ok=True, copy_function=copy)
    make_environment(environment := tmp_path_factory.mktemp("environment"))
    (folder / ".venv").symlink_to(environment)
    config = {"pulumi:disable-default-providers": ["aws"], "assume-role:endpoint": emulator}
    (folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}, sort_keys=False))
    prepared = prepare(Checkout(folder), STACK, emulator, os.environ | {"PLUGIN": AWS_PLUGIN})
    command = ("pulumi", "stack", "change-secrets-provider", secrets_provider, "--stack", STACK, "--non-interactive")
    subprocess.run(command, cwd=folder, env=prepared, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def shared():
    """Return what makes engines use one process of the stand-in plugin; nothing where the official one is tested."""
    if AWS_PLUGIN != "stand-in":
        yield {}
        return
    with shared_plugin() as variables:
        yield variables


@pytest.fixture(scope="session")
def fast_python(tmp_path_factory):
    """Return what makes commands and language hosts start with the packages loaded; nothing where that is not Linux."""
    if sys.platform != "linux":
        yield {}
        return
    folder = tmp_path_factory.mktemp("python")
    address, program = folder / "socket", folder / "python"
    asking = shlex.join([sys.executable, "-I", "-S", str(ROOT / "tests/preforked.py"), "ask", str(address)])
    program.write_text(f'#!/bin/sh\nexec {asking} "$@"\n')
    program.chmod(0o755)
    serving = [sys.executable, "-m", "tests.preforked", "serve", str(address)]
    with subprocess.Popen(serving, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        assert server.stdout.readline() == READY
        yield {FAST_PYTHON: str(program)}
        server.stdin.close()


def copy(source: str, target: str) -> None:
    """Copy a file with its dates; what Python has compiled is never written in place, and so need not be copied."""
    (os.link if source.endswith(".pyc") else shutil.copy2)(source, target)


@pytest.fixture(scope="session")
def make_project(template, emulator, shared, fast_python):
    """Return a function that copies the project, with a stack that is not deployed, into a folder."""

    def make(folder, accounts):
        shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True, copy_function=copy)
        # Once more: the plugins are those of this folder, and the emulator loads its state.
        environment = prepare(Checkout(folder), STACK, emulator, os.environ | {"PLUGIN": AWS_PLUGIN})
        project = Project(folder, accounts, emulator, environment | shared | fast_python)
        project.configure(
            {"trusting": {"accountId": accounts.trusting}, "trusted": {"accountId": accounts.trusted}},
        )
        return project

    return make


@pytest.fixture(scope="session")
def make_standing(tmp_path_factory, next_accounts, make_project, aws_client):
    """Return a function that makes a project that stands as after `pulumi up`, by copying one that was deployed."""
    original = make_project(tmp_path_factory.mktemp("original"), next_accounts())
    original.up()
    state = readable_state(original)

    def make(folder, accounts):
        project = make_project(folder, accounts)
        stand(project, state, original.accounts, aws_client)
        return project

    return make


@pytest.fixture
def project(tmp_path, accounts, make_project):
    """Return a project of the test's own, whose stack is not deployed."""
    return make_project(tmp_path, accounts)


@pytest.fixture
def make_real(project):
    """Return a function that makes the test's project one of real accounts, whose AWS is at an endpoint."""
    with ExitStack() as servers:
        yield lambda endpoint: make_real_like(project, servers.enter_context(real_like_plugin(endpoint)), endpoint)


@pytest.fixture
def real_project(make_real, emulator):
    """Return a project whose accounts count as real: nothing may be done in them without a yes."""
    return make_real(emulator)


@pytest.fixture
def standing(tmp_path, accounts, make_standing):
    """Return a project of the test's own, deployed with the default settings."""
    return make_standing(tmp_path, accounts)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, next_accounts, make_standing):
    """Return a project deployed with the default settings, shared by the tests of a module: leave it as it was."""
    return make_standing(tmp_path_factory.mktemp("deployed"), next_accounts())
