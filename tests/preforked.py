"""Python with the packages loaded already, for the commands of a test process: half of their time went into importing.

A server has imported what the project imports of other people's packages, and forgotten the project's own modules. For
each command it forks a child, which becomes what a new Python would be: with the command's arguments, environment,
folder, input and output, and it imports the project's own modules from where the command would. Whoever asked stays in
front of it, hands on its signals, and ends with its exit code; when that one is killed, the child is killed too, with
all that it started.

`python tests/preforked.py ask ADDRESS -m MODULE ARGUMENTS` asks, and `python -m tests.preforked serve ADDRESS` serves,
until its input ends. Linux alone has what they talk by.
"""

# ruff: noqa: PLC0415, PTH109 - whoever asks loads next to nothing; folders are handed on as texts

from __future__ import annotations

import json
import os
import signal
import socket
import sys

OWN = ("components", "local", "tests", "tools")
LOADED = ("components.package", "components.relationship", "local.plugins.language_host", "local.plugins.program")
SERVICES = ("iam", "s3", "secretsmanager", "ssm", "sts")
READY = b"ready\n"
NONE_ENDED = (0, 0)
STANDARD = (0, 1, 2)
LOOK_SECONDS = 0.5  # how often whoever asked looks whether somebody still waits for it
MAX_REQUEST = 200_000  # of a datagram
HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ask(address: str, *arguments: str) -> int:
    """Let the server run `python ARGUMENTS` for this process; return its exit code."""
    parent, early = os.getppid(), []
    for number in HANDED_ON:
        signal.signal(number, lambda number, _: early.append(number))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
        socket.send_fds(server, [json.dumps(request).encode()], STANDARD)
        pid = int(server.recv(MAX_REQUEST))
        for number in HANDED_ON:
            signal.signal(number, lambda number, _: os.killpg(pid, number))
        for number in early:
            os.killpg(pid, number)
        server.settimeout(LOOK_SECONDS)
        while os.getppid() == parent:
            try:
                return int(server.recv(MAX_REQUEST) or 1)
            except TimeoutError:
                continue
    return 1


def serve(address: str) -> dict | None:
    """Serve until standard input ends; in each child, return what was asked for."""
    import gc
    import select
    from contextlib import suppress
    from importlib import import_module

    remember_botocore()
    for name in LOADED:
        import_module(name)
    tools = import_module("tools.__main__")
    for command in tools.COMMANDS:
        tools.parser_of(command)
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    gc.freeze()  # a collection in a child would copy all of this
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(128)
        os.write(1, READY)
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            asking, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return _attend(asking)
            asking.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != NONE_ENDED:
                    pass
    return None


def remember_botocore() -> None:
    """Let botocore do once a process what it does for each session: read its data, and look through its hooks."""
    from functools import cache

    import botocore.hooks
    import botocore.session

    botocore.session.create_loader = cache(botocore.session.create_loader)
    botocore.hooks.accepts_kwargs = cache(botocore.hooks.accepts_kwargs)
    new_name = botocore.hooks.EventAliaser(None)._alias_event_name  # noqa: SLF001 - it remembers the names itself
    botocore.hooks.EventAliaser._alias_event_name = lambda _, name: new_name(name)  # noqa: SLF001 - as above
    keys = {"aws_access_key_id": "-", "aws_secret_access_key": "-", "region_name": "us-east-1"}
    for service in SERVICES:
        botocore.session.get_session().create_client(service, **keys)


def _attend(asking: socket.socket) -> dict:
    """Start a child, in which this returns what is asked for; tell whoever asks how it ended."""
    import select

    content, handles, _, _ = socket.recv_fds(asking, MAX_REQUEST, len(STANDARD))
    if (pid := os.fork()) == 0:
        os.setpgid(0, 0)
        asking.close()
        for handle, standard in zip(handles, STANDARD, strict=True):
            os.dup2(handle, standard)
            os.close(handle)
        return json.loads(content)
    os.setpgid(pid, pid)  # with all that it starts
    for handle in (*STANDARD, *handles):  # or a reader of the child's output would never see its end
        os.close(handle)
    asking.send(str(pid).encode())
    ended = os.pidfd_open(pid)
    if ended in select.select([ended, asking], [], [])[0]:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        asking.send(str(code if code >= 0 else 128 - code).encode())
    else:
        os.killpg(pid, signal.SIGKILL)  # nobody waits for it any more
    os._exit(0)


def become(request: dict) -> None:
    """Be what `python -m MODULE ARGUMENTS` would be."""
    import runpy
    import time

    _, module, *arguments = request["arguments"]
    here = os.getcwd()
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    first = [] if os.environ.get("PYTHONSAFEPATH") else [os.getcwd()]
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.path[:] = [*first, *given, *(folder for folder in sys.path if folder != here)]
    sys.argv = ["-m", *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "ask":
        sys.exit(ask(*words))
    if wanted := serve(*words):
        become(wanted)
