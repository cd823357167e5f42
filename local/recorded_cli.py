"""`pulumi` of the stacks on an emulator: the CLI, which holds the lock of a file of its own as long as it runs.

The kernel gives a POSIX lock back when its process ends, whatever namespace that ran in; no child inherits it.
Usage: python recorded_cli.py FOLDER CLI [ARGUMENT ...]
"""

import fcntl
import os
import sys
import time

if __name__ == "__main__":
    _, folder, cli, *arguments = sys.argv
    record = f"{folder}/{os.getpid()}.{time.time_ns()}"
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - pathlib would double the time that this takes
        handle = os.open(f"{record}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(handle, True)  # noqa: FBT003 - over the exec
        os.rename(f"{record}.new", record)  # noqa: PTH104 - as above
    except OSError:  # a full or read-only disk: the CLI reports it, and nothing shows when this run ends
        pass
    os.execv(cli, ["pulumi", *arguments])  # noqa: S606 - without a shell, on purpose
