"""How a proof is reported: as JSON for scripts, as lines for people."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from tools.aws.keys import AccessKey
from tools.proof.case import Row, Verdict, overall

COLORS: Final = {
    Verdict.PROVEN: "32",
    Verdict.DISPROVEN: "1;31",
    Verdict.UNKNOWN: "33",
    Verdict.WARNING: "33",
    Verdict.NOT_CHECKED: "2",
}
VERDICT_WIDTH: Final = max(map(len, Verdict)) + 2
COMMAND: Final = "  "  # what a line of advice begins with that is a command, to be copied whole


def as_json(
    stack: str, rows: Sequence[Row], keys: Sequence[AccessKey], *, now: datetime, seconds: float
) -> dict[str, Any]:
    """Return the report as scripts and the diagram read it; it holds no secret."""
    return {
        "stack": stack,
        "time": now.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "verdict": str(overall(rows)),
        "rows": [asdict(row) for row in rows],
        "keys": [
            {
                "label": key.label,
                "id": key.id,
                "status": key.deployed,
                "created": key.created and key.created.isoformat(),
                "lastUsed": key.last_used and key.last_used.isoformat(),
                "ageDays": key.age_days(now),
            }
            for key in keys
        ],
    }


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the rows as this terminal shows them, or as a file takes them."""
    if not sys.stdout.isatty():
        return [line for row in rows for line in lines_of(row, None)]
    width = shutil.get_terminal_size().columns
    return [line for row in rows for line in _colored(row, lines_of(row, width))]


def lines_of(row: Row, width: int | None) -> list[str]:
    """Return a row in one line where it is proven, else in full; a command stays on one line, to be copied.

    Args:
        row: the row.
        width: of the terminal; None where lines have no end.
    """
    first = f"{row.verdict:<{VERDICT_WIDTH}}{row.check}: {row.observed}"
    if row.verdict is Verdict.PROVEN:
        return [first if width is None or len(first) <= width else f"{first[: width - 3]}..."]
    indent = " " * VERDICT_WIDTH
    texts = [first, f"{indent}Expected: {row.expected}", *(indent + line for line in row.advice.splitlines())]
    return [line for text in texts for line in _wrapped(text, width, indent)]


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    if width is None or len(text) <= width or text.startswith(indent + COMMAND):
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _colored(row: Row, texts: list[str]) -> list[str]:
    verdict, rest = texts[0][:VERDICT_WIDTH], texts[0][VERDICT_WIDTH:]
    return [f"\x1b[{COLORS[row.verdict]}m{verdict}\x1b[0m{rest}", *texts[1:]]


def summary(stack: str, rows: Sequence[Row], seconds: float) -> str:
    """Return the verdict on all rows, and how long the run took, in a sentence."""
    numbers = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    counts = ", ".join(f"{number} {verdict}" for verdict, number in numbers.items() if number) + f"; {seconds:.1f} s"
    match overall(rows):
        case Verdict.DISPROVEN:
            return f"Stack {stack} differs from what was deployed ({counts})."
        case Verdict.UNKNOWN:
            return f"Stack {stack} could not be proven ({counts})."
        case _:
            return f"Stack {stack} is proven ({counts})."
