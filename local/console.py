"""What a user sees while this machine is made ready. All of it goes to standard error: output is for scripts."""

import sys
import time
from collections.abc import Iterable, Iterator

PLAIN_INTERVAL_SECONDS = 15.0  # between lines of progress where there is no terminal to rewrite one


def say(message: str) -> None:
    """Print one line for the user."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def progress(title: str, steps: Iterable[str]) -> Iterator[str]:
    """Yield the steps, and show the newest with the time gone by: in place on a terminal, as lines elsewhere."""
    begin = shown = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - takes 0.1 s, and most commands have nothing to make ready
        from rich.status import Status  # noqa: PLC0415 - as above

        with Status(title, console=Console(stderr=True)) as status:
            for step in steps:
                status.update(f"{title} [{time.monotonic() - begin:.0f} s] {step}")
                yield step
        return
    say(f"{title} ...")
    for step in steps:
        if time.monotonic() - shown >= PLAIN_INTERVAL_SECONDS:
            shown = time.monotonic()
            say(f"  {shown - begin:.0f} s: {step}")
        yield step
