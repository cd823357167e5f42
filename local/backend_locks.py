"""The locks that runs of Pulumi hold on stacks of the file backend, and the proof that a holder has ended.

The CLI records a process id and a host name, which prove nothing in containers or after a reboot. So each run also
locks a file named after its process id (see `recorded_cli`), and the kernel gives that lock back with the process.
"""

import fcntl
import json
import socket
from dataclasses import dataclass
from pathlib import Path

from components.iam import NAMESPACE
from local.checkout import Checkout
from local.console import say


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock on a stack."""

    file: Path
    stack: str
    holder: str  # as "me@host, process 12, since 2026-11-29T10:00:00Z"
    has_ended: bool  # provably; False: the holder is at work, or nobody can tell

    def __str__(self) -> str:
        return (
            f"Stack {self.stack} is locked by {self.holder}. Wait until that command ends. If you know that it no "
            f"longer runs: make shell STACK={self.stack}, and there: pulumi cancel --yes --stack {self.stack}"
        )


def find_locks(checkout: Checkout, stack: str = "*") -> list[Lock]:
    """Return the locks on a stack, or on every stack."""
    files = [
        file
        for file in (checkout.stacks / ".pulumi/locks/organization" / NAMESPACE).glob(f"{stack}/*.json*")
        if file.suffix != ".attrs"
    ]
    # Read before the records of the runs: a run makes its record before its lock.
    contents = [(file, _content(file)) for file in files]
    at_work = _runs_at_work(checkout)
    return [_lock(file, content, at_work) for file, content in contents]


def drop_dead_locks(checkout: Checkout) -> None:
    """Remove the locks whose holders have provably ended; the CLI itself keeps them until `pulumi cancel`."""
    for lock in find_locks(checkout):
        if lock.has_ended:
            lock.file.unlink(missing_ok=True)
            say(f"The last command on stack {lock.stack} ({lock.holder}) was killed: its lock was removed.")
    for file in _records(checkout):
        if not _is_held(file):
            file.unlink(missing_ok=True)


def is_at_work(checkout: Checkout) -> bool:
    """Return whether any run of Pulumi that this checkout started is at work."""
    return any(_runs_at_work(checkout).values())


def _lock(file: Path, content: dict[str, str | int] | None, at_work: dict[int, bool]) -> Lock:
    if (
        content is None
    ):  # the writer was killed, or the disk full; it names no process, and the CLI still refuses to run
        return Lock(file=file, stack=file.parent.name, holder="an unknown process", has_ended=not any(at_work.values()))
    pid, host = int(content["pid"]), content["hostname"]
    return Lock(
        file=file,
        stack=file.parent.name,
        holder=f"{content.get('username')}@{host}, process {pid}, since {content.get('timestamp')}",
        has_ended=host == socket.gethostname() and at_work.get(pid) is False,
    )


def _content(file: Path) -> dict[str, str | int] | None:
    """Return what a lock says; None where it was not written to its end."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _records(checkout: Checkout) -> list[Path]:
    return list((checkout.state / "runs").glob("[0-9]*"))


def _runs_at_work(checkout: Checkout) -> dict[int, bool]:
    """Return the recorded process ids, and whether a run with that id, in any process namespace, is at work."""
    runs: dict[int, bool] = {}
    for file in _records(checkout):
        pid = int(file.name.partition(".")[0])
        runs[pid] = runs.get(pid, False) or _is_held(file)
    return runs


def _is_held(record: Path) -> bool:
    """Return whether the run that made a record still holds its lock."""
    try:
        with record.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held, or a file system that cannot tell
        return True
    return False
