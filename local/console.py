"""Messages while this machine is made ready: on standard error, since output is for scripts."""

import sys
import time
from collections.abc import Iterable

INTERVAL_SECONDS = 10.0  # between lines of progress


def say(message: str) -> None:
    """Print one line for the user."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def follow(title: str, steps: Iterable[str]) -> list[str]:
    """Take the steps and return them; print now and then the time, how many they are, and the newest."""
    begin = shown = time.monotonic()
    say(f"{title} ...")
    taken: list[str] = []
    for step in steps:
        taken.append(step)
        if time.monotonic() - shown >= INTERVAL_SECONDS:
            shown = time.monotonic()
            say(f"  {shown - begin:.0f} s: {len(taken)} {step[:80]}")
    return taken
