"""`python -m tools verify --stack NAME`: prove a deployed relationship, from what must work to what must be refused.

Exit code 0: all proven, 1: something is disproven, 2: could not tell.
"""

import argparse
import getpass
import json
import math
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tools.console import complain, say, waiting
from tools.engine import last_change
from tools.errors import Exit, StackError, ToolError
from tools.files import write_privately
from tools.proof import report
from tools.proof.case import Case, Check, Mfa, Row, Verdict
from tools.proof.deployed import age_checks, deployed_checks
from tools.proof.refused import refusal_checks
from tools.proof.rounds import prove
from tools.proof.works import key_checks, session_checks
from tools.propagation import (
    EMULATOR_SPREADING_SECONDS,
    REFUSAL_PAUSE_SECONDS,
    SPREADING_SECONDS,
    Patience,
    Window,
    spreading_seconds,
    window_seconds,
)
from tools.stack import read_stack

WINDOWS_TO_WAIT = 2.0  # so many times as long as news takes: one more change may be made meanwhile
FAILURES = {Verdict.DISPROVEN: Exit.FAILED, Verdict.UNKNOWN: Exit.CANNOT_TELL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the report to a file, as JSON")
    parser.add_argument("--write", action="store_true", help="also make, write, read and remove an S3 bucket")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long to go on asking while AWS may not have heard of the key or its policies yet, in all "
        f"(default {SPREADING_SECONDS:.0f}, on an emulator {EMULATOR_SPREADING_SECONDS:.0f}); "
        "what is not final by then could not be told yet",
    )
    parser.add_argument(
        "--spreading",
        type=_seconds,
        metavar="SECONDS",
        help="how long a change takes to be known in all of AWS: no answer is final until so long after the last known "
        f"one (default {SPREADING_SECONDS:.0f}, on an emulator 0)",
    )
    parser.add_argument("--mfa-serial", metavar="ARN", help="the user's MFA device")
    parser.add_argument("--mfa-code", metavar="CODE", help="the code that it shows now")
    parser.add_argument(
        "--secret-stdin", action="store_true", help="read the secret of the key that is handed over from standard input"
    )


def _seconds(text: str) -> float:
    if not math.isfinite(seconds := float(text)):
        raise argparse.ArgumentTypeError(f"{text} has no end. Give a number of seconds")
    return seconds


def run(options: argparse.Namespace) -> Exit:
    """Prove what can be proven, report it, and return the exit code."""
    if (options.mfa_serial is None) != (options.mfa_code is None):
        raise ToolError("--mfa-serial and --mfa-code go together: the device's ARN, and the code that it shows now.")
    proof = _prove_and_print(options)
    code = FAILURES.get(Verdict(proof["verdict"]), Exit.DONE)
    try:
        if options.save:
            write_privately(options.save, json.dumps(proof, indent=2) + "\n")
    except OSError as error:
        complain(f"error: {options.save} cannot be written: {error}. Name another file.")
        return code or Exit.CANNOT_TELL
    return code


def all_checks(case: Case) -> list[Check]:
    """Return everything there is to prove about a relationship, in the order in which to do it."""
    parts = (key_checks, deployed_checks, session_checks, refusal_checks, age_checks)
    return [check for part in parts for check in part(case)]


def _prove_and_print(options: argparse.Namespace) -> dict[str, Any]:
    """Prove, print what came out once it is final, and return the report."""
    case: Case | None = None
    start = time.monotonic()
    try:
        secret = _secret_from_stdin(options)  # before the progress line: it may ask for it
        with waiting("Proving the relationship ...") as tell:
            case = _case(options, secret, tell)
            rows = prove(case, all_checks(case))
    except StackError as error:
        rows = [
            Row(
                check="stack",
                expected=f"{options.stack} is deployed",
                observed="not to be read",
                seconds=0.0,
                verdict=Verdict.UNKNOWN,
                advice=str(error),
            )
        ]
    seconds, keys = time.monotonic() - start, case.stack_keys if case else []
    proof = report.as_json(options.stack, rows, keys, now=datetime.now(UTC), seconds=seconds)
    if options.json:
        say(json.dumps(proof, indent=2))
        return proof
    if sys.stdout.isatty():
        report.print_table(rows)
    else:
        say(*map(report.line, rows))
    say(report.summary(options.stack, rows, seconds))
    return proof


def _case(options: argparse.Namespace, handed_in: SecretStr | None, tell: Callable[[str], None]) -> Case:
    """Return what is to be proven: the stack's outputs, and the secrets that are at hand."""
    outputs, config = read_stack(options.stack)
    endpoint = outputs.terms.endpoint
    seconds = spreading_seconds(endpoint) if options.timeout is None else options.timeout
    case = Case(
        stack=options.stack,
        outputs=outputs,
        config=config,
        patience=Patience(
            seconds=seconds,
            tell=tell,
            refusal_pause=0.0 if endpoint else REFUSAL_PAUSE_SECONDS,
        ),
        window=_window(options, endpoint),
        mfa=Mfa(serial=options.mfa_serial, code=options.mfa_code) if options.mfa_serial else None,
        write=options.write,
        secrets={label: key.secret for label, key in outputs.access_keys.items() if key.secret},
    )
    if case.current_label is not None and (secret := handed_in or outputs.secret_access_key):
        case.secrets[case.current_label] = secret
    return case


def _window(options: argparse.Namespace, endpoint: str | None) -> Window:
    """Return until when no answer is final, as far as the stack's updates tell; the checks add what AWS tells."""
    seconds = window_seconds(endpoint) if options.spreading is None else options.spreading
    wait = WINDOWS_TO_WAIT * seconds if options.timeout is None else options.timeout
    window = Window(seconds=seconds, wait_seconds=wait)
    if seconds > 0:
        window.changed(last_change(options.stack, since=window.today() - timedelta(seconds=seconds)))
    return window


def _secret_from_stdin(options: argparse.Namespace) -> SecretStr | None:
    """Return the secret that was asked for on standard input, if it was."""
    if not options.secret_stdin:
        return None
    secret = getpass.getpass("Secret access key: ") if sys.stdin.isatty() else sys.stdin.read()
    if not secret.strip():
        raise StackError("No secret came on standard input. Pipe the decrypted secret access key into this command.")
    return SecretStr(secret.strip())
