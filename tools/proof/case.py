"""What a proof is made of: the case that is to be proven, checks, and what each comes to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretStr

from components.iam import Side
from tools.callers import Caller, administrator, key_caller, sign_in
from tools.error_codes import REFUSED, UNKNOWN_KEY, error_code, error_text
from tools.errors import StackError
from tools.keys import AccessKey
from tools.propagation import Patience, Window
from tools.stack import Kind, Outputs

SESSION_NAME = "verify"  # what CloudTrail shows for the role's sessions of a proof
REFUSALS = 3  # one refusal may come from a server that has not heard the news yet


class Verdict(StrEnum):
    """What a check came to."""

    PROVEN = "proven"
    DISPROVEN = "disproven"
    UNKNOWN = "could not tell"
    WARNING = "warning"  # worth knowing; does not make the whole fail
    NOT_CHECKED = "not checked"  # needs something that is not at hand; does not make the whole fail


@dataclass(frozen=True)
class Finding:
    """What one check observed, and what that means."""

    verdict: Verdict
    observed: str
    advice: str = ""  # what is wrong and what to do; empty when proven, or where the check's own is to be shown


proven = partial(Finding, Verdict.PROVEN)
disproven = partial(Finding, Verdict.DISPROVEN)
unknown = partial(Finding, Verdict.UNKNOWN)
warning = partial(Finding, Verdict.WARNING)
not_checked = partial(Finding, Verdict.NOT_CHECKED)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report."""

    check: str
    expected: str
    observed: str
    seconds: float
    verdict: Verdict
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Granted:
    """A session of the role."""

    caller: Caller
    seconds: float  # how long AWS lets it last


@dataclass(frozen=True, kw_only=True)
class Mfa:
    """The user's MFA device and the code it shows now; AWS takes each code once."""

    serial: str
    code: str


@dataclass(kw_only=True)
class Case:
    """What is to be proven, and what the run has gained so far."""

    stack: str
    outputs: Outputs
    config: Mapping[str, Any]  # says how to sign in, and nothing of what is to be proven
    patience: Patience
    window: Window = field(default_factory=Window)
    secrets: dict[str, SecretStr] = field(default_factory=dict[str, SecretStr])  # by key label, those at hand
    keys: list[AccessKey] = field(default_factory=list[AccessKey])  # the user's, once the account was asked
    mfa: Mfa | None = None
    write: bool = False
    granted: Granted | None = None  # once the role has been assumed
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # for several rows
    _administrators: dict[Side, Caller | StackError] = field(default_factory=dict[Side, Caller | StackError])
    _holders: dict[str, Caller] = field(default_factory=dict[str, Caller])

    def forget(self) -> None:
        """Forget what AWS answered so far, so that it is asked anew; who calls stays known."""
        self.keys, self.granted, self.answers = [], None, {}

    @property
    def current_label(self) -> str | None:
        """The label of the key that is handed over: the last active one."""
        return next((key.label for key in self.stack_keys if key.id == self.outputs.access_key_id), None)

    @property
    def stack_keys(self) -> list[AccessKey]:
        """The stack's own keys; what only the account knows of them, as far as it was asked."""
        return [key for key in self.keys or self.outputs.access_keys.values() if key.label is not None]

    @property
    def put_back(self) -> str:
        """How to undo what somebody changed since the deployment."""
        return f"Put it back: make up STACK={self.stack} ARGS=--refresh"

    @property
    def deploy_again(self) -> str:
        """What to do where the outputs of an earlier version do not say what was deployed."""
        return f"The last deployment did not record what it should be. Deploy again: make up STACK={self.stack}"

    def holder(self, label: str) -> Caller:
        """Return who calls with the key of that label, whose secret is at hand."""
        if label not in self._holders:
            key_id, secret = self.outputs.access_keys[label].id, self.secrets[label].get_secret_value()
            self._holders[label] = self.caller(key_id, secret, side="trusted")
        return self._holders[label]

    def current_holder(self) -> Caller:
        """Return who calls with the key that is handed over; only for checks that need the row about that key."""
        return self.holder(self.current_label or "")

    def role(self) -> Caller:
        """Return who calls as the role; only for checks that need the row about assuming it."""
        if self.granted is None:
            raise StackError("The role has not been assumed.")
        return self.granted.caller

    def caller(self, key_id: str, secret: str, *, side: Side, token: str | None = None) -> Caller:
        """Return who calls with the given credentials, in the region of one of the accounts."""
        terms = self.outputs.terms
        region = terms.trusting_region if side == "trusting" else terms.trusted_region
        return key_caller(key_id, secret, token=token, region=region, endpoint=terms.endpoint)

    def assume_role(self, caller: Caller, *, mfa: bool = True, **changed: object) -> Mapping[str, Any]:
        """Call AssumeRole, once, as the stack asks for it, and return AWS's answer.

        Args:
            caller: who wants to get in.
            mfa: whether to send the MFA code, if there is one.
            changed: what to send instead, by AWS's names, as ``ExternalId``; ``None`` sends none.
        """
        terms = self.outputs.terms
        sent = {"RoleArn": self.outputs.role_arn, "RoleSessionName": SESSION_NAME, "ExternalId": terms.external_id}
        if mfa and self.mfa:
            sent |= {"SerialNumber": self.mfa.serial, "TokenCode": self.mfa.code}
        wanted = {name: value for name, value in {**sent, **changed}.items() if value is not None}
        return caller.client("sts").assume_role(**wanted)

    def in_session(self, answer: Mapping[str, Any]) -> Caller:
        """Return who calls with the session of the role that AssumeRole answered with."""
        key = answer["Credentials"]
        return self.caller(key["AccessKeyId"], key["SecretAccessKey"], token=key["SessionToken"], side="trusting")

    def iam(self, kind: Kind) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return the IAM of the account of the role or the user, as its administrator sees it.

        Raises:
            StackError: there are no credentials for that.
        """
        return self.administrator("trusting" if kind == "role" else "trusted").client("iam")

    def administrator(self, side: Side) -> Caller:
        """Return who administers one of the accounts.

        Raises:
            StackError: there are no credentials for that.
        """
        if side not in self._administrators:
            try:
                self._administrators[side] = administrator(side, sign_in(self.outputs, self.config))
            except StackError as error:
                self._administrators[side] = error
        caller = self._administrators[side]
        if isinstance(caller, StackError):
            raise caller
        return caller


@dataclass(frozen=True)
class Check:
    """One thing to prove."""

    name: str
    expected: str
    run: Callable[[Case], Finding]
    _: KW_ONLY
    needs: tuple[str, ...] = ()  # names of the checks that must have proven theirs
    advice: str = ""  # what to do when it is refused though it should not be
    writes: bool = False  # makes something for a moment, so it is run when its answer is final and not before


def as_deployed(faults: Sequence[str]) -> Finding:
    """Return the finding that all is as deployed, or what is not."""
    return disproven("; ".join(faults)) if faults else proven("as deployed")


def overall(rows: Sequence[Row]) -> Verdict:
    """Return what all rows together say: one that is disproven outweighs any that could not be told."""
    verdicts = {row.verdict for row in rows}
    return next((bad for bad in (Verdict.DISPROVEN, Verdict.UNKNOWN) if bad in verdicts), Verdict.PROVEN)


def refused(case: Case, call: Callable[[], object], *, advice: str = "", codes: frozenset[str] = REFUSED) -> Finding:
    """Return whether AWS refuses a call, every time of several; only a refusal in so many words counts.

    Args:
        case: says how long to pause in between.
        call: what must be refused.
        advice: what to do where it is allowed; without, the check's own is shown.
        codes: the error codes that count as a refusal.
    """
    for attempt in range(REFUSALS):
        if attempt:
            case.patience.sleep(case.patience.refusal_pause)
        try:
            # A service that has not heard of a new key yet knows neither whom nor what to refuse.
            case.patience.insist("a refusal", call, codes=UNKNOWN_KEY - codes)
        except ClientError as error:
            if error_code(error) not in codes:
                return unknown(
                    error_text(error),
                    "This is not how AWS says no, so it proves nothing. Try again; if it stays, see what it says.",
                )
        else:
            return disproven("allowed" if attempt == 0 else f"allowed after {attempt} refusals", advice)
    return proven(f"refused {REFUSALS} times")
