"""Calls that work before a revocation and that AWS must refuse after it: with keys, and with a session of the role."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import ClientError

from components.iam.permissions import surely_allowed
from tools.aws.callers import stored_key, text_of
from tools.aws.errors import REFUSED, UNKNOWN_KEY, error_code
from tools.aws.propagation import Delay
from tools.console import FailedError, StackError
from tools.proof.case import REFUSAL_PAUSE_SECONDS, REFUSALS, Case
from tools.proof.reads import READS


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A call that AWS must refuse after the revocation."""

    what: str
    call: Callable[[], object]  # where it cannot be tried, it raises a StackError that says why
    codes: frozenset[str]  # with which AWS refuses it


def probes(case: Case) -> list[Probe]:
    """Return a probe for each active key, and one for a session begun with the first whose secret is at hand."""
    active = {label: key.id for label, key in case.outputs.access_keys.items() if key.deployed == "Active"}
    found = [
        Probe(what=f"key {key_id}", call=_begun(partial(_key, case, label)), codes=UNKNOWN_KEY)
        for label, key_id in active.items()
    ]
    if "role" in case.outputs.managed:  # else only the other party can refuse a session
        what = f"a session of role {case.outputs.role_name} begun before"
        found.append(Probe(what=what, call=_begun(partial(_session, case)), codes=REFUSED | UNKNOWN_KEY))
    return found


def _begun(begin: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    """Return the call that ``begin`` returns, or one that raises why there is none: that must not stop a revocation."""
    try:
        return begin()
    except Exception as error:  # noqa: BLE001 - as above
        reason = text_of(error)

        def cannot_be_tried() -> None:
            raise StackError(reason)

        return cannot_be_tried


def _key(case: Case, label: str) -> Callable[[], object]:
    """Return a call that every key may make."""
    outputs, key = case.outputs, case.outputs.access_keys[label]
    secret = key.secret
    if not secret and outputs.secret_location:
        key_id, stored = stored_key(outputs.secret_location, case.administrator("trusted"))
        secret = stored if key_id == key.id else None
    if not secret:
        raise StackError("the stack does not have its secret in plain text")
    case.secrets[label] = secret
    return case.holder(label).client("sts").get_caller_identity


def _session(case: Case) -> Callable[[], object]:
    """Begin a session of the role with a key that is at hand, and return a call that it may make."""
    terms = case.outputs.terms
    if not case.secrets:
        raise StackError("no key is at hand to begin one with")
    if terms.require_mfa:
        raise StackError("the role asks for MFA")
    session = case.in_session(case.assume_role(case.holder(next(iter(case.secrets)))))
    for read in READS:
        if surely_allowed(terms.permission_policy, read.action):
            with suppress(ClientError):
                call = read.of(session)
                call()
                return call
    raise StackError("the role's policy surely allows no read-only call to try it with")


def refused_now(probe: Probe, delay: Delay) -> str:
    """Return after how long AWS refused a probe, and still did after the propagation delay.

    Args:
        probe: what AWS must refuse.
        delay: its timeout is how long the call may go on working: AWS takes some seconds. Until its end one server may
            refuse what another still allows.

    Raises:
        FailedError: the call works.
        BotoCoreError, ClientError, StackError: it was not refused, and nothing shows that it works.
    """
    began = delay.clock()
    while _works(probe):
        if delay.clock() - began > delay.timeout:
            raise FailedError(f"it still works after {delay.clock() - began:.0f} s")
        delay.sleep(REFUSAL_PAUSE_SECONDS)
    seconds = delay.clock() - began
    delay.wait()
    if any(_works(probe) for _ in range(REFUSALS)):
        raise FailedError("it works again")
    return f"{probe.what} is refused after {seconds:.1f} s"


def _works(probe: Probe) -> bool:
    """Return whether a call works; an error that is no refusal is raised."""
    try:
        probe.call()
    except ClientError as error:
        if error_code(error) not in probe.codes:
            raise
        return False
    return True
