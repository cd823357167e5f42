"""Proves a deployed stack: reads it, runs all checks, and returns the report."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from tools.aws.propagation import Delay, propagation_seconds
from tools.console import StackError, waiting
from tools.engine import last_change, read_export
from tools.proof.case import STATE, Case
from tools.proof.checks import all_checks
from tools.proof.report import Proof, Row, Verdict
from tools.proof.run import prove
from tools.proof.works import positive_checks
from tools.stack import read_stack


def prove_stack(
    stack: str,
    *,
    wait: bool = True,
    write: bool = False,
    timeout: float | None = None,
    delay: float | None = None,
    mfa: Mapping[str, str] | None = None,
    secret: SecretStr | None = None,
) -> Proof:
    """Run the checks and return their results.

    Args:
        stack: name of the stack.
        wait: whether to wait until all results are final. If not, a change still propagates and there is a key, only
            what must work is tried, and the proof says when refusals are final.
        write: whether to write to S3, too.
        timeout: seconds to repeat calls, and to wait for the propagation delay; by default that of AWS.
        delay: seconds of propagation; by default that of AWS, on an emulator 0.
        mfa: ``SerialNumber`` and ``TokenCode`` of the user's device.
        secret: of the key that is handed over, where the stack does not have it.
    """
    start, final_at, case = time.monotonic(), "", None
    try:
        with waiting("Proving the relationship ...") as report_progress:
            outputs, config = read_stack(stack)
            seconds = propagation_seconds(outputs.terms.endpoint)
            case = Case(
                stack=stack,
                outputs=outputs,
                config=config,
                delay=Delay(
                    seconds=seconds if delay is None else delay,
                    timeout=seconds if timeout is None else timeout,
                    report=report_progress,
                ),
                mfa=mfa or {},
                write=write,
                secrets={label: key.secret for label, key in outputs.access_keys.items() if key.secret},
            )
            if case.current_label and (at_hand := secret or outputs.secret_access_key):
                case.secrets[case.current_label] = at_hand
            if case.delay.seconds > 0:  # the checks add the changes that AWS dates
                since = case.delay.today() - timedelta(seconds=case.delay.seconds)
                case.delay.changed(last_change(stack, since=since))
            if case.delay.left and not wait and outputs.access_keys:
                final_at = case.delay.end
                rows = prove(case, positive_checks(case), final=False)
            else:
                rows = prove(case, all_checks(case))
    except StackError as error:
        rows = [_not_read(stack, error)]
    return Proof(
        stack=stack,
        time=datetime.now(UTC),
        rows=tuple(rows),
        seconds=round(time.monotonic() - start, 2),
        keys=tuple(case.stack_keys) if case else (),
        outputs=case.outputs if case else None,
        final_at=final_at,
    )


def _not_read(stack: str, error: StackError) -> Row:
    """Return the row on a stack whose outputs cannot be read."""
    check, observed, advice = "stack", "not to be read", str(error)
    try:
        if "no outputs" in advice and len(read_export(stack)["deployment"].get("resources") or []) > 1:
            check, observed = STATE, "an adoption is under way, or the first deployment did not end"
            advice = f"Finish it:\n  make up STACK={stack}"
    except (StackError, KeyError, AttributeError):
        pass
    return Row(Verdict.UNKNOWN, observed, advice, id=check, check=check, expected=f"{stack} is deployed")
