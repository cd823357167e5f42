"""Calls that work before a revocation and that AWS must refuse after it: with keys, and with a session of the role."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.iam.permissions import surely_allowed
from tools.aws.callers import stored_key, text_of
from tools.aws.errors import REFUSED, UNKNOWN_KEY, error_code
from tools.aws.propagation import Delay, Retries
from tools.console import StackError
from tools.proof.case import REFUSAL_PAUSE_SECONDS, REFUSALS, Case
from tools.proof.reads import READS


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that was tried."""

    what: str
    failure: str = ""  # why not; empty when it was done
    unproven: bool = False  # there was nothing to show it with

    def __str__(self) -> str:
        word = "UNPROVEN" if self.unproven else "FAILED" if self.failure else "done"
        return f"{word:8} {self.what}" + (f": {self.failure}" if self.failure else "")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A call that AWS must refuse after the revocation."""

    what: str
    call: Callable[[], Any]
    codes: frozenset[str]  # with which AWS refuses it


@dataclass
class Probes:
    """What there is to try, and what cannot be shown."""

    ready: list[Probe] = field(default_factory=list[Probe])
    unproven: list[Part] = field(default_factory=list[Part])

    def add(self, what: str, begin: Callable[[], Callable[[], object]], codes: frozenset[str]) -> bool:
        """Add the probe whose call ``begin`` returns, and return whether there is one."""
        try:
            self.ready.append(Probe(what=what, call=begin(), codes=codes))
        except Exception as error:  # noqa: BLE001 - what cannot be tried must not stop a revocation
            self.unproven.append(Part(what=f"{what} is refused", failure=text_of(error), unproven=True))
            return False
        return True


def probes(case: Case) -> Probes:
    """Return a probe for each active key whose secret is at hand, and one for a session begun with the first."""
    found = Probes()
    active = [label for label, key in case.outputs.access_keys.items() if key.deployed == "Active"]
    held = [
        label
        for label in active
        if found.add(f"key {case.outputs.access_keys[label].id}", partial(_key, case, label), UNKNOWN_KEY)
    ]
    if case.outputs.terms.unmanaged is None:  # else only the other party can refuse a session, or begin one
        what = f"a session of role {case.outputs.role_name} begun before"
        found.add(what, partial(_session, case, held), REFUSED | UNKNOWN_KEY)
    return found


def _key(case: Case, label: str) -> Callable[[], object]:
    """Return a call that every key may make."""
    outputs, key = case.outputs, case.outputs.access_keys[label]
    secret = key.secret
    if not secret and outputs.secret_location:
        key_id, stored = stored_key(outputs.secret_location, case.administrator("trusted", checked=False))
        secret = stored if key_id == key.id else None
    if not secret:
        raise StackError("the stack does not have its secret in plain text")
    case.secrets[label] = secret
    return case.holder(label).client("sts").get_caller_identity


def _session(case: Case, held: list[str]) -> Callable[[], object]:
    """Begin a session of the role with the first of the keys, and return a call that it may make."""
    terms = case.outputs.terms
    if not held:
        raise StackError("no key is at hand to begin one with")
    if terms.require_mfa:
        raise StackError("the role asks for MFA")
    session = case.in_session(case.assume_role(case.holder(held[0])))
    for read in READS:
        if surely_allowed(terms.permission_policy, read.action):
            with suppress(ClientError):
                call = read.of(session)
                call()
                return call
    raise StackError("the role's policy surely allows no read-only call to try it with")


def refused_now(probe: Probe, retries: Retries, delay: Delay) -> Part:
    """Return whether AWS refuses a probe, after how long, and still after the propagation delay.

    Args:
        probe: what AWS must refuse.
        retries: how long the call may go on working: AWS takes some seconds.
        delay: until when one server may refuse what another still allows.
    """
    what, began = f"{probe.what} is refused", delay.clock()
    try:
        while _works(probe):
            if delay.clock() - began > retries.seconds:
                return Part(what=what, failure=f"it still works after {delay.clock() - began:.0f} s")
            retries.sleep(REFUSAL_PAUSE_SECONDS)
        seconds = delay.clock() - began
        delay.wait()
        if any(_works(probe) for _ in range(REFUSALS)):
            return Part(what=what, failure="it works again")
    except (BotoCoreError, ClientError) as error:
        return Part(what=what, failure=text_of(error), unproven=True)
    return Part(what=f"{what} after {seconds:.1f} s")


def _works(probe: Probe) -> bool:
    """Return whether a call works; an error that is no refusal is raised."""
    try:
        probe.call()
    except ClientError as error:
        if error_code(error) not in probe.codes:
            raise
        return False
    return True
