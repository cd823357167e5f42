"""The files of the stacks on an emulator, as Pulumi's file backend keeps them, and what a killed run leaves there."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from components.iam import NAMESPACE
from local import LocalError
from local.backend_locks import drop_dead_locks, find_locks, is_at_work
from local.checkout import Checkout
from local.console import say

# The layout in which stacks belong to a project. The CLI takes a folder without this file for an older layout.
META = "version: 1\n"


def state_file(checkout: Checkout, stack: str) -> Path:
    """Return the file that holds a stack's state."""
    return checkout.stacks / ".pulumi/stacks" / NAMESPACE / f"{stack}.json"


def recover(checkout: Checkout, stack: str) -> None:
    """Repair the backend's files after a killed run, a power cut or a full disk: the CLI fails on them.

    Args:
        checkout: whose backend; no other command may prepare it at the same time.
        stack: whose locks are reported and whose state and history are read.
    """
    backend = checkout.stacks / ".pulumi"
    drop_dead_locks(checkout)
    for lock in find_locks(checkout, stack):
        say(str(lock))
    # Earlier versions of this project let the CLI write them. They hold a checksum that nothing reads.
    for file in backend.rglob("*.attrs"):
        file.unlink(missing_ok=True)
    if not is_at_work(checkout):
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
    state = _content(state_file(checkout, stack)) or {}
    return state.get("checkpoint", {}).get("latest") or {}


def was_elsewhere(checkout: Checkout, stack: str, endpoint: str) -> bool:
    """Return whether a provider in the state has another endpoint than the configured one.

    A refresh and a destroy use what the state says, and wait for what does not answer, unless they run the program.
    """
    resources = cast("list[dict[str, Any]]", deployment(checkout, stack).get("resources") or [])
    providers = [item for item in resources if item["type"] == "pulumi:providers:aws"]
    return any(
        json.dumps(endpoint.rstrip("/")) not in item.get("inputs", {}).get("endpoints", "") for item in providers
    )


def _history(checkout: Checkout, stack: str) -> Path:
    return checkout.stacks / ".pulumi/history" / NAMESPACE / stack


def _content(file: Path) -> dict[str, Any] | None:
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
