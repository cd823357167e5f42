"""Runs all checks: once, and once more after the propagation delay where a change is recent."""

import time
from collections.abc import Sequence
from dataclasses import replace

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

from tools.aws.callers import GarbledAnswerError, SignInError, clock_skew, text_of
from tools.aws.errors import MAY_PROPAGATE, WRONG_SECRET, error_code, error_text
from tools.console import ToolError
from tools.proof.case import Case, Check, Finding, Row, Verdict, could_not_tell, disproven, not_checked, unknown
from tools.proof.temporary import LeftBehindError

SETTLED = frozenset({Verdict.PROVEN, Verdict.DISPROVEN})
HOLDS = frozenset({Verdict.PROVEN, Verdict.WARNING})
UNREACHABLE = (HTTPClientError, ConnectionError)


def prove(case: Case, checks: Sequence[Check], *, final: bool = True) -> list[Row]:
    """Return the row of each check.

    Args:
        case: the case.
        checks: what to prove, in order.
        final: whether to wait for the propagation delay, and to mark provisional results.
    """
    began = case.delay.clock()
    rows = _all(case, checks, began)
    if not final:
        return rows
    # AWS accepts an MFA code once, so these checks cannot be repeated.
    is_worth_it = not case.mfa and case.delay.left <= case.delay.longest
    if is_worth_it and began < case.delay.until and any(row.verdict in SETTLED for row in rows):
        held = sum(row.verdict is Verdict.PROVEN for row in rows)
        case.retries.report(
            f"{held} of {len(rows)} checks hold. None is final before {case.delay.end}: until then AWS may answer as "
            "before the last change. Waiting for that"
        )
        case.delay.wait()
        case.forget()
        began = case.delay.clock()
        rows = _all(case, checks, began)
    return [judged(row, case, began) for row in rows]


def judged(row: Row, case: Case, began: float) -> Row:
    """Return a row as it counts: a result is provisional if its checks began before the end of the delay."""
    if began >= case.delay.until or row.verdict not in SETTLED:
        return row
    return replace(
        row,
        verdict=Verdict.UNKNOWN,
        observed=f"could not tell yet: {row.observed}",
        advice=f"AWS may still answer as before the last change. Run it again after {case.delay.end}",
    )


def _all(case: Case, checks: Sequence[Check], began: float) -> list[Row]:
    """Return the row of each check as it is now; if AWS does not answer the first, the others are not tried."""
    rows: dict[str, Row] = {}
    silent: Row | None = None
    for check in checks:
        missing = silent or next((rows[name] for name in check.needs if rows[name].verdict not in HOLDS), None)
        start = time.monotonic()
        if missing is not None:
            advice = f"It says nothing until the row '{missing.check}' is proven: see there."
            finding = not_checked if missing.verdict is Verdict.NOT_CHECKED else unknown
            row = _row(check, finding("not tried", advice, needs_person=missing.needs_person))
        elif check.writes and began < case.delay.until:  # a leftover would be forgotten
            row = _row(check, unknown("could not tell yet", f"It is not tried before {case.delay.end}"))
        else:
            try:
                row = run_check(check, case)
            except UNREACHABLE as error:
                row = _row(check, unknown(f"{error}", _unreachable(case)), time.monotonic() - start)
                silent = None if rows else row
        rows[check.name] = row
    return list(rows.values())


def _unreachable(case: Case) -> str:
    if endpoint := case.outputs.terms.endpoint:
        return f"No AWS emulator answers at {endpoint}. Start it and deploy:\n  make up STACK={case.stack}"
    return "AWS does not answer. Check this machine's network and proxy settings, then try again."


def run_check(check: Check, case: Case) -> Row:
    """Return the row of one check.

    Raises:
        HTTPClientError, ConnectionError: nothing answered.
    """
    start = time.monotonic()
    finding = _finding(check, case)
    return _row(check, finding, time.monotonic() - start)


def _row(check: Check, finding: Finding, seconds: float = 0.0) -> Row:
    return Row(
        id=check.id,
        check=check.name,
        expected=check.expected,
        observed=finding.observed,
        seconds=round(seconds, 2),
        verdict=finding.verdict,
        advice=finding.advice or ("" if finding.verdict is Verdict.PROVEN else check.advice),
        needs_person=finding.needs_person,
    )


def _finding(check: Check, case: Case) -> Finding:
    """Run a check; an exception becomes a finding, never a stack trace."""
    try:
        return check.run(case)
    except ClientError as error:
        refusal = error_code(error) in MAY_PROPAGATE | WRONG_SECRET and not clock_skew(error)
        return disproven(error_text(error)) if refusal else could_not_tell(error)
    except LeftBehindError as error:
        return unknown("something is left behind", str(error))
    except GarbledAnswerError as error:
        return unknown(str(error), _who_answers(case))
    except UNREACHABLE:
        raise
    except SignInError as error:
        return unknown("this machine cannot sign in", str(error))
    except ToolError as error:
        return unknown("could not tell", str(error))
    except Exception as error:  # noqa: BLE001 - broken AWS settings raise errors of many kinds
        return unknown(text_of(error), "Check this machine's AWS settings: ~/.aws/config and the variables AWS_*.")


def _who_answers(case: Case) -> str:
    endpoint = case.outputs.terms.endpoint
    where = f"at {endpoint}" if endpoint else "between this machine and AWS"
    return f"Something {where} answers in AWS's place. Identify it, then try again."
