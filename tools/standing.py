"""Where each stack of a fleet stands, in a line: what its command came to, its last proof, its key, and what is due.

The proof and the key's age are those that the last `make verify` saved; AWS is not asked.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from components.iam.limits import MAX_ACCESS_KEY_DAYS
from tools.errors import Exit
from tools.proof.case import Verdict
from tools.proof.saved import Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

COLUMNS = ("stack", "accounts", "state", "proof", "key age", "due")
STATES = {
    Exit.DONE: ("done", "green"),
    Exit.FAILED: ("failed", "bold red"),
    Exit.CANNOT_TELL: ("could not tell", "yellow"),
    Exit.UNFINISHED: ("not finished", "yellow"),
}
# GNU make ends with 2 whatever the recipe ended with, and says the recipe's own code last.
RECIPE_CODE = re.compile(r"^g?make(?:\[\d+\])?: \*\*\* \[.*\] Error (\d+)", re.MULTILINE)
PENDING = re.compile(r"^ {4}\S+ (\d+ to .+)$", re.MULTILINE)  # of the engine's summary: `    + 13 to create`


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one stack."""

    stack: str
    pretend: bool  # its accounts are those of an emulator
    seconds: float | None = None  # since its command began, or that it took; None: it has not begun
    exit: Exit | None = None  # None: it has not ended
    pending: str = ""  # what `make preview` found
    proof: Proof | None = None


def exit_of(command: str, status: int, printed: str) -> Exit:
    """Return what a `make` command came to.

    Args:
        command: its name. Only the tools have exit codes of the house; the engine's say something else.
        status: the exit status of `make`.
        printed: what it printed, make's own last words included.
    """
    if status == 0:
        return Exit.DONE
    codes = RECIPE_CODE.findall(printed)
    code = int(codes[-1]) if codes and command in ("verify", "rotate") else Exit.FAILED
    return Exit(code) if code in STATES else Exit.FAILED


def worst(exits: "Sequence[Exit]") -> Exit:
    """Return the exit code of all together: a failure counts more than a doubt, and a doubt more than an open end."""
    return next((code for code in (Exit.FAILED, Exit.CANNOT_TELL, Exit.UNFINISHED) if code in exits), Exit.DONE)


def pending_changes(printed: str) -> str:
    """Return what a preview found, as ``13 to create, 1 to update``."""
    return ", ".join(PENDING.findall(printed))


def key_age(proof: Proof | None, now: datetime) -> int | None:
    """Return the age of the oldest active key in days; None where no proof tells it."""
    ages = [key.age_days(now) for key in proof.keys if key.deployed == "Active"] if proof else []
    return max((age for age in ages if age is not None), default=None)


def due(standing: Standing, now: datetime) -> list[str]:
    """Return the `make` commands that a stack waits for, each with its reason."""
    proof, age = standing.proof, key_age(standing.proof, now)
    what = [f"up: {standing.pending}"] if standing.pending else []
    if proof is None:
        return [*what, "verify: no proof yet"]
    if proof.verdict != Verdict.PROVEN:
        what.append(f"verify: {proof.verdict}")
    if len(proof.keys) > 1:
        what.append("rotate: two keys")
    elif age is not None and age > MAX_ACCESS_KEY_DAYS:
        what.append(f"rotate: over {MAX_ACCESS_KEY_DAYS} days")
    return what


def cells(standing: Standing, now: datetime) -> tuple[str, ...]:
    """Return the words of a line, one for each of COLUMNS."""
    age = key_age(standing.proof, now)
    if standing.seconds is None:
        state = "waits" if standing.exit is None else "not begun"
    else:
        state = f"{STATES[standing.exit][0] if standing.exit is not None else 'runs'}, {standing.seconds:.0f} s"
    return (
        standing.stack,
        "pretend" if standing.pretend else "real",
        state,
        f"{standing.proof.verdict}, {standing.proof.when}" if standing.proof else "none",
        "not known" if age is None else f"{age} {'day' if age == 1 else 'days'}",
        "; ".join(due(standing, now)) or "nothing",
    )


def line(standing: Standing, now: datetime) -> str:
    """Return the line where there is no terminal."""
    stack, accounts, state, proof, age, what = cells(standing, now)
    return f"{stack} ({accounts}): {state}; proof: {proof}; key age: {age}; due: {what}"


def table(standings: "Sequence[Standing]", now: datetime) -> "Table":
    """Return the table, for a terminal."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - rich takes 0.05 s, and scripts read lines
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    drawn = Table(*COLUMNS, box=SIMPLE_HEAD)
    for standing in standings:
        style = STATES[standing.exit][1] if standing.exit is not None else ""
        stack, accounts, state, *rest = cells(standing, now)
        drawn.add_row(stack, accounts, Text(state, style=style), *rest)
    return drawn
