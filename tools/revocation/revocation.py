"""What a revocation does in both accounts and the stack's file, side by side: what fails on one side stops no other."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait as wait_for
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from components.iam.documents import deny_older_sessions
from tools.aws.callers import Caller, account_by_sts, administrator, aws_time, beside, sign_in, text_of
from tools.aws.keys import read_keys
from tools.aws.policies import REVOCATION, has_password, holder
from tools.aws.propagation import Delay
from tools.console import FailedError, say
from tools.proof.case import Case
from tools.revocation.probes import probes, refused_now
from tools.stack import KINDS, Kind, declare_keys, declared_keys

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Act: TypeAlias = Callable[[], str | None]

PROBE_SECONDS = 2.0  # how long the acts wait, at most, for a session to begin that is tried afterwards
ACT_SECONDS = 90.0  # for all acts together: a sign-in or AWS may hang


class Revocation:
    """The acts of one revocation, each of which says how it ended as soon as it has."""

    def __init__(self, case: Case) -> None:
        """Begin what AWS must refuse afterwards."""
        self.case, self.failed = case, False
        self._probing = beside(partial(probes, case))
        self._closed = threading.Event()  # the keys are inactive, or cannot be made so

    def revoke(self) -> None:
        """Act on both accounts and on the stack's file side by side."""
        acts: dict[str, Act] = {}
        if "user" in self.case.outputs.managed:
            acts["everything in the trusted account"] = self._in_trusted_account
            acts["accessKeys of the stack's file"] = self._in_file
        else:
            self._closed.set()
        if "role" in self.case.outputs.managed:
            acts["everything in the trusting account"] = self._in_trusting_account
        self._side_by_side(acts, ACT_SECONDS)

    def try_probes(self, delay: Delay) -> None:
        """Say whether AWS refuses each probe, in bounded time."""
        self._wait_for_probes()
        if not self._probing.done():
            self._failure("what worked before is refused", "AWS did not answer in time", unproven=True)
            return
        acts = {f"{probe.what} is refused": partial(refused_now, probe, delay) for probe in self._probing.result()}
        self._side_by_side(acts, delay.timeout + delay.left + ACT_SECONDS, trial=True)

    def _wait_for_probes(self) -> None:
        wait_for([self._probing], PROBE_SECONDS)

    def _attempt(self, what: str, act: Act, *, trial: bool = False) -> None:
        """Do one thing, and say how it ended; no error of one act may stop another.

        Args:
            what: what is shown to be done or to have failed.
            act: does it, and returns other words for that; None where its parts have said how they ended.
            trial: whether only a ``FailedError`` is a failure: any other error proves nothing.
        """
        try:
            done = act()
        except Exception as error:  # noqa: BLE001 - as above
            self._failure(what, text_of(error), unproven=trial and not isinstance(error, FailedError))
        else:
            if done is not None:
                say(f"done     {done}")

    def _failure(self, what: str, reason: str, *, unproven: bool = False) -> None:
        self.failed = self.failed or not unproven
        say(f"{'UNPROVEN' if unproven else 'FAILED':8} {what}: {reason}")

    def _side_by_side(self, acts: Mapping[str, Act], seconds: float, *, trial: bool = False) -> None:
        running = {what: beside(partial(self._attempt, what, act, trial=trial)) for what, act in acts.items()}
        wait_for(running.values(), seconds)
        for what, future in running.items():
            if not future.done():
                self._failure(what, f"it did not end within {seconds:.0f} s", unproven=trial)

    def _in_file(self) -> str:
        stack = self.case.stack
        declare_keys(stack, dict.fromkeys(declared_keys(self.case.config), "Inactive"))
        return f"accessKeys of stack {stack} says Inactive, so that no `pulumi up` opens them again"

    def _in_trusted_account(self) -> None:
        """Make every key of the user inactive, known to the stack or not; then refuse the user's own sessions.

        Such a session, from ``GetSessionToken``, outlives its key by up to 36 hours, and could begin a new session of
        the role, which the role's own refusal of older ones lets through.
        """
        user = self.case.outputs.user_name
        try:
            iam = _iam(self.case, "user")
            self._wait_for_probes()
            self._attempt(f"every key of user {user} is inactive", partial(self._close_keys, iam))
            self._closed.set()
            self._attempt("sessions of the user are refused", partial(_refuse_sessions, iam, "user", user))
            self._attempt(f"user {user} has no console password", partial(_no_password, iam, self.case))
            self._attempt(f"AWS lists no active key of user {user}", partial(_none_active, iam, user))
        finally:
            self._closed.set()

    def _close_keys(self, iam: "IAMClient") -> None:
        user = self.case.outputs.user_name
        for key in read_keys(iam, user, with_use=False):
            what = f"{key} of user {user} is inactive"
            self._attempt(what, partial(_close_key, iam, user, key.id, what))

    def _in_trusting_account(self) -> None:
        """Refuse the role's sessions, and once more for one that began before the keys were inactive."""
        iam, role = _iam(self.case, "role"), self.case.outputs.role_name
        refuse = partial(
            self._attempt, f"sessions of role {role} are refused", partial(_refuse_sessions, iam, "role", role)
        )
        self._wait_for_probes()
        refuse()
        self._closed.wait(ACT_SECONDS / 2)
        refuse()


def _iam(case: Case, kind: Kind) -> "IAMClient":
    """Return the IAM of one account, after IAM or STS showed that it is the right one. STS may be what hangs."""

    def account_of(caller: Caller) -> str:
        try:
            answer = getattr(caller.client("iam"), f"get_{kind}")(**holder(kind, case.outputs.name_of(kind)))
            return answer[kind.title()]["Arn"].split(":")[4]
        except (BotoCoreError, ClientError):
            return account_by_sts(caller)

    return administrator(KINDS[kind], sign_in(case.outputs, case.config), account_of).client("iam")


def _close_key(iam: "IAMClient", user: str, key_id: str, what: str) -> str:
    iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    return what


def _none_active(iam: "IAMClient", user: str) -> str:
    """List the keys once more, for one that was created meanwhile or that AWS still lists as active."""
    active = [key.id for key in read_keys(iam, user, with_use=False) if key.actual == "Active"]
    if active:
        raise FailedError(f"{', '.join(active)} is still active")
    return f"AWS lists no active key of user {user}"


def _refuse_sessions(iam: "IAMClient", kind: Kind, name: str) -> str:
    """Deny everything to the sessions of a role or a user that began before now, by AWS's clock.

    If this machine's were behind, sessions would get through; if ahead, AWS would refuse new ones. AWS notes in whole
    seconds when a session began, so the next full one counts.
    """
    who = holder(kind, name)
    now = aws_now(partial(getattr(iam, f"get_{kind}"), **who))
    before = now.replace(microsecond=0) + timedelta(seconds=1)
    document = json.dumps(deny_older_sessions(before))
    getattr(iam, f"put_{kind}_policy")(**who, PolicyName=REVOCATION, PolicyDocument=document)
    return f"sessions of {kind} {name} that began before {before:%H:%M:%S} UTC are refused"


def aws_now(call: Callable[[], Mapping[str, Any]]) -> datetime:
    """Return the time that AWS states in its answer to a call, or where it states none, this machine's."""
    try:
        stated = aws_time(call())
    except ClientError as error:
        stated = aws_time(error.response)
    return stated or datetime.now(UTC)


def _no_password(iam: "IAMClient", case: Case) -> str:
    """Say whether the user has a console password: a new sign-in is a new session.

    The stack never creates a password. This tool does not delete one that was created outside the stack.
    """
    user = case.outputs.user_name
    if has_password(iam, user):
        raise FailedError(
            "it has one, and a person with it can sign in anew and assume the role. It is not this stack's, so it "
            f"stays. Remove it now: aws iam delete-login-profile --user-name {user}, in the trusted account "
            f"{case.outputs.trusted_account_id}"
        )
    return f"user {user} has no console password"
