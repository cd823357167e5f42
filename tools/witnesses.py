"""What worked before a revocation and must be refused after it: keys, and a session of the role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from tools.aws import stored_key
from tools.checks import READS, assume
from tools.permissions import surely_allowed
from tools.proof import REFUSALS, REFUSED, UNKNOWN_KEY, Caller, Case, Patience, error_code
from tools.stack import StackError


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
    call: Callable[[], object]
    codes: frozenset[str]  # with which AWS refuses it


def witnesses(case: Case) -> tuple[list[Witness], list[Part]]:
    """Return what works before the revocation, and what there is nothing to show with.

    Each active key whose secret is at hand, and one session of the role that it begins with one of them.
    """
    outputs, found, unproven = case.outputs, list[Witness](), list[Part]()
    session: Witness | None = None
    reason = "no key's secret is at hand"
    for label, key in outputs.access_keys.items():
        if key.status != "Active":
            continue
        what = f"key {key.id}"
        try:
            case.secrets[label] = _secret(case, label)
            caller = case.key(label)
            caller.client("sts").get_caller_identity()
            found.append(Witness(what=what, call=caller.client("sts").get_caller_identity, codes=UNKNOWN_KEY))
            session = session or _session(case, caller)
        except (StackError, BotoCoreError, ClientError) as error:
            known = isinstance(error, ClientError) and error_code(error) in UNKNOWN_KEY
            reason = f"{what} was refused before already" if known else str(error)
            if not found or found[-1].what != what:
                unproven.append(Part(what=f"{what} is refused", failure=reason, unproven=True))
    if session:
        found.append(session)
    else:
        what = f"a session of role {outputs.role_name} begun before is refused"
        unproven.append(Part(what=what, failure=reason, unproven=True))
    return found, unproven


def _secret(case: Case, label: str) -> SecretStr:
    """Return the secret of a key.

    Raises:
        StackError: it is not at hand.
        ClientError: the store that has it cannot be read.
    """
    outputs, key = case.outputs, case.outputs.access_keys[label]
    if key.secret:
        return key.secret
    if outputs.secret_location:
        key_id, secret = stored_key(
            outputs.secret_location, case.administrator("trusted").session, outputs.terms.endpoint
        )
        if key_id == key.id:
            return secret
    raise StackError("the stack does not have its secret in plain text")


def _session(case: Case, caller: Caller) -> Witness:
    """Begin a session of the role, and return it with a call that it may make.

    Raises:
        StackError: there is no such session or call.
        ClientError: AWS refused the session.
    """
    outputs, terms = case.outputs, case.outputs.terms
    if terms.require_mfa:
        raise StackError("the role asks for MFA, so none could be begun to try")
    given = assume(caller, case, external_id=terms.external_id)["Credentials"]
    session = case.caller(given["AccessKeyId"], given["SecretAccessKey"], token=given["SessionToken"], side="trusting")
    for read in READS:
        call = cast("Callable[[], object]", getattr(session.client(read.client), read.operation))
        if surely_allowed(terms.permission_policy, read.action):
            try:
                call()
            except ClientError:
                continue
            return Witness(
                what=f"a session of role {outputs.role_name} begun before", call=call, codes=REFUSED | UNKNOWN_KEY
            )
    raise StackError("the role's policy surely allows no harmless call to try it with")


def refused_after(witness: Witness, patience: Patience, began: float) -> Part:
    """Return that something is refused, and since when; it has to be refused several times in a row.

    Args:
        witness: what worked before.
        patience: how long it may go on working; a deleted or inactive key does for some seconds, everywhere in AWS.
        began: when all was revoked, by the clock of ``patience``.
    """
    refusals, seconds = 0, 0.0
    while refusals < REFUSALS:
        elapsed = patience.clock() - began
        try:
            witness.call()
        except ClientError as error:
            if error_code(error) not in witness.codes:
                return Part(what=f"{witness.what} is refused", failure=str(error), unproven=True)
            seconds = seconds if refusals else elapsed
            refusals += 1
        except BotoCoreError as error:
            return Part(what=f"{witness.what} is refused", failure=str(error), unproven=True)
        else:
            refusals = 0
            if elapsed > patience.seconds:
                return Part(what=f"{witness.what} is refused", failure=f"it still works after {elapsed:.0f} s")
        if refusals < REFUSALS:
            patience.sleep(patience.refusal_pause)
    return Part(what=f"{witness.what} is refused after {seconds:.1f} s")
