"""`pulumi-resource-aws [ENGINE-ADDRESS]`: serve one provider until the engine ends this process.

The engine reads the port from the first line of standard output. Everything printed later would reach the user.
"""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from local.aws_plugin.protocol import provider_pb2_grpc
from local.aws_plugin.service import AwsPlugin

# The engine's default parallelism is higher, but an emulator on the same machine answers no faster for it.
THREADS: Final = 16
# A state holds documents and keys, never large objects; this is the engine's own limit.
MAX_MESSAGE: Final = 400 * 1024 * 1024
# How often to look whether the engine is still there. It kills its plugins at its end, unless it was killed itself.
ORPHAN_CHECK_SECONDS: Final = 2
# How long a call in flight may take to end after a signal: what AWS was asked to create must still be reported.
GRACE_SECONDS: Final = 60


def main() -> None:
    """Serve, then end this process."""
    # The engine ends its plugins with SIGINT, and waits 5 s before it kills them. Calls in flight end first: the
    # engine must hear what they created. Threads inherit the mask, so that no other thread takes the signal.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    server = grpc.server(
        ThreadPoolExecutor(max_workers=THREADS),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsPlugin(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait(ends)
    server.stop(GRACE_SECONDS).wait()
    os._exit(0)  # the engine waits for the end of each plugin, and Python's own clean-up would take another 0.05 s


def _end_with(engine: int) -> None:
    """Ask this process to end when its parent, the engine, is no longer there: it was killed itself."""
    while os.getppid() == engine:
        time.sleep(ORPHAN_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
