"""Prove a deployed relationship: the right person gets in, the wrong one does not.

Usage: python -m tools.verify --stack NAME [--json] [--write] [--timeout SECONDS] [--mfa-serial ARN --mfa-code CODE]
[--secret-stdin] [--save FILE]. Exit code 0: all proven, 1: something is disproven, 2: could not tell.
"""

import argparse
import getpass
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tools.checks import key_checks, session_checks
from tools.deployed import age_checks, deployed_checks, key_facts
from tools.files import write_privately
from tools.proof import (
    EMULATOR_SPREADING_SECONDS,
    REFUSAL_PAUSE_SECONDS,
    SPREADING_SECONDS,
    UNREACHABLE,
    Case,
    Check,
    KeyFact,
    Mfa,
    Patience,
    Row,
    Verdict,
    run,
    skipped,
    spreading_seconds,
    unknown,
)
from tools.refusals import refusal_checks
from tools.stack import StackError, read_config, read_outputs

FAILURES = {Verdict.DISPROVEN: 1, Verdict.UNKNOWN: 2}
STYLES = {
    Verdict.PROVEN: "green",
    Verdict.DISPROVEN: "bold red",
    Verdict.UNKNOWN: "yellow",
    Verdict.WARNING: "yellow",
    Verdict.NOT_CHECKED: "dim",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove what can be proven and report it; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.mfa_serial is None) != (options.mfa_code is None):
        parser.error("--mfa-serial and --mfa-code go together: the device's ARN, and the code that it shows now")
    # What a check makes for a moment is removed when a CI job is cancelled, too.
    signal.signal(signal.SIGTERM, _stop)
    try:
        report = _report(options)
    except KeyboardInterrupt:
        print("Interrupted, so nothing is proven.", file=sys.stderr)  # noqa: T201
        return FAILURES[Verdict.UNKNOWN]
    code = FAILURES.get(Verdict(report["verdict"]), 0)
    try:
        if options.save:
            write_privately(options.save, json.dumps(report, indent=2) + "\n")
    except OSError as error:
        print(f"error: {options.save} cannot be written: {error}. Name another file.", file=sys.stderr)  # noqa: T201
        return code or FAILURES[Verdict.UNKNOWN]
    return code


def _stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def overall(rows: Sequence[Row]) -> Verdict:
    """Return what all rows together say: one that is disproven outweighs any that could not be told."""
    found = {row.verdict for row in rows}
    return next((verdict for verdict in FAILURES if verdict in found), Verdict.PROVEN)


def all_checks(case: Case) -> list[Check]:
    """Return everything there is to prove about a relationship, in the order in which to do it."""
    parts = (key_checks, deployed_checks, session_checks, refusal_checks, age_checks)
    return [check for part in parts for check in part(case)]


def prove(case: Case, checks: Sequence[Check]) -> Iterator[Row]:
    """Yield the row of each check as soon as it is done; when nothing answers at first, none is tried further."""
    verdicts: dict[str, Verdict] = {}
    silent: str | None = None  # the check that nothing answered
    for check in checks:
        missing = silent or next((name for name in check.needs if verdicts.get(name) is not Verdict.PROVEN), None)
        start = time.monotonic()
        if missing is not None:
            row = skipped(check, "not tried", f"It says nothing until the row '{missing}' is proven: see there.")
        else:
            try:
                row = run(check, case)
            except UNREACHABLE as error:
                silent = None if verdicts else check.name
                row = skipped(check, f"{error}", _unreachable(case), time.monotonic() - start)
        verdicts[check.name] = row.verdict
        yield row


def _unreachable(case: Case) -> str:
    if endpoint := case.outputs.terms.endpoint:
        return f"No AWS emulator answers at {endpoint}. Start it and deploy: make up STACK={case.stack}"
    return "AWS does not answer. Check this machine's network and proxy settings, then try again."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.verify",
        description="Prove a deployed relationship. Exit code 0: proven, 1: something is disproven, 2: could not tell.",
    )
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the report to a file, as JSON")
    parser.add_argument("--write", action="store_true", help="also make, write, read and remove an S3 bucket")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long to go on asking while AWS may not have heard of the key or its policies yet, in all "
        f"(default {SPREADING_SECONDS:.0f}, on an emulator {EMULATOR_SPREADING_SECONDS:.0f})",
    )
    parser.add_argument("--mfa-serial", metavar="ARN", help="the user's MFA device")
    parser.add_argument("--mfa-code", metavar="CODE", help="the code that it shows now")
    parser.add_argument(
        "--secret-stdin", action="store_true", help="read the secret of the key that is handed over from standard input"
    )
    return parser


def _seconds(text: str) -> float:
    if not math.isfinite(seconds := float(text)):
        raise argparse.ArgumentTypeError(f"{text} has no end. Give a number of seconds")
    return seconds


def _report(options: argparse.Namespace) -> dict[str, Any]:
    """Prove, print what came out, and return it."""
    rows: list[Row] = []
    keys: list[KeyFact] = []
    in_lines = not options.json and not sys.stdout.isatty()
    try:
        given = _given_secret(options)  # before the progress line: it may ask for it
        with _progress() as tell:
            case = _case(options, given, tell)
            for row in prove(case, all_checks(case)):
                rows.append(row)
                if in_lines:
                    print(_line(row), flush=True)  # noqa: T201
            keys = key_facts(case)
    except StackError as error:
        check = Check(name="stack", expected=f"{options.stack} is deployed", run=lambda _: unknown("", ""))
        rows.append(skipped(check, "not to be read", str(error)))
        if in_lines:
            print(_line(rows[-1]))  # noqa: T201
    report = _as_json(options.stack, rows, keys)
    if options.json:
        print(json.dumps(report, indent=2))  # noqa: T201
        return report
    if not in_lines:
        Console(highlight=False).print(_table(rows))
    print(_summary(options.stack, rows))  # noqa: T201
    return report


def _case(options: argparse.Namespace, given: SecretStr | None, tell: Callable[[str], None]) -> Case:
    """Return what is to be proven: the stack's outputs, and the secrets that are at hand.

    Raises:
        StackError: the stack cannot be read.
    """
    with ThreadPoolExecutor() as side_by_side:  # each takes the CLI most of a second
        reading = side_by_side.submit(read_outputs, options.stack)
        config = side_by_side.submit(read_config, options.stack)
        outputs = reading.result()
    endpoint = outputs.terms.endpoint
    seconds = spreading_seconds(endpoint)
    case = Case(
        stack=options.stack,
        outputs=outputs,
        config=config.result(),
        patience=Patience(
            seconds=seconds if options.timeout is None else options.timeout,
            tell=tell,
            refusal_pause=0.0 if endpoint else REFUSAL_PAUSE_SECONDS,
        ),
        mfa=Mfa(serial=options.mfa_serial, code=options.mfa_code) if options.mfa_serial else None,
        write=options.write,
        secrets={label: key.secret for label, key in outputs.access_keys.items() if key.secret},
    )
    if case.current_label is not None and (secret := given or outputs.secret_access_key):
        case.secrets[case.current_label] = secret
    return case


def _given_secret(options: argparse.Namespace) -> SecretStr | None:
    """Return the secret that was asked for on standard input, if it was.

    Raises:
        StackError: none came.
    """
    if not options.secret_stdin:
        return None
    given = getpass.getpass("Secret access key: ") if sys.stdin.isatty() else sys.stdin.read()
    if not given.strip():
        raise StackError("No secret came on standard input. Pipe the decrypted secret access key into this command.")
    return SecretStr(given.strip())


@contextmanager
def _progress() -> Generator[Callable[[str], None]]:
    """Give a function that shows what is waited for: in one moving line of a terminal, else a line each."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield lambda message: console.print(message, markup=False)
        return
    with console.status("Proving the relationship ...") as status:
        yield lambda message: status.update(escape(message))


def _as_json(stack: str, rows: Sequence[Row], keys: Sequence[KeyFact]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "stack": stack,
        "time": now.isoformat(timespec="seconds"),
        "verdict": str(overall(rows)),
        "rows": [asdict(row) for row in rows],
        "keys": [
            {
                "label": key.label,
                "id": key.id,
                "status": key.status,
                "created": key.created and key.created.isoformat(),
                "lastUsed": key.last_used and key.last_used.isoformat(),
                "ageDays": key.age_days(now),
            }
            for key in keys
        ],
    }


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("check", "expected", "observed", "seconds", "verdict"):
        table.add_column(heading, overflow="fold")  # an ARN that is cut short helps nobody
    for row in rows:
        observed = f"{row.observed}\n{row.advice}".rstrip()
        cells = [Text(cell) for cell in (row.check, row.expected, observed, f"{row.seconds:.1f}")]
        table.add_row(*cells, Text(row.verdict, style=STYLES[row.verdict]))
    return table


def _line(row: Row) -> str:
    line = f"{row.verdict:<14}  {row.check}: {row.observed} (expected: {row.expected}; {row.seconds:.1f} s)"
    return f"{line}\n{'':<16}{row.advice}" if row.advice else line


def _summary(stack: str, rows: Sequence[Row]) -> str:
    count = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    counts = ", ".join(f"{number} {verdict}" for verdict, number in count.items() if number)
    match overall(rows):
        case Verdict.DISPROVEN:
            return f"Stack {stack} is not what it says ({counts})."
        case Verdict.UNKNOWN:
            return f"Stack {stack} could not be proven ({counts})."
        case _:
            return f"Stack {stack} is proven ({counts})."


if __name__ == "__main__":
    sys.exit(main())
