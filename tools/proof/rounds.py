"""How all checks are run: one round over all of them, and again until AWS has heard of the last known change.

Whatever a round begun before that saw is not final, neither what is as it should be nor what is not. So the last
round decides, and all checks wait together.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from tools.callers import GarbledAnswerError
from tools.error_codes import MAY_SPREAD, WRONG_SECRET, error_code, error_text
from tools.errors import StackError
from tools.proof.case import Case, Check, Finding, Row, Verdict, disproven, not_checked, unknown
from tools.proof.temporary import LeftBehindError
from tools.propagation import Window

SETTLED = frozenset({Verdict.PROVEN, Verdict.DISPROVEN})
UNREACHABLE = (HTTPClientError, ConnectionError)


def prove(case: Case, checks: Sequence[Check]) -> list[Row]:
    """Return the row of each check, final or with what could not be told yet."""
    clock, tell = case.window.clock, case.patience.tell
    start, rounds = clock(), 0
    while True:
        began, rounds = clock(), rounds + 1
        rows = _round(case, checks, began)
        # A code of MFA lets in once, so nothing that needs it can be asked again.
        pause = None if case.mfa else case.window.pause(rounds, start=start)
        if pause is None or _is_final(rows, began, case.window):
            return [judged(row, began, case.window) for row in rows]
        fine = sum(row.verdict is Verdict.PROVEN for row in rows)
        tell(
            f"{fine} of {len(rows)} checks are as they should be. None is final before {case.window.closing_time}: "
            f"until then AWS may answer as before the last change. Asking all again in {pause:.0f} s"
        )
        case.patience.sleep(pause)
        case.forget()


def _is_final(rows: Sequence[Row], began: float, window: Window) -> bool:
    """Return whether asking again would tell nothing new: all news has spread, or there was no answer at all."""
    return began >= window.closes or not any(row.verdict in SETTLED for row in rows)


def judged(row: Row, began: float, window: Window) -> Row:
    """Return what a row proves: what was seen before the window closed could not be told yet.

    Args:
        row: what a round saw.
        began: when that round began, by the window's clock.
        window: as it is after the round, which may have come upon a change.
    """
    if began >= window.closes or row.verdict not in SETTLED:
        return row
    return replace(
        row,
        verdict=Verdict.UNKNOWN,
        observed=f"could not tell yet: {row.observed}",
        advice=f"AWS may still answer as before the last change. Run it again after {window.closing_time}",
    )


def _round(case: Case, checks: Sequence[Check], began: float) -> list[Row]:
    """Return the row of each check as it is now; when nothing answers at first, none is tried further."""
    rows: dict[str, Row] = {}
    silent: str | None = None  # the check that nothing answered
    for check in checks:
        unproven = (name for name in check.needs if name not in rows or rows[name].verdict is not Verdict.PROVEN)
        missing = silent or next(unproven, None)
        start = time.monotonic()
        if missing is not None:
            advice = f"It says nothing until the row '{missing}' is proven: see there."
            row = _row(check, unknown("not tried", advice))
        elif check.writes and began < case.window.closes:  # what is left behind would be forgotten
            row = _row(check, unknown("could not tell yet", f"It is not tried before {case.window.closing_time}"))
        else:
            try:
                row = run_check(check, case)
            except UNREACHABLE as error:
                silent = None if rows else check.name
                row = _row(check, unknown(f"{error}", _unreachable(case)), time.monotonic() - start)
        rows[check.name] = row
    return list(rows.values())


def _unreachable(case: Case) -> str:
    if endpoint := case.outputs.terms.endpoint:
        return f"No AWS emulator answers at {endpoint}. Start it and deploy: make up STACK={case.stack}"
    return "AWS does not answer. Check this machine's network and proxy settings, then try again."


def run_check(check: Check, case: Case) -> Row:
    """Return the row of one check.

    Raises:
        HTTPClientError, ConnectionError: nothing answered; whoever called knows whether anything ever did.
    """
    start = time.monotonic()
    finding = _finding(check, case)
    return _row(check, finding, time.monotonic() - start)


def _row(check: Check, finding: Finding, seconds: float = 0.0) -> Row:
    return Row(
        check=check.name,
        expected=check.expected,
        observed=finding.observed,
        seconds=round(seconds, 2),
        verdict=finding.verdict,
        advice=finding.advice or ("" if finding.verdict is Verdict.PROVEN else check.advice),
    )


def _finding(check: Check, case: Case) -> Finding:
    """Run a check. Whatever AWS or the network answers becomes a finding, never a stack trace."""
    try:
        return check.run(case)
    except ClientError as error:
        if error_code(error) in MAY_SPREAD | WRONG_SECRET:
            return disproven(error_text(error))
        return unknown(
            error_text(error), "AWS neither did it nor refused it. Try again; if it stays, see what it says."
        )
    except StackError as error:
        return not_checked("not checked", str(error))
    except LeftBehindError as error:
        return unknown("something is left behind", str(error))
    except GarbledAnswerError:
        return unknown("not an answer of AWS", _who_answers(case))
    except UNREACHABLE:
        raise
    except BotoCoreError as error:
        return unknown(f"{error}", "This is a matter of this machine's AWS settings: see ~/.aws/config and AWS_*.")


def _who_answers(case: Case) -> str:
    endpoint = case.outputs.terms.endpoint
    where = f"at {endpoint}" if endpoint else "between this machine and AWS"
    return f"Something {where} answers that is not AWS. Find out what it is, then try again."
