"""What worked before a revocation and must be refused after it: keys, and a session of the role."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.iam.permissions import surely_allowed
from tools.callers import aws_time
from tools.error_codes import REFUSED, UNKNOWN_KEY, error_code
from tools.errors import StackError
from tools.keys import stored_key
from tools.proof.case import REFUSALS, Case
from tools.proof.reads import READS
from tools.propagation import Patience


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that was tried."""

    what: str
    failure: str = ""  # why not; empty when it was done
    unproven: bool = False  # nothing was at hand to show it with

    def __str__(self) -> str:
        word = "UNPROVEN" if self.unproven else "FAILED" if self.failure else "done"
        return f"{word:8} {self.what}" + (f": {self.failure}" if self.failure else "")


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Something that worked before the revocation, and must be refused after it."""

    what: str
    call: Callable[[], Any]
    codes: frozenset[str]  # with which AWS refuses it
    worked: datetime  # when it last did


def witnesses(case: Case) -> tuple[list[Witness], list[Part]]:
    """Return what works before the revocation, and what there is nothing to show with.

    Each active key whose secret is at hand, and one session of the role that it begins with the first of them.
    """
    active = [label for label, key in case.outputs.access_keys.items() if key.deployed == "Active"]
    tried = [
        _try(f"key {case.outputs.access_keys[label].id}", partial(_key, case, label), codes=UNKNOWN_KEY)
        for label in active
    ]
    holders = [label for label, result in zip(active, tried, strict=True) if isinstance(result, Witness)]
    what = f"a session of role {case.outputs.role_name} begun before"
    tried.append(_try(what, partial(_session, case, holders), codes=REFUSED | UNKNOWN_KEY))
    working = [result for result in tried if isinstance(result, Witness)]
    return working, [result for result in tried if isinstance(result, Part)]


def _try(what: str, begin: Callable[[], Callable[[], object]], *, codes: frozenset[str]) -> Witness | Part:
    """Return a witness whose call ``begin`` returns and which works, or why there is none."""
    try:
        call = begin()
        return Witness(what=what, call=call, codes=codes, worked=_time_of(call()))
    except (StackError, BotoCoreError, ClientError) as error:
        known = isinstance(error, ClientError) and error_code(error) in UNKNOWN_KEY
        reason = "it was refused before already" if known else str(error)
        return Part(what=f"{what} is refused", failure=reason, unproven=True)


def _key(case: Case, label: str) -> Callable[[], object]:
    """Return a call that a key may make."""
    outputs, key = case.outputs, case.outputs.access_keys[label]
    secret = key.secret
    if not secret and outputs.secret_location:
        key_id, stored = stored_key(outputs.secret_location, case.administrator("trusted"))
        secret = stored if key_id == key.id else None
    if not secret:
        raise StackError("the stack does not have its secret in plain text")
    case.secrets[label] = secret
    return case.holder(label).client("sts").get_caller_identity


def _time_of(answer: Any) -> datetime:  # noqa: ANN401 - botocore makes its answers at run time
    """Return when AWS sent an answer; where it does not say, it is now."""
    return aws_time(answer) or datetime.now(UTC)


def _session(case: Case, holders: Sequence[str]) -> Callable[[], object]:
    """Begin a session of the role with the first of the keys that work, and return a call that it may make."""
    terms = case.outputs.terms
    if not holders:
        raise StackError("no key that works is at hand to begin one with")
    if terms.require_mfa:
        raise StackError("the role asks for MFA, so none could be begun to try")
    session = case.in_session(case.assume_role(case.holder(holders[0])))
    for read in READS:
        if surely_allowed(terms.permission_policy, read.action):
            with suppress(ClientError):
                call = read.of(session)
                call()
                return call
    raise StackError("the role's policy surely allows no harmless call to try it with")


def refused_after(witness: Witness, patience: Patience, began: float, spreading: float) -> Part:
    """Return that something is refused, since when, and when it last worked.

    It has to be refused several times in a row, and until all of AWS has heard of the revocation: one server that
    refuses it may be the first that has.

    Args:
        witness: what worked before.
        patience: how long it may go on working; a deleted or inactive key does for some seconds, everywhere in AWS.
        began: when all was revoked, by the clock of ``patience``.
        spreading: how many seconds that takes to be known in all of AWS.
    """
    what, worked, refusals, seconds = f"{witness.what} is refused", witness.worked, 0, 0.0
    while refusals < REFUSALS or patience.clock() < began + spreading:
        elapsed = patience.clock() - began
        try:
            worked = _time_of(witness.call())
        except (BotoCoreError, ClientError) as error:
            if not isinstance(error, ClientError) or error_code(error) not in witness.codes:
                return Part(what=what, failure=str(error), unproven=True)
            seconds = seconds if refusals else elapsed
            refusals += 1
        else:
            refusals = 0
            if elapsed > patience.seconds:
                return Part(what=what, failure=f"it still works after {elapsed:.0f} s")
        if refusals != REFUSALS or spreading:
            patience.sleep(patience.refusal_pause)
    return Part(what=f"{what} after {seconds:.1f} s. It last worked at {worked:%Y-%m-%d %H:%M:%S} UTC")
