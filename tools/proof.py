"""What a proof is made of: checks, what they found, who calls AWS, and how long to wait for its news to spread."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004
from botocore.parsers import ResponseParserError
from pydantic import SecretStr

from tools.aws import administrator_session, client_config, key_session
from tools.stack import Outputs, StackError

Result = TypeVar("Result")
Side = Literal["trusting", "trusted"]

# How AWS services say "you may not". Anything else (time-outs, throttling, garbage) is no refusal and proves nothing.
REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",  # SNS
        "AuthorizationErrorException",
        "UnauthorizedOperation",  # EC2
        "UnauthorizedAccess",
    }
)
# How they say "I do not know this key": it is inactive, deleted, or so new that they have not heard of it.
UNKNOWN_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "AuthFailure"})
WRONG_SECRET = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
# IAM is eventually consistent, so both may only mean "not yet":
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
MAY_SPREAD = REFUSED | UNKNOWN_KEY
MFA_FAILED = "MultiFactorAuthentication failed"  # part of AWS's message; the same code will not get better by waiting

SPREADING_SECONDS = 90.0  # a new key or policy usually spreads within 15 s, seldom within 60
EMULATOR_SPREADING_SECONDS = 8.0  # an emulator has nowhere to spread to; a wait only delays the bad news
REFUSALS = 3  # one refusal may come from a server that has not heard the news yet
REFUSAL_PAUSE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# An emulator on this machine answers in milliseconds, or hangs: then nobody should wait a minute to hear of it.
EMULATOR_PATIENCE = Config(read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
UNREACHABLE = (HTTPClientError, ConnectionError)


class Verdict(StrEnum):
    """What a check came to."""

    PROVEN = "proven"
    DISPROVEN = "disproven"
    UNKNOWN = "could not tell"
    WARNING = "warning"  # worth knowing; does not make the whole fail
    NOT_CHECKED = "not checked"  # needs something that is not at hand; does not make the whole fail


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    verdict: Verdict
    observed: str
    advice: str = ""  # what is wrong and what to do; empty when proven


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report."""

    check: str
    expected: str
    observed: str
    seconds: float
    verdict: Verdict
    advice: str = ""


def spreading_seconds(endpoint: str | None) -> float:
    """Return how long the news of a change may take to be known everywhere, on AWS or on an emulator."""
    return EMULATOR_SPREADING_SECONDS if endpoint else SPREADING_SECONDS


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the positive checks go on asking, all of them together."""

    seconds: float
    tell: Callable[[str], None]  # shows the person who waits what for
    refusal_pause: float = REFUSAL_PAUSE_SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    started: list[float] = field(default_factory=list[float])

    def insist(self, what: str, call: Callable[[], Result], *, codes: frozenset[str] = MAY_SPREAD) -> Result:
        """Return what ``call`` returns, asking again with growing pauses while AWS may not have heard the news yet.

        Args:
            what: names the call for the person who waits.
            call: what to do, again and again.
            codes: the error codes that may only mean "not yet".

        Raises:
            ClientError: it was still refused when the time was up, or it failed in a way that waiting does not mend.
        """
        if not self.started:
            self.started.append(self.clock())
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                left = self.started[0] + self.seconds - self.clock()
                if error_code(error) not in codes or MFA_FAILED in str(error) or left <= 0:
                    raise
                self.tell(f"{what}: {error_code(error)}. It may still be spreading; asking for {left:.0f} s more")
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True)
class Caller:
    """Somebody who calls AWS. Clients are made once per service: each costs a tenth of a second."""

    session: boto3.Session
    endpoint: str | None
    clients: dict[str, Any] = field(default_factory=dict[str, Any])

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """Return a client of a service, as ``sts``."""
        if service not in self.clients:
            config = client_config(endpoint=self.endpoint)
            if self.endpoint:
                config = config.merge(EMULATOR_PATIENCE)
            self.clients[service] = cast("Any", self.session).client(service, endpoint_url=self.endpoint, config=config)
        return self.clients[service]


@dataclass(frozen=True, kw_only=True)
class KeyFact:
    """What is known of one access key of the stack; ``None`` where nobody at hand may read it."""

    label: str
    id: str
    status: str
    created: datetime | None = None
    last_used: datetime | None = None

    def age_days(self, now: datetime) -> int | None:
        """Return the key's age in whole days."""
        return (now - self.created).days if self.created else None


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
    secrets: dict[str, SecretStr] = field(default_factory=dict[str, SecretStr])  # by key label, those at hand
    facts: dict[str, KeyFact] = field(default_factory=dict[str, KeyFact])  # by key label, as far as AWS told
    mfa: Mfa | None = None
    write: bool = False
    granted: Granted | None = None  # once the role has been assumed
    _administrators: dict[Side, Caller | StackError] = field(default_factory=dict[Side, Caller | StackError])
    _keys: dict[str, Caller] = field(default_factory=dict[str, Caller])

    @property
    def current_label(self) -> str | None:
        """The label of the key that is handed over: the last active one."""
        ids = {key.id: label for label, key in self.outputs.access_keys.items()}
        return ids.get(self.outputs.access_key_id or "")

    @property
    def put_back(self) -> str:
        """How to undo what somebody changed since the deployment."""
        return f"Put it back: make up STACK={self.stack} ARGS=--refresh"

    @property
    def deploy_again(self) -> str:
        """What to do where the outputs of an earlier version do not say what was deployed."""
        return f"The last deployment did not record what it should be. Deploy again: make up STACK={self.stack}"

    def key(self, label: str) -> Caller:
        """Return who calls with the key of that label, whose secret is at hand."""
        if label not in self._keys:
            self._keys[label] = self.caller(
                self.outputs.access_keys[label].id, self.secrets[label].get_secret_value(), side="trusted"
            )
        return self._keys[label]

    def current_key(self) -> Caller:
        """Return who calls with the key that is handed over; only for checks that need the row about that key."""
        return self.key(self.current_label or "")

    def session(self) -> Caller:
        """Return who calls as the role; only for checks that need the row about assuming it."""
        if self.granted is None:
            raise StackError("The role has not been assumed.")
        return self.granted.caller

    def caller(self, key_id: str, secret: str, *, side: Side, token: str | None = None) -> Caller:
        """Return who calls with the given credentials, in the region of one of the accounts."""
        terms = self.outputs.terms
        region = terms.trusting_region if side == "trusting" else terms.trusted_region
        return Caller(key_session(key_id, secret, region=region, session_token=token), terms.endpoint)

    def administrator(self, side: Side) -> Caller:
        """Return who administers one of the accounts.

        Raises:
            StackError: there are no credentials for that.
        """
        if side not in self._administrators:
            try:
                self._administrators[side] = Caller(
                    administrator_session(side, sign_in(self.outputs, self.config)), self.outputs.terms.endpoint
                )
            except StackError as error:
                self._administrators[side] = error
        found = self._administrators[side]
        if isinstance(found, StackError):
            raise found
        return found


def sign_in(outputs: Outputs, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how to sign in as the administrators of what is deployed, for ``administrator_session``.

    Only ``profile`` and ``assumeRoleArn`` are the configuration's: the rest of it may not have been deployed yet.
    """
    terms = outputs.terms
    accounts = {
        "trusting": {"accountId": outputs.trusting_account_id, "region": terms.trusting_region},
        "trusted": {"accountId": outputs.trusted_account_id, "region": terms.trusted_region},
    }
    return {"endpoint": terms.endpoint} | {
        side: (cast("dict[str, Any]", given) if isinstance(given := config.get(side), dict) else {}) | deployed
        for side, deployed in accounts.items()
    }


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to prove."""

    name: str
    expected: str
    run: Callable[[Case], Finding]
    needs: tuple[str, ...] = ()  # names of the checks that must have proven theirs
    advice: str = ""  # what to do when it is refused though it should not be


class LeftBehindError(Exception):
    """Something that a check made for a moment could not be removed; the message names it."""


def proven(observed: str) -> Finding:
    """Return the finding that all is as expected."""
    return Finding(verdict=Verdict.PROVEN, observed=observed)


def disproven(observed: str, advice: str = "") -> Finding:
    """Return the finding that something is wrong; without advice, the check's own is shown."""
    return Finding(verdict=Verdict.DISPROVEN, observed=observed, advice=advice)


def not_checked(observed: str, advice: str) -> Finding:
    """Return the finding that there was nothing to check it with."""
    return Finding(verdict=Verdict.NOT_CHECKED, observed=observed, advice=advice)


def unknown(observed: str, advice: str) -> Finding:
    """Return the finding that it should have been checked and could not be."""
    return Finding(verdict=Verdict.UNKNOWN, observed=observed, advice=advice)


def error_code(error: ClientError) -> str:
    """Return AWS's error code, as ``AccessDenied``."""
    return str(error.response.get("Error", {}).get("Code", "no code"))


def error_message(error: ClientError) -> str:
    """Return AWS's own words."""
    return str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")


def refused(case: Case, call: Callable[[], object], *, advice: str, codes: frozenset[str] = REFUSED) -> Finding:
    """Return whether AWS refuses a call, every time of several; only a refusal in so many words counts.

    Args:
        case: says how long to pause in between.
        call: what must be refused.
        advice: what to do where it is allowed.
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
                    f"{error_code(error)}: {error_message(error)}",
                    "This is not how AWS says no, so it proves nothing. Try again; if it stays, see what it says.",
                )
        else:
            return disproven("allowed" if attempt == 0 else f"allowed after {attempt} refusals", advice)
    return proven(f"refused {REFUSALS} times")


def run(check: Check, case: Case) -> Row:
    """Return the row of one check. Whatever AWS or the network answers becomes a finding, never a stack trace.

    Raises:
        Unreachable errors of botocore: nothing answered; the caller knows whether anything ever did.
    """
    start = time.monotonic()
    finding = _finding(check, case)
    return _row(check, finding, time.monotonic() - start)


def skipped(check: Check, observed: str, advice: str, seconds: float = 0.0) -> Row:
    """Return the row of a check that could not be run and should have been."""
    return _row(check, unknown(observed, advice), seconds)


def _row(check: Check, finding: Finding, seconds: float) -> Row:
    advice = finding.advice or ("" if finding.verdict is Verdict.PROVEN else check.advice)
    return Row(
        check=check.name,
        expected=check.expected,
        observed=finding.observed,
        seconds=round(seconds, 2),
        verdict=finding.verdict,
        advice=advice,
    )


def _finding(check: Check, case: Case) -> Finding:
    try:
        return check.run(case)
    except ClientError as error:
        observed = f"{error_code(error)}: {error_message(error)}"
        if error_code(error) in MAY_SPREAD | WRONG_SECRET:
            return disproven(observed)
        return unknown(observed, "AWS neither did it nor refused it. Try again; if it stays, see what it says.")
    except StackError as error:
        return not_checked("not checked", str(error))
    except LeftBehindError as error:
        return unknown("something is left behind", str(error))
    except ResponseParserError:
        return unknown("not an answer of AWS", _who_answers(case))
    except UNREACHABLE:
        raise
    except BotoCoreError as error:
        return unknown(f"{error}", "This is a matter of this machine's AWS settings: see ~/.aws/config and AWS_*.")


def _who_answers(case: Case) -> str:
    endpoint = case.outputs.terms.endpoint
    where = f"at {endpoint}" if endpoint else "between this machine and AWS"
    return f"Something {where} answers that is not AWS. Find out what it is, then try again."
