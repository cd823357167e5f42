"""Messages while this machine is made ready: on standard error, since output is for scripts."""

import sys
import time
from collections.abc import Iterable, Iterator

INTERVAL_SECONDS = 10.0  # between lines of progress


def say(message: str) -> None:
    """Print one line for the user."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def progress(title: str, steps: Iterable[str]) -> Iterator[str]:
    """Yield the steps, and print now and then the newest with the time gone by."""
    begin = shown = time.monotonic()
    say(f"{title} ...")
    for step in steps:
        if time.monotonic() - shown >= INTERVAL_SECONDS:
            shown = time.monotonic()
            say(f"  {shown - begin:.0f} s: {step}")
        yield step
