"""How a proof is reported: as JSON, as a table, or in lines."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tools.keys import AccessKey
from tools.proof.case import Row, Verdict, overall

STYLES = {
    Verdict.PROVEN: "green",
    Verdict.DISPROVEN: "bold red",
    Verdict.UNKNOWN: "yellow",
    Verdict.WARNING: "yellow",
    Verdict.NOT_CHECKED: "dim",
}


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


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows as a table, for a terminal."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - rich takes 0.05 s, and most reports are no table
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=SIMPLE_HEAD)
    for heading in ("check", "expected", "observed", "seconds", "verdict"):
        table.add_column(heading, overflow="fold")  # an ARN that is cut short helps nobody
    for row in rows:
        observed = f"{row.observed}\n{row.advice}".rstrip()
        cells = [Text(cell) for cell in (row.check, row.expected, observed, f"{row.seconds:.1f}")]
        table.add_row(*cells, Text(row.verdict, style=STYLES[row.verdict]))
    Console(highlight=False).print(table)


def line(row: Row) -> str:
    """Return a row as a line, and its advice as another."""
    text = f"{row.verdict:<14}  {row.check}: {row.observed} (expected: {row.expected}; {row.seconds:.1f} s)"
    return f"{text}\n{'':<16}{row.advice}" if row.advice else text


def summary(stack: str, rows: Sequence[Row], seconds: float) -> str:
    """Return what all rows come to, and how long the run took, in a sentence."""
    numbers = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    counts = ", ".join(f"{number} {verdict}" for verdict, number in numbers.items() if number) + f"; {seconds:.1f} s"
    match overall(rows):
        case Verdict.DISPROVEN:
            return f"Stack {stack} is not what it says ({counts})."
        case Verdict.UNKNOWN:
            return f"Stack {stack} could not be proven ({counts})."
        case _:
            return f"Stack {stack} is proven ({counts})."
