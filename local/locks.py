"""Locks between commands: two that start together must not build, start or change the same thing."""

import fcntl
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from local import LocalError
from local.checkout import Checkout
from local.console import say

POLL_SECONDS = 0.1
SET_UP_SECONDS = 600.0


def setting_up(checkout: Checkout) -> AbstractContextManager[None]:
    """Hold the lock of what is made ready in a checkout: its files, and which emulators run."""
    return exclusive(checkout.state / "lock", "the set-up of this checkout", timeout=SET_UP_SECONDS)


@contextmanager
def exclusive(file: Path, waiting_for: str, *, timeout: float) -> Generator[None]:
    """Hold a lock while the block runs; the kernel releases it when the process ends.

    Args:
        file: the lock; made if it is missing, and left in place.
        waiting_for: what another process is then doing, for the message, as "the build of the Pulumi CLI".
        timeout: seconds to wait.

    Raises:
        LocalError: it was not given back in time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        end, reported = time.monotonic() + timeout, False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise LocalError(
                        f"Another process has been busy with {waiting_for} for over {timeout:.0f} s. "
                        f"Stop it (it holds {file}), then try again."
                    ) from None
                if not reported:
                    say(f"Waiting for {waiting_for} by another process.")
                    reported = True
                time.sleep(POLL_SECONDS)
        yield
