"""`verify`: prove a deployed relationship, from what must work to what must be refused."""

import argparse
import getpass
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from tools.aws.propagation import PROPAGATION_SECONDS, Delay, Retries, propagation_seconds
from tools.console import Exit, StackError, ToolError, complain, say, waiting
from tools.engine import last_change, read_export
from tools.files import write_privately
from tools.proof import report
from tools.proof.case import STATE, Case, Check, Mfa, Row, Verdict, needs_only_a_person, overall
from tools.proof.deployed import age_checks, deployed_checks
from tools.proof.refused import refusal_checks
from tools.proof.run import prove
from tools.proof.state import closed_checks, is_closed, state_checks
from tools.proof.works import key_checks, positive_checks, session_checks
from tools.stack import read_stack

FAILURES = {Verdict.DISPROVEN: Exit.FAILED, Verdict.UNKNOWN: Exit.CANNOT_TELL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the report to a file, as JSON")
    parser.add_argument("--write", action="store_true", help="also create, write, read and remove an S3 bucket")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long to repeat calls that AWS refuses though they must work, and to wait for the propagation delay "
        f"(default {PROPAGATION_SECONDS:.0f} each, on an emulator 0); later results are undetermined",
    )
    parser.add_argument(
        "--delay",
        "--spreading",  # its earlier name
        type=_seconds,
        metavar="SECONDS",
        help="the propagation delay of AWS: no answer is final until so long after the last known change "
        f"(default {PROPAGATION_SECONDS:.0f}, on an emulator 0)",
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


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The results of one run."""

    stack: str
    rows: list[Row]
    seconds: float
    case: Case | None = None  # None: the stack could not be read
    final_at: str = ""  # when refusals are final, where only what must work was tried

    @property
    def code(self) -> Exit:
        """The exit code."""
        return FAILURES.get(overall(self.rows), Exit.DONE)

    @property
    def summary(self) -> str:
        """The verdict in a sentence."""
        if self.final_at and self.code is Exit.DONE:
            return f"Stack {self.stack} works. Refusals are final at {self.final_at}: make verify STACK={self.stack}"
        return report.summary(self.stack, self.rows, self.seconds)

    @property
    def lacks_only_a_person(self) -> bool:
        """Whether each check that could not tell needs the owner of a PGP key or an MFA device."""
        return needs_only_a_person(self.rows)

    def as_json(self) -> str:
        """Return the report for scripts."""
        keys = self.case.stack_keys if self.case else []
        document = report.as_json(self.stack, self.rows, keys, now=datetime.now(UTC), seconds=self.seconds)
        if self.final_at and self.code is Exit.DONE:
            document["verdict"] = str(Verdict.UNKNOWN)  # no refusal was tried
        return json.dumps(document, indent=2)


def run(options: argparse.Namespace) -> Exit:
    """Prove what can be proven, report it, and return the exit code."""
    if (options.mfa_serial is None) != (options.mfa_code is None):
        raise ToolError("--mfa-serial and --mfa-code go together: the device's ARN, and the code that it shows now.")
    proof = check(options)
    if options.json:
        say(proof.as_json())
    else:
        show(proof)
        say(proof.summary)
    saved = not options.save or save(proof, options.save)
    return proof.code if saved else proof.code or Exit.CANNOT_TELL


def show(proof: Proof) -> None:
    """Print a row for each check."""
    say(*report.lines(proof.rows))


def save(proof: Proof, file: Path) -> bool:
    """Write the report to a file, and return whether that succeeded."""
    try:
        write_privately(file, proof.as_json() + "\n")
    except OSError as error:
        complain(f"error: {file} cannot be written: {error}. Name another file.")
        return False
    return True


def all_checks(case: Case) -> list[Check]:
    """Return everything there is to prove about a relationship, in order."""
    state = state_checks(case)
    if is_closed(state):
        return [*state, *closed_checks(case)]
    parts = (key_checks, deployed_checks, session_checks, refusal_checks, age_checks)
    return [*state, *(check for part in parts for check in part(case))]


def check_stack(stack: str, *, wait: bool = True) -> Proof:
    """Run all checks with the default options.

    Args:
        stack: name of the stack.
        wait: whether to wait until all results are final. If not, and a change still propagates, only what must work
            is tried, and the proof says when refusals are final.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return check(parser.parse_args([], argparse.Namespace(stack=stack)), wait=wait)


def check(options: argparse.Namespace, *, wait: bool = True) -> Proof:
    """Run the checks and return their results."""
    case: Case | None = None
    final_at, start = "", time.monotonic()
    try:
        secret = _secret_from_stdin(options)  # before the progress line: it may ask for it
        with waiting("Proving the relationship ...") as report_progress:
            case = _case(options, secret, report_progress)
            if case.delay.left and not wait:
                final_at = case.delay.end
                rows = prove(case, positive_checks(case), final=False)
            else:
                rows = prove(case, all_checks(case))
    except StackError as error:
        rows = [_not_read(options.stack, error)]
    return Proof(stack=options.stack, rows=rows, seconds=time.monotonic() - start, case=case, final_at=final_at)


def _not_read(stack: str, error: StackError) -> Row:
    """Return the row on a stack whose outputs cannot be read."""
    check, observed, advice = "stack", "not to be read", str(error)
    try:
        if len(read_export(stack)["deployment"].get("resources") or []) > 1 and "no outputs" in advice:
            check, observed = STATE, "an adoption is under way, or the first deployment did not end"
            advice = f"Finish it:\n  make up STACK={stack}"
    except (StackError, KeyError, AttributeError):
        pass
    return Row(
        id=check,
        check=check,
        expected=f"{stack} is deployed",
        observed=observed,
        seconds=0.0,
        verdict=Verdict.UNKNOWN,
        advice=advice,
    )


def _case(options: argparse.Namespace, handed_in: SecretStr | None, report_progress: Callable[[str], None]) -> Case:
    """Return what is to be proven: the stack's outputs, and the secrets that are at hand."""
    outputs, config = read_stack(options.stack)
    seconds = propagation_seconds(outputs.terms.endpoint)
    case = Case(
        stack=options.stack,
        outputs=outputs,
        config=config,
        retries=Retries(seconds=seconds if options.timeout is None else options.timeout, report=report_progress),
        delay=_delay(options, seconds),
        mfa=Mfa(serial=options.mfa_serial, code=options.mfa_code) if options.mfa_serial else None,
        write=options.write,
        secrets={label: key.secret for label, key in outputs.access_keys.items() if key.secret},
    )
    if case.current_label is not None and (secret := handed_in or outputs.secret_access_key):
        case.secrets[case.current_label] = secret
    return case


def _delay(options: argparse.Namespace, seconds: float) -> Delay:
    """Return the propagation delay after the stack's last update; the checks add the changes that AWS dates."""
    delay = Delay(seconds=seconds if options.delay is None else options.delay)
    if options.timeout is not None:
        delay.longest = options.timeout
    if delay.seconds > 0:
        delay.changed(last_change(options.stack, since=delay.today() - timedelta(seconds=delay.seconds)))
    return delay


def _secret_from_stdin(options: argparse.Namespace) -> SecretStr | None:
    """Return the secret that was asked for on standard input, if it was."""
    if not options.secret_stdin:
        return None
    secret = getpass.getpass("Secret access key: ") if sys.stdin.isatty() else sys.stdin.read()
    if not secret.strip():
        raise StackError("No secret came on standard input. Pipe the decrypted secret access key into this command.")
    return SecretStr(secret.strip())
