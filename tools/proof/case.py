"""What a proof consists of: the case to prove, and checks."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretStr

from components.iam import Side
from tools.aws.callers import CREDENTIALS, Caller, SignInError, administrator, clock_skew, key_caller, sign_in
from tools.aws.errors import REFUSED, UNKNOWN_KEY, error_code, error_text
from tools.aws.keys import AccessKey
from tools.aws.propagation import Delay
from tools.console import StackError
from tools.proof.report import Row, disproven, proven, unknown
from tools.stack import Kind, Outputs

SESSION_NAME = "verify"  # what CloudTrail shows for the role's sessions of a proof
REFUSALS = 3  # one refusal may come from a server that a change has not reached
REFUSAL_PAUSE_SECONDS = 0.5
STATE = "state"  # the row that says what is under way


class OtherPartyError(Exception):
    """The other party makes this half, so nobody here signs in to its account."""


@dataclass(kw_only=True)
class Case:
    """What to prove, and what the run has gained so far."""

    stack: str
    outputs: Outputs
    config: Mapping[str, Any]  # says how to sign in, and which keys are declared
    delay: Delay
    secrets: dict[str, SecretStr] = field(default_factory=dict[str, SecretStr])  # by key label, those at hand
    mfa: Mapping[str, str] = field(default_factory=dict[str, str])  # as AssumeRole takes it; AWS takes a code once
    write: bool = False
    under_way: bool = False  # the relationship is being changed, so nothing may be put back
    keys: list[AccessKey] = field(default_factory=list[AccessKey])  # the user's, as the account lists them
    session: Caller | None = None  # of the role, once it has been assumed
    session_seconds: float = 0.0  # how long AWS lets it last
    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # for several rows
    callers: dict[str, Caller | SignInError] = field(default_factory=dict[str, Caller | SignInError])

    def forget(self) -> None:
        """Forget AWS's answers, so that the next check asks again."""
        self.keys, self.session, self.answers = [], None, {}

    @property
    def current_label(self) -> str:
        """The label of the key that is handed over, the last active one; empty without one."""
        keys = self.outputs.access_keys.items()
        return next((label for label, key in keys if key.id == self.outputs.access_key_id), "")

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
    def put_role_back(self) -> str:
        """How to undo a change of the role."""
        if "role" in self.outputs.managed:
            return self.put_back
        return f"The other party makes the role. Send them its settings:\n  make handover STACK={self.stack}"

    def holder(self, label: str) -> Caller:
        """Return the holder of the key of that label, whose secret is at hand."""
        key_id = self.outputs.access_keys[label].id
        return self._once(label, lambda: self.caller(key_id, self.secrets[label].get_secret_value(), side="trusted"))

    def current_holder(self) -> Caller:
        """Return the holder of the key that is handed over; only for checks that need the row about that key."""
        return self.holder(self.current_label)

    def role(self) -> Caller:
        """Return the caller in the role's session; only for checks that need the row about assuming it."""
        if self.session is None:
            raise StackError("The role has not been assumed.")
        return self.session

    def caller(self, key_id: str, secret: str, *, side: Side, token: str | None = None) -> Caller:
        """Return the caller with these credentials, in the region of an account, and of STS as the profile does."""
        terms = self.outputs.terms
        region = terms.trusting_region if side == "trusting" else terms.trusted_region
        return key_caller(key_id, secret, token=token, region=region, endpoint=terms.endpoint, sts=terms.sts_region)

    def assume_role(self, caller: Caller, **changed: object) -> Mapping[str, Any]:
        """Call AssumeRole once, as the stack's terms say, and return AWS's answer.

        Args:
            caller: the holder of a key.
            changed: what to send instead, by AWS's names, as ``ExternalId``; ``None`` sends none.
        """
        terms = self.outputs.terms
        sent = {"RoleArn": self.outputs.role_arn, "RoleSessionName": SESSION_NAME, "ExternalId": terms.external_id}
        wanted = {name: value for name, value in {**sent, **self.mfa, **changed}.items() if value is not None}
        return caller.client("sts").assume_role(**wanted)

    def in_session(self, answer: Mapping[str, Any]) -> Caller:
        """Return the caller in the session of the role that AssumeRole answered with."""
        key_id, secret, token = (answer["Credentials"][name] for name in CREDENTIALS)
        return self.caller(key_id, secret, token=token, side="trusting")

    def iam(self, kind: Kind) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return the IAM of the account of the role or the user, as its administrator sees it."""
        return self.administrator("trusting" if kind == "role" else "trusted").client("iam")

    def administrator(self, side: Side) -> Caller:
        """Return the administrator of one of the accounts.

        Raises:
            SignInError: there are no credentials for that.
            OtherPartyError: this stack has no half in that account.
        """
        if side == self.outputs.terms.unmanaged:
            raise OtherPartyError
        return self._once(f"{side} account", lambda: administrator(side, sign_in(self.outputs, self.config)))

    def _once(self, name: str, sign_in: Callable[[], Caller]) -> Caller:
        """Sign in once: it takes time, also where it fails."""
        if name not in self.callers:
            try:
                self.callers[name] = sign_in()
            except SignInError as error:
                self.callers[name] = error
        caller = self.callers[name]
        if isinstance(caller, SignInError):
            raise caller
        return caller


@dataclass(frozen=True)
class Check:
    """One thing to prove."""

    name: str
    expected: str
    run: Callable[[Case], Row]
    _: KW_ONLY
    needs: tuple[str, ...] = ()  # names of the checks that must hold before
    advice: str = ""  # what to do when AWS refuses what must work
    administers: bool = False  # calls as an administrator, whose missing rights say nothing about the relationship
    refuses: bool = False  # proves that something does not work
    writes: bool = False  # creates something temporary, so it runs only when its answer is final

    @property
    def id(self) -> str:
        """What scripts know the check by."""
        return re.sub(r"[^\w:.]+", "-", self.name.replace("'", "")).replace(":-", ":")


def as_deployed(differences: Sequence[str]) -> Row:
    """Return that all is as deployed, or what differs."""
    return disproven("; ".join(differences)) if differences else proven("as deployed")


def refused(case: Case, call: Callable[[], object], *, advice: str = "", codes: frozenset[str] = REFUSED) -> Row:
    """Return whether AWS refuses a call each of several times; only one of the codes counts as a refusal."""
    for attempt in range(REFUSALS):
        if attempt and not case.outputs.terms.endpoint:
            case.delay.sleep(REFUSAL_PAUSE_SECONDS)
        try:
            # A service that a new key has not reached knows neither whom nor what to refuse.
            case.delay.retry("a refusal", call, codes=UNKNOWN_KEY - codes)
        except ClientError as error:
            if error_code(error) not in codes or clock_skew(error):
                return could_not_tell(error)
        else:
            return disproven("allowed" if attempt == 0 else f"allowed after {attempt} refusals", advice)
    return proven(f"refused {REFUSALS} times")


def could_not_tell(error: ClientError) -> Row:
    """Return that AWS answered with an error that proves nothing."""
    if skew := clock_skew(error):
        return unknown(f"{error_code(error)}: {skew}", "AWS refuses what it signs. Set the clock, then try again.")
    return unknown(error_text(error), "AWS neither did it nor refused it. Try again; if it stays, see what AWS says.")
