"""`pulumi` of the stacks on an emulator: the CLI, which holds a lock as long as it runs (see `backend`).

A POSIX lock stays over the exec, and no child inherits it.
Usage: python recorded_cli.py FILE CLI [ARGUMENT ...]
"""

import fcntl
import os
import sys

if __name__ == "__main__":
    _, file, cli, *arguments = sys.argv
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.lockf(handle, fcntl.LOCK_SH, 1, os.getpid())  # shared: a run in another namespace can have the same id
        os.set_inheritable(handle, True)  # noqa: FBT003 - over the exec
        os.pwrite(handle, b"x", os.getpid())
    except OSError:  # a full or read-only disk: the CLI reports it, and nothing shows when this run ends
        pass
    os.execv(cli, ["pulumi", *arguments])  # noqa: S606 - without a shell, on purpose
