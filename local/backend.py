"""The files of the stacks on an emulator, as Pulumi's file backend keeps them, and what a killed run leaves there."""

import fcntl
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.iam import NAMESPACE
from local import LocalError
from local.checkout import Checkout
from local.console import say

# The layout in which stacks belong to a project. The CLI takes a folder without this file for an older layout.
META = "version: 1\n"
ANY_RUN = 0  # no process of a user has this id
RUN_MARK = b"x"


def state_file(checkout: Checkout, stack: str) -> Path:
    """Return the file that holds a stack's state."""
    return checkout.stacks / ".pulumi/stacks" / NAMESPACE / f"{stack}.json"


def recover(checkout: Checkout, stack: str) -> None:
    """Repair the backend's files after a killed run, a power cut or a full disk: the CLI fails on them.

    The caller holds the lock of the set-up. State and history of the one stack alone are read.
    """
    backend = checkout.stacks / ".pulumi"
    for lock in (backend / "locks/organization" / NAMESPACE).glob("*/*.json*"):  # also one that was never renamed
        _check_lock(checkout, stack, lock)
    if _has_ended(checkout, ANY_RUN, forget=True):  # an id is given again, also to a run that marks nothing
        for file in backend.rglob("*.tmp"):
            file.unlink(missing_ok=True)
    meta = backend / "meta.yaml"
    if not meta.exists() or meta.read_bytes() != META.encode():
        backend.mkdir(parents=True, exist_ok=True)
        _replace(meta, META.encode())
    for file in _history(checkout, stack).glob("*.history.json"):
        if _content(file) is None:
            file.unlink()
    state = state_file(checkout, stack)
    if state.exists() and _content(state) is None:
        _restore(checkout, stack, state)


def make_stack(checkout: Checkout, stack: str, environment: Mapping[str, str]) -> None:
    """Make the stack in the file backend, if it is not there.

    Raises:
        LocalError: the CLI refused.
    """
    if state_file(checkout, stack).exists():
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


def deployment(checkout: Checkout, stack: str) -> dict[str, Any]:
    """Return the deployment in a stack's state, as ``pulumi stack export`` does; empty without one."""
    state: Any = _content(state_file(checkout, stack))
    return (state and state.get("checkpoint", {}).get("latest")) or {}


def was_elsewhere(checkout: Checkout, stack: str, endpoint: str) -> bool:
    """Return whether a provider in the state has another endpoint than the configured one.

    A refresh and a destroy use what the state says, and wait for what does not answer, unless they run the program.
    """
    resources: list[Any] = deployment(checkout, stack).get("resources") or []
    return any(
        json.dumps(endpoint.rstrip("/")) not in item.get("inputs", {}).get("endpoints", "")
        for item in resources
        if item["type"] == "pulumi:providers:aws"
    )


def _check_lock(checkout: Checkout, stack: str, lock: Path) -> None:
    """Remove a lock whose holder has provably ended; report any other on the stack. The CLI keeps both.

    A lock that was not written to its end names no holder: then no run may be at work.
    """
    content, holder, pid = _content(lock), "an unknown process", ANY_RUN
    if content and "pid" in content:  # an earlier version kept a checksum beside it
        pid = content["pid"]
        holder = f"{content['username']}@{content['hostname']}, process {pid}, since {content['timestamp']}"
    locked = lock.parent.name
    if (pid == ANY_RUN or content["hostname"] == socket.gethostname()) and _has_ended(checkout, pid):
        lock.unlink(missing_ok=True)
        say(f"The last command on stack {locked} ({holder}) was killed: its lock was removed.")
    elif locked == stack:
        say(
            f"Stack {stack} is locked by {holder}. Wait until that command ends. If you know that it no "
            f"longer runs: make shell STACK={stack}, and there: pulumi cancel --yes --stack {stack}"
        )


def _has_ended(checkout: Checkout, pid: int, *, forget: bool = False) -> bool:
    """Return whether a run of the CLI, or with ANY_RUN each run, has provably ended; then ``forget`` all marks.

    A process id proves nothing in containers or after a reboot. So each run marks and locks the byte of its process id
    in a file (see `recorded_cli`), and the kernel gives the lock back with the process, whatever namespace that ran in.
    """
    try:
        with checkout.runs.open("a+b") as file:
            length = int(pid != ANY_RUN)  # 0 is the whole file
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, pid)
            if forget:
                file.truncate(0)
            file.seek(pid)
            return pid == ANY_RUN or file.read(1) == RUN_MARK
    except OSError:  # locked, or a file system that cannot tell
        return False


def _history(checkout: Checkout, stack: str) -> Path:
    return checkout.stacks / ".pulumi/history" / NAMESPACE / stack


def _content(file: Path) -> Any:  # noqa: ANN401 - the CLI's own shapes
    """Return what a JSON file of the backend holds; None where it is cut off, empty or missing."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _restore(checkout: Checkout, stack: str, state: Path) -> None:
    """Replace a broken state by its newest whole copy, or remove it where there is none.

    The backend copies the state before each write, which a full disk breaks as well, and at the end of each run.
    """
    copies = [
        state.with_name(f"{state.name}.bak"),
        *sorted(_history(checkout, stack).glob("*.checkpoint.json"), reverse=True),
    ]
    copy = next((copy for copy in copies if _content(copy) is not None), None)
    what = f"the copy before it ({copy})" if copy else "an empty one: no copy is whole"
    if copy:
        _replace(state, copy.read_bytes())
    else:
        state.unlink()
    say(
        f"The state of stack {stack} was broken, as after a full disk: going on from {what}. `make up` takes over what "
        "the broken run made. If anything else exists that it does not know, start anew: make down; rm -rf .local"
    )


def _replace(file: Path, content: bytes) -> None:
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(content)
    unfinished.replace(file)
