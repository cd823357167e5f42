"""What a proof consists of: the case to prove, checks, and their results."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretStr

from components.iam import Side
from tools.aws.callers import Caller, SignInError, administrator, clock_skew, key_caller, sign_in
from tools.aws.errors import NO_SUCH_ENTITY, REFUSED, UNKNOWN_KEY, error_code, error_text
from tools.aws.keys import AccessKey
from tools.aws.propagation import Delay, Retries
from tools.console import StackError
from tools.stack import Kind, Outputs

SESSION_NAME = "verify"  # what CloudTrail shows for the role's sessions of a proof
REFUSALS = 3  # one refusal may come from a server that a change has not reached
REFUSAL_PAUSE_SECONDS = 0.5
STATE = "state"  # the row that says what is under way
EMULATED_PARTITION = "aws"


class OtherPartyError(Exception):
    """The other party makes this half, so nobody here signs in to its account."""


class Verdict(StrEnum):
    """What a check came to."""

    PROVEN = "proven"
    DISPROVEN = "disproven"
    UNKNOWN = "could not tell"
    WARNING = "warning"  # worth knowing; does not make the whole fail
    NOT_CHECKED = "not checked"  # does not make the whole fail


@dataclass(frozen=True)
class Finding:
    """What one check observed, and what that means."""

    verdict: Verdict
    observed: str
    advice: str = ""  # what is wrong and what to do; a command stands on a line of its own
    _: KW_ONLY
    needs_person: bool = False  # unknown only because the owner of a PGP key or an MFA device has to help


proven = partial(Finding, Verdict.PROVEN)
disproven = partial(Finding, Verdict.DISPROVEN)
unknown = partial(Finding, Verdict.UNKNOWN)
warning = partial(Finding, Verdict.WARNING)
not_checked = partial(Finding, Verdict.NOT_CHECKED)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report."""

    id: str
    check: str
    expected: str
    observed: str
    seconds: float
    verdict: Verdict
    advice: str = ""
    needs_person: bool = False


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
    """What to prove, and what the run has gained so far."""

    stack: str
    outputs: Outputs
    config: Mapping[str, Any]  # says how to sign in, and which keys are declared
    retries: Retries
    delay: Delay = field(default_factory=Delay)
    secrets: dict[str, SecretStr] = field(default_factory=dict[str, SecretStr])  # by key label, those at hand
    keys: list[AccessKey] = field(default_factory=list[AccessKey])  # the user's, as the account lists them
    mfa: Mfa | None = None
    write: bool = False
    under_way: str = ""  # what changes the relationship just now; then nothing may be put back
    granted: Granted | None = None  # once the role has been assumed
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # for several rows
    _administrators: dict[Side, Caller | SignInError] = field(default_factory=dict[Side, Caller | SignInError])
    _holders: dict[str, Caller] = field(default_factory=dict[str, Caller])

    def forget(self) -> None:
        """Forget AWS's answers, so that the next check asks again."""
        self.keys, self.granted, self.answers = [], None, {}

    @property
    def current_label(self) -> str | None:
        """The label of the key that is handed over: the last active one."""
        return next((key.label for key in self.stack_keys if key.id == self.outputs.access_key_id), None)

    @property
    def stack_keys(self) -> list[AccessKey]:
        """The stack's own keys, with what the account says of them once it was queried."""
        return [key for key in self.keys or self.outputs.access_keys.values() if key.label is not None]

    @property
    def put_back(self) -> str:
        """How to undo a change that was made since the deployment."""
        if self.under_way:
            return f"See the row on the {STATE} first: nothing may be put back meanwhile."
        return f"Put it back:\n  make up STACK={self.stack} ARGS=--refresh"

    @property
    def other_partition(self) -> str:
        """The partition of the accounts, where they are emulated and the emulator does not have it; else nothing."""
        terms = self.outputs.terms
        return terms.partition if terms.endpoint and terms.partition != EMULATED_PARTITION else ""

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
        """Return who calls with the given credentials, in the region of an account, and of STS as the profile does."""
        terms = self.outputs.terms
        region = terms.trusting_region if side == "trusting" else terms.trusted_region
        return key_caller(key_id, secret, token=token, region=region, endpoint=terms.endpoint, sts=terms.sts_region)

    def assume_role(self, caller: Caller, *, mfa: bool = True, **changed: object) -> Mapping[str, Any]:
        """Call AssumeRole once, as the stack's terms say, and return AWS's answer.

        Args:
            caller: who calls.
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
        """Return the IAM of the account of the role or the user, as its administrator sees it."""
        return self.administrator("trusting" if kind == "role" else "trusted").client("iam")

    def administrator(self, side: Side, *, checked: bool = True) -> Caller:
        """Return who administers one of the accounts.

        Raises:
            SignInError: there are no credentials for that.
            OtherPartyError: this stack has no half in that account.
        """
        if side == self.outputs.terms.unmanaged:
            raise OtherPartyError
        if side not in self._administrators:
            try:
                self._administrators[side] = administrator(side, sign_in(self.outputs, self.config), checked=checked)
            except SignInError as error:
                self._administrators[side] = error
        caller = self._administrators[side]
        if isinstance(caller, SignInError):
            raise caller
        return caller


@dataclass(frozen=True)
class Check:
    """One thing to prove."""

    name: str
    expected: str
    run: Callable[[Case], Finding]
    _: KW_ONLY
    needs: tuple[str, ...] = ()  # names of the checks that must hold before
    advice: str = ""  # what to do when AWS refuses what must work
    refuses: bool = False  # proves that something does not work
    writes: bool = False  # creates something temporary, so it runs only when its answer is final
    known_as: str = ""  # the id, where it is not made from the name

    @property
    def id(self) -> str:
        """What scripts know the check by. A check that gets another name keeps the former id, as ``known_as``."""
        return self.known_as or re.sub(r"[^\w:.]+", "-", self.name.replace("'", "")).replace(":-", ":")


def as_deployed(differences: Sequence[str]) -> Finding:
    """Return the finding that all is as deployed, or what differs."""
    return disproven("; ".join(differences)) if differences else proven("as deployed")


def as_administrator(case: Case, *, read: Callable[[Case], Finding]) -> Finding:
    """Return what an administrator's calls observed. Missing rights say nothing about the relationship."""
    try:
        return read(case)
    except OtherPartyError:
        return not_checked("the other party's account", "They prove their half: make verify, in their stack.")
    except ClientError as error:
        if error_code(error) == NO_SUCH_ENTITY:
            return disproven(error_text(error))
        if error_code(error) in REFUSED:
            return not_checked(
                f"not tried: {error_text(error)}",
                "The credentials of trusting.profile and trusted.profile need the right to do this.",
            )
        raise


def no_partition(case: Case) -> Finding:
    """Return the finding that an emulator cannot show what stands in another partition than its own."""
    return not_checked(
        f"the emulator has no partition {case.other_partition}", "Only real AWS shows what stands in its ARNs."
    )


def overall(rows: Sequence[Row]) -> Verdict:
    """Return the verdict of all rows together: disproven outweighs unknown."""
    verdicts = {row.verdict for row in rows}
    return next((bad for bad in (Verdict.DISPROVEN, Verdict.UNKNOWN) if bad in verdicts), Verdict.PROVEN)


def needs_only_a_person(rows: Sequence[Row]) -> bool:
    """Return whether some checks could not tell, and all of them need the owner of a PGP key or an MFA device."""
    return overall(rows) is Verdict.UNKNOWN and all(row.needs_person for row in rows if row.verdict is Verdict.UNKNOWN)


def refused(case: Case, call: Callable[[], object], *, advice: str = "", codes: frozenset[str] = REFUSED) -> Finding:
    """Return whether AWS refuses a call each of several times; only one of the codes counts as a refusal."""
    for attempt in range(REFUSALS):
        if attempt and not case.outputs.terms.endpoint:
            case.retries.sleep(REFUSAL_PAUSE_SECONDS)
        try:
            # A service that a new key has not reached knows neither whom nor what to refuse.
            case.retries.call("a refusal", call, codes=UNKNOWN_KEY - codes)
        except ClientError as error:
            if error_code(error) not in codes or clock_skew(error):
                return could_not_tell(error)
        else:
            return disproven("allowed" if attempt == 0 else f"allowed after {attempt} refusals", advice)
    return proven(f"refused {REFUSALS} times")


def could_not_tell(error: ClientError) -> Finding:
    """Return the finding that AWS answered with an error that proves nothing."""
    if skew := clock_skew(error):
        return unknown(f"{error_code(error)}: {skew}", "AWS refuses what it signs. Set the clock, then try again.")
    return unknown(error_text(error), "AWS neither did it nor refused it. Try again; if it stays, see what AWS says.")
