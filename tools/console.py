"""How every command talks to a person: lines, warnings, questions, and what it waits for."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


def say(*lines: str) -> None:
    """Print lines, at once: ``pulumi`` writes to the same place."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def complain(*lines: str) -> None:
    """Print lines where output for scripts does not go."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def agreed(question: str, *, yes: bool) -> bool:
    """Ask a question and return whether the answer is yes; ``yes`` answers it. Where nobody can answer, it is no."""
    if yes:
        say(f"{question} [y/N] y (--yes)")
        return True
    if not sys.stdin.isatty():
        say(f"{question} [y/N] n (there is no terminal to ask on; --yes answers)")
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


@contextmanager
def waiting(title: str) -> Generator[Callable[[str], None]]:
    """Give a function that shows what is waited for: in one moving line of a terminal, else a line each."""
    if not sys.stderr.isatty():
        yield complain
        return
    from rich.console import Console  # noqa: PLC0415 - takes 0.1 s, and scripts wait for nothing
    from rich.markup import escape  # noqa: PLC0415 - as above

    with Console(stderr=True, highlight=False, soft_wrap=True).status(title) as status:
        yield lambda message: status.update(escape(message))
