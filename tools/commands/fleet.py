"""`python -m tools fleet COMMAND --stacks PATTERN`: one `make` command on many stacks, side by side.

Each stack runs in processes of its own, as `make COMMAND STACK=name` does. What it prints goes to
``.local/fleet/NAME.log``. One that fails does not stop the others.
"""

import argparse
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from tools import standing
from tools.console import complain, say
from tools.environment import is_emulated, stacks
from tools.errors import Exit, StackError, ToolError
from tools.proof.saved import LOCAL_FOLDER, Proof, proof_file, read_proof
from tools.standing import Standing

ROOT: Final = LOCAL_FOLDER.parent
LOGS: Final = LOCAL_FOLDER / "fleet"
ACTIONS: Final = ("preview", "up", "verify", "rotate")
POLL_SECONDS: Final = 0.05
LAST_LINES: Final = 12  # of what a command printed that failed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("action", choices=ACTIONS, metavar="COMMAND", help=f"what to run: {', '.join(ACTIONS)}")
    parser.add_argument("--stacks", required=True, metavar="PATTERN", help="names, as in a shell: 'customer-*'")
    parser.add_argument("--jobs", type=jobs, default=os.cpu_count() or 1, help="how many at once (default: one a core)")
    parser.add_argument("--yes", action="store_true", help="answer what the command asks with yes, for every stack")
    parser.add_argument("--args", default="", metavar="ARGS", help="further arguments, as make takes them in ARGS")


def jobs(text: str) -> int:
    """Return how many may run at once; argparse shows the name of this function."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return number


@dataclass
class Run:
    """The command of one stack: waiting, running or ended."""

    stack: str
    pretend: bool
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0  # by the monotonic clock, in seconds
    ended: float | None = None
    exit: Exit | None = None
    pending: str = ""
    proof: Proof | None = None

    @property
    def log(self) -> Path:
        """Where all that it prints goes."""
        return LOGS / f"{self.stack}.log"

    @property
    def standing(self) -> Standing:
        """What a person is told of it."""
        return Standing(
            stack=self.stack,
            pretend=self.pretend,
            seconds=(self.ended or time.monotonic()) - self.begun if self.process else None,
            exit=self.exit,
            pending=self.pending,
            proof=self.proof,
        )


def run(options: argparse.Namespace) -> Exit:
    """Run the command on every stack, and return what they came to together."""
    runs = find(options.stacks)
    refuse_to_ask(runs, options)
    LOGS.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)  # ARGS may ask for secrets
    command = [options.action, *(["YES=1"] if options.yes else []), *([f"ARGS={options.args}"] if options.args else [])]
    with interruptions() as interrupted, shown(runs):
        work(runs, command, options.jobs, interrupted)
    for each in runs:
        if each.process and each.exit is not Exit.DONE:
            complain(f"\n{each.stack}: the last of {each.log.relative_to(ROOT)}", *last_lines(each))
    counts = [f"{sum(each.exit is code for each in runs)} {words}" for code, (words, _) in standing.STATES.items()]
    say(f"{options.action} on {len(runs)} stacks: {', '.join(count for count in counts if count[:2] != '0 ')}.")
    if interrupted:
        raise KeyboardInterrupt
    return standing.worst([each.exit for each in runs if each.exit is not None])


def find(pattern: str) -> list[Run]:
    """Return the stacks that match, none of them begun.

    Raises:
        StackError: none matches.
    """
    if not (names := stacks(pattern)):
        raise StackError(
            f"No Pulumi.NAME.yaml has a name that matches {pattern!r}. Give a pattern in quotes, as in: "
            "make fleet STACKS='customer-*'"
        )
    return [Run(name, is_emulated(name), proof=_proof(name)) for name in names]


def _proof(stack: str) -> Proof | None:
    try:
        return read_proof(proof_file(stack), stack)
    except StackError:
        return None


def refuse_to_ask(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """Raise ToolError where a command would ask: nothing is asked by many processes at once."""
    asking = {"rotate": [each.stack for each in runs], "up": [each.stack for each in runs if not each.pretend]}
    if options.yes or not (stacks := asking.get(options.action)):
        return
    advice = {
        "rotate": "ARGS=--until-hand-over then stops while both keys work.",
        "up": f"See first what it would change: make fleet COMMAND=preview STACKS='{options.stacks}'.",
    }
    raise ToolError(
        f"`make {options.action}` asks before it changes {', '.join(stacks)}, and many at once cannot ask. Nothing was "
        f"done. Answer for all of them with YES=1 (--yes). {advice[options.action]}"
    )


@contextmanager
def interruptions() -> Generator[list[int]]:
    """Give a list to which every Ctrl-C, and every end that a CI job asks for, adds its signal."""
    signals: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        signals.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shown(runs: Sequence[Run]) -> Generator[None]:
    """Show the table, always of this moment, on a terminal; elsewhere each line is printed as its stack ends."""
    if not sys.stdout.isatty():
        yield
        return
    from rich.live import Live  # noqa: PLC0415 - as in standing.table

    with Live(get_renderable=lambda: standing.table([each.standing for each in runs], datetime.now(UTC))):
        yield


def work(runs: Sequence[Run], command: Sequence[str], jobs: int, interrupted: Sequence[int]) -> None:
    """Run the command on every stack, ``jobs`` at a time. An interruption is passed on, and no further one begins."""
    waiting, passed_on = list(runs), 0
    running: list[Run] = []
    while running or (waiting and not interrupted):
        while waiting and len(running) < jobs and not interrupted:
            running.append(waiting.pop(0))
            begin(running[-1], command)
        if len(interrupted) > passed_on:
            # To the whole group, as a terminal does: the engine ends what it has begun; at a second time, at once.
            passed_on = len(interrupted)
            for each in running:
                if each.process and each.process.poll() is None:
                    os.killpg(each.process.pid, signal.SIGINT)
        time.sleep(POLL_SECONDS)
        for each in [each for each in running if each.process and each.process.poll() is not None]:
            running.remove(each)
            end(each, command[0], interrupted=bool(interrupted))
    for each in waiting:
        each.exit = Exit.UNFINISHED


def begin(run: Run, command: Sequence[str]) -> None:
    """Start the command of one stack, in a group of processes of its own."""
    run.begun = time.monotonic()
    with run.log.open("wb") as log:
        run.process = subprocess.Popen(
            ["make", *command, f"STACK={run.stack}"],
            cwd=ROOT,
            env=os.environ | {"LANGUAGE": "en"},  # make's last words are read
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(run: Run, action: str, *, interrupted: bool) -> None:
    """Note what the command of a stack came to."""
    status = run.process.wait() if run.process else 0
    printed = run.log.read_text(encoding="utf-8", errors="replace")
    run.ended, run.proof = time.monotonic(), _proof(run.stack)
    run.exit = Exit.UNFINISHED if interrupted and status else standing.exit_of(action, status, printed)
    run.pending = standing.pending_changes(printed) if action == "preview" else ""
    if not sys.stdout.isatty():
        say(standing.line(run.standing, datetime.now(UTC)))


def last_lines(run: Run) -> list[str]:
    """Return the end of what a stack's command printed."""
    printed = run.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"  {line}" for line in printed if line.strip()][-LAST_LINES:]
