"""The process of a plugin: it serves one engine, prints its port, and ends with the engine."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc

# A state holds documents and keys, never large objects; this is the engine's own limit.
MAX_MESSAGE = 400 * 1024 * 1024
# How often to look whether the engine is still there. It ends its plugins itself, unless it was killed.
ORPHAN_CHECK_SECONDS = 2.0


def serve(register: Callable[[grpc.Server], None], *, threads: int, grace: float | None) -> NoReturn:
    """Serve until the engine ends this process; it reads the port from the first line of standard output.

    Args:
        register: adds the service to the server.
        threads: how many calls are answered at a time.
        grace: how many seconds calls in flight may take to end after the signal; None cuts them off.
    """
    # The engine ends its plugins with SIGINT, and waits 5 s before it kills them. Whichever thread takes the signal, a
    # byte comes out of the pipe. Not a mask: programs that a plugin starts would inherit it, and never end.
    ended, wake_up = os.pipe()
    os.set_blocking(wake_up, False)
    signal.set_wakeup_fd(wake_up)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)  # a signal reaches the pipe only if Python handles it
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server = grpc.server(
        ThreadPoolExecutor(max_workers=threads),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.read(ended, 1)
    server.stop(grace).wait()
    os._exit(0)  # the engine waits for the end, and neither Python's clean-up nor a hanging program may hold it up


def _end_with(engine: int) -> None:
    """Ask this process to end when its parent, the engine, is no longer there."""
    while os.getppid() == engine:
        time.sleep(ORPHAN_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
