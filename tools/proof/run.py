"""Runs checks: once, and once more after the propagation delay where a change is recent."""

import time
from collections.abc import Sequence
from dataclasses import replace

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

from tools.aws.callers import GarbledAnswerError, SignInError, clock_skew, text_of
from tools.aws.errors import MAY_PROPAGATE, NO_SUCH_ENTITY, REFUSED, WRONG_SECRET, error_code, error_text
from tools.console import ToolError
from tools.proof.case import Case, Check, OtherPartyError, could_not_tell
from tools.proof.report import Row, Verdict, disproven, not_checked, unknown
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
    delay = case.delay
    began = delay.clock()
    rows = _all(case, checks, began)
    if not final:
        return rows
    # AWS accepts an MFA code once, so these checks cannot be repeated.
    is_worth_it = not case.mfa and delay.left <= delay.timeout
    if is_worth_it and began < delay.until and any(row.verdict in SETTLED for row in rows):
        held = sum(row.verdict is Verdict.PROVEN for row in rows)
        delay.report(
            f"{held} of {len(rows)} checks hold. None is final before {delay.end}: until then AWS may answer as "
            "before the last change. Waiting for that"
        )
        delay.wait()
        case.forget()
        began = delay.clock()
        rows = _all(case, checks, began)
    if began >= delay.until:
        return rows
    advice = f"AWS may still answer as before the last change. Run it again after {delay.end}"
    return [
        replace(row, verdict=Verdict.UNKNOWN, observed=f"could not tell yet: {row.observed}", advice=advice)
        if row.verdict in SETTLED
        else row
        for row in rows
    ]


def _all(case: Case, checks: Sequence[Check], began: float) -> list[Row]:
    """Return the row of each check as it is now; if AWS does not answer the first, the others are not tried."""
    rows: dict[str, Row] = {}
    silent: Row | None = None
    for check in checks:
        missing = silent or next((rows[name] for name in check.needs if rows[name].verdict not in HOLDS), None)
        if missing is not None:
            advice = f"It says nothing until the row '{missing.check}' is proven: see there."
            verdict = Verdict.NOT_CHECKED if missing.verdict is Verdict.NOT_CHECKED else Verdict.UNKNOWN
            row = _row(check, Row(verdict, "not tried", advice, needs_person=missing.needs_person))
        elif check.writes and began < case.delay.until:  # a leftover would be forgotten
            row = _row(check, unknown("could not tell yet", f"It is not tried before {case.delay.end}"))
        else:
            start = time.monotonic()
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
    result = _result(check, case)
    return _row(check, result, time.monotonic() - start)


def _row(check: Check, result: Row, seconds: float = 0.0) -> Row:
    advice = result.advice or ("" if result.verdict is Verdict.PROVEN else check.advice)
    own = {"id": check.id, "check": check.name, "expected": check.expected}
    return replace(result, **own, advice=advice, seconds=round(seconds, 2))


def _result(check: Check, case: Case) -> Row:
    """Run a check; an exception becomes a result, never a stack trace."""
    try:
        return check.run(case)
    except ClientError as error:
        return _refused(check, error)
    except OtherPartyError:
        return not_checked("the other party's account", "They prove their half: make verify, in their stack.")
    except LeftBehindError as error:
        return unknown("something is left behind", str(error))
    except GarbledAnswerError as error:
        endpoint = case.outputs.terms.endpoint
        where = f"at {endpoint}" if endpoint else "between this machine and AWS"
        return unknown(str(error), f"Something {where} answers in AWS's place. Identify it, then try again.")
    except UNREACHABLE:
        raise
    except SignInError as error:
        return unknown("this machine cannot sign in", str(error))
    except ToolError as error:
        return unknown("could not tell", str(error))
    except Exception as error:  # noqa: BLE001 - broken AWS settings raise errors of many kinds
        return unknown(text_of(error), "Check this machine's AWS settings: ~/.aws/config and the variables AWS_*.")


def _refused(check: Check, error: ClientError) -> Row:
    """Return what an error of AWS says about a check."""
    code = error_code(error)
    if check.administers and code == NO_SUCH_ENTITY:
        return disproven(error_text(error))
    if check.administers and code in REFUSED:
        return not_checked(
            f"not tried: {error_text(error)}",
            "The credentials of trusting.profile and trusted.profile need the right to do this.",
        )
    if code in MAY_PROPAGATE | WRONG_SECRET and not clock_skew(error):
        return disproven(error_text(error))
    return could_not_tell(error)
