"""The environment in which plain ``pulumi`` works on a stack that has an ``endpoint``: its parts, put together."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from local import LocalError
from local.checkout import Checkout, user_pulumi_home
from local.cli import NO_DOWNLOADS, find_cli
from local.console import say
from local.emulator import ensure_running, started_after
from local.launchers import CHOICE, IGNORE_PATH, STAND_IN, link, place_aws_plugin, place_language_host
from local.locks import exclusive

PROJECT = "assume-role"  # of Pulumi.yaml; the file backend keeps the stacks of a project in a folder of that name
SET_UP_SECONDS = 600.0
NO_PROXY = ("no_proxy", "NO_PROXY")  # some programs read the one, some the other
USERS_HOME = "USERS_PULUMI_HOME"  # what PULUMI_HOME was, for commands inside `make shell`
# What a user has set for real AWS must not reach calls to the emulator: a profile that signs in, another endpoint.
# Where the user's AWS files are, though, stays: `make profile` writes there.
KEPT_AWS_SETTINGS = frozenset({"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"})


def additions(checkout: Checkout, user: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make plain ``pulumi`` work on the stacks of this checkout.

    Args:
        checkout: the checkout.
        user: the environment of the user, whose PATH and exceptions from proxies stay.
    """
    own = [str(checkout.bin), str(checkout.python.parent)]
    others = [folder for folder in user.get("PATH", os.defpath).split(os.pathsep) if folder not in own]
    # The engine, its plugins and the program talk over loopback, and gRPC would ask the proxy for that too.
    direct = ",".join([*(user[name] for name in NO_PROXY if user.get(name)), "localhost,127.0.0.1,::1"])
    return {
        **dict.fromkeys(NO_PROXY, ",".join(dict.fromkeys(direct.split(",")))),
        **({IGNORE_PATH: "true"} if user.get(CHOICE) == STAND_IN else {}),
        USERS_HOME: user.get("PULUMI_HOME", ""),
        "PATH": os.pathsep.join([*own, *others]),
        "PULUMI_HOME": str(checkout.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{checkout.stacks}",
        "PULUMI_CONFIG_PASSPHRASE": "",  # protects nothing: everything on an emulator is pretend
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SELF_MANAGED_STATE_GZIP": "false",  # the state is looked at here, under one name
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",  # what is lost here is made again in seconds
        # A command of the CLI ends before its memory needs collecting, and that took a quarter of its time.
        "GOGC": "off",
        "GOMEMLIMIT": "500MiB",
        NO_DOWNLOADS: "true",  # what can be had is there by now; the engine must not look for more
    }


def prepare(checkout: Checkout, stack: str, endpoint: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Make everything ready for ``stack``: CLI, plugins, emulator and the stack itself; return the environment.

    Args:
        checkout: the checkout.
        stack: a stack whose file names ``endpoint``.
        endpoint: the emulator's URL.
        inherited: the environment of the user.

    Raises:
        LocalError: something is missing or in the way.
    """
    user = {name: value for name, value in inherited.items() if name != "PULUMI_CONFIG_PASSPHRASE_FILE"}
    if user_pulumi_home(user).resolve() == checkout.pulumi_home.resolve():  # in `make shell`
        user["PULUMI_HOME"] = user.get(USERS_HOME, "")
    with exclusive(checkout.state / "lock", "the set-up of this checkout", timeout=SET_UP_SECONDS):
        cli = find_cli(checkout, user)
        link(checkout.bin / "pulumi", cli)
        place_language_host(checkout, cli, user)
        place_aws_plugin(checkout, cli, user)
        ensure_running(checkout, endpoint)
        kept = {n: v for n, v in user.items() if not n.startswith("AWS_") or n in KEPT_AWS_SETTINGS}
        environment = kept | additions(checkout, user)
        _make_stack(checkout, stack, environment)
        if _was_elsewhere(_content(_state_file(checkout, stack)) or {}, endpoint):
            say(f"Stack {stack} was deployed to another endpoint: asking {endpoint} instead.")
            environment["PULUMI_RUN_PROGRAM"] = "true"
        _drop_stale_locks(checkout, stack)
    return environment


def may_have_lost(checkout: Checkout, stack: str, endpoint: str) -> bool:
    """Return whether the embedded AWS was started since the stack's state was written: what that holds may be lost.

    It may also be where nobody can tell: a state that was written elsewhere can have another name, as ``dev.json.gz``.
    """
    state = _state_file(checkout, stack)
    return not state.exists() or started_after(checkout, endpoint, state.stat().st_mtime)


def _state_file(checkout: Checkout, stack: str) -> Path:
    return checkout.stacks / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def _was_elsewhere(state: dict[str, Any], endpoint: str) -> bool:
    """Return whether a provider in the state has another endpoint than the configured one.

    A refresh and a destroy use what the state says, and wait for what does not answer, unless they run the program.
    """
    deployment = cast("dict[str, Any]", state.get("checkpoint", {}).get("latest") or {})
    resources = cast("list[dict[str, Any]]", deployment.get("resources") or [])
    providers = [item for item in resources if item["type"] == "pulumi:providers:aws"]
    return any(
        json.dumps(endpoint.rstrip("/")) not in item.get("inputs", {}).get("endpoints", "") for item in providers
    )


def _make_stack(checkout: Checkout, stack: str, environment: Mapping[str, str]) -> None:
    """Make the stack in the file backend, if it is not there yet, and mend what a full disk or a power cut left."""
    checkout.stacks.mkdir(parents=True, exist_ok=True)
    state = _state_file(checkout, stack)
    if state.exists() and (_content(state) is not None or _restore(checkout, stack, state)):
        return
    done = subprocess.run(
        [str(checkout.bin / "pulumi"), "stack", "init", stack, "--non-interactive"],
        cwd=checkout.root,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 and "already exists" not in done.stderr:
        raise LocalError(f"The stack {stack} could not be made: {done.stderr.strip()}")


def _content(file: Path) -> dict[str, Any] | None:
    """Return what a JSON file of the backend holds; None for a rest of a file, which the backend never writes."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _restore(checkout: Checkout, stack: str, state: Path) -> bool:
    """Put a whole copy in the place of a broken state; return whether there is one. Without one there is none at all.

    The backend makes a copy before it writes the state, which a full disk breaks as well, and one at each run's end.
    """
    ends = (checkout.stacks / ".pulumi" / "history" / PROJECT / stack).glob("*.checkpoint.json")
    copies = [state.with_name(f"{state.name}.bak"), *sorted(ends, reverse=True)]
    copy = next((copy for copy in copies if _content(copy) is not None), None)
    what = f"the copy before it ({copy})" if copy else "an empty one: no copy is whole"
    if copy:
        unfinished = state.with_name(f"{state.name}.{os.getpid()}")
        shutil.copy2(copy, unfinished)
        unfinished.replace(state)
    else:
        state.unlink()
    say(
        f"The state of stack {stack} was broken, as after a full disk: going on from {what}. `make up` takes over what "
        "the broken run made. If anything else exists that it does not know, start anew: make down; rm -rf .local"
    )
    return copy is not None


def _drop_stale_locks(checkout: Checkout, stack: str) -> None:
    """Take away the locks of runs that were killed: the file backend keeps them until somebody runs `pulumi cancel`."""
    for file in (checkout.stacks / ".pulumi" / "locks" / "organization" / PROJECT / stack).glob("*.json*"):
        if file.suffix == ".attrs":
            continue
        lock = _content(file)  # what a full disk left of one has a further suffix, and the engine reads it all the same
        if lock and _is_at_work(lock):
            continue
        file.unlink(missing_ok=True)
        file.with_name(f"{file.name}.attrs").unlink(missing_ok=True)
        who = f"process {lock['pid']}" if lock else "whose lock is empty"
        say(f"The last command on stack {stack} ({who}) was killed: going on where it stopped.")


def _is_at_work(lock: Mapping[str, Any]) -> bool:
    """Return whether the process that took a lock runs, or may, on another machine.

    Another program may have its id by now, as after a reboot.
    """
    import psutil  # noqa: PLC0415 - only here, where a lock is found: it takes 0.02 s

    if lock.get("hostname") != socket.gethostname():
        return True
    try:
        process, since = psutil.Process(int(lock["pid"])), datetime.fromisoformat(lock["timestamp"])
        its_own = "pulumi" in process.name() or process.create_time() <= since.timestamp()
        return its_own and process.status() != psutil.STATUS_ZOMBIE  # which ended, and its parent never asked how
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
