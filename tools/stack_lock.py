"""The lock that a run of Pulumi holds on a stack, and that a killed one leaves behind."""

import re
import socket
from dataclasses import dataclass
from datetime import datetime

import psutil

from tools.engine import refresh
from tools.errors import StackError

# How the CLI names each lock where it keeps the state itself, in a folder or bucket. Pulumi Cloud names nobody.
LOCK = re.compile(r"created by (\S+) \(pid (\d+)\) at (\S+)")
LOCKED = re.compile(r"currently locked|update is currently in progress")


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What holds the stack."""

    holder: str  # as "user@host, process 12, since ..."
    since: datetime | None = None
    killed: bool = False  # provably: a process of this machine that is gone
    at_work: bool = False  # provably: a process of this machine that runs


def refresh_root(stack: str, root_urn: str | None, *flags: str) -> None:
    """Refresh the stack's root, which is nothing in AWS: this fails while a deployment is at work.

    Args:
        stack: name of the stack.
        root_urn: of its root; None: the state has nothing.
        flags: of ``pulumi refresh``.

    Raises:
        StackError: it failed.
    """
    refresh(stack, *(("--target", root_urn) if root_urn else ()), *flags)


def find_lock(stack: str, root_urn: str | None) -> Lock | None:
    """Return what holds the stack, if something does; the arguments are as those of ``refresh_root``.

    Raises:
        StackError: the stack cannot be asked.
    """
    try:
        refresh_root(stack, root_urn)
    except StackError as error:
        if LOCKED.search(str(error)):
            return read_lock(str(error))
        raise
    return None


def read_lock(message: str) -> Lock:
    """Return the lock that the CLI's message is about; where it names nobody, nothing is provable."""
    locks = LOCK.findall(message)
    if not locks:
        return Lock(holder="somebody whom Pulumi does not name")
    here = [who.rpartition("@")[2] == socket.gethostname() for who, _, _ in locks]
    runs = [_is_at_work(int(pid), datetime.fromisoformat(since)) for _, pid, since in locks]
    return Lock(
        holder="; ".join(f"{who}, process {pid}, since {since}" for who, pid, since in locks),
        since=min(datetime.fromisoformat(since) for _, _, since in locks),
        killed=all(here) and not any(runs),
        at_work=any(is_here and it_runs for is_here, it_runs in zip(here, runs, strict=True)),
    )


def _is_at_work(pid: int, since: datetime) -> bool:
    """Return whether the process that took a lock runs. Another program may have its id by now, as after a reboot."""
    try:
        process = psutil.Process(pid)
        its_own = "pulumi" in process.name() or process.create_time() <= since.timestamp()
        return its_own and process.status() != psutil.STATUS_ZOMBIE  # which ended, and its parent never asked how
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
