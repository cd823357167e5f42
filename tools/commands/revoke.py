"""`revoke`: in an emergency, stop every key of the user and every session that began before now.

It calls AWS itself, without ``pulumi up``. Each account and the stack's file are independent of each other: what fails
on one side stops no other.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

import argparse
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from components.iam.documents import deny_older_sessions
from tools.aws.callers import aws_time, beside, sign_in, sign_in_error, text_of
from tools.aws.keys import read_keys
from tools.aws.policies import REVOCATION, has_password, holder
from tools.aws.propagation import Delay, Retries, propagation_seconds
from tools.console import Exit, FailedError, StackError, agreed, say
from tools.proof.case import Case
from tools.revocation.probes import Part, Probe, Probes, probes, refused_now
from tools.stack import Kind, Outputs, declare_keys, declared_keys, read_stack

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

    from components.iam import Side

PROBE_SECONDS = 2.0  # how long the acts wait, at most, for a session to begin that is tried afterwards
ACT_SECONDS = 90.0  # for all acts together: a sign-in or AWS may hang
BY_HAND = (
    "Until that is corrected, revoke by hand. In the trusted account: aws iam list-access-keys --user-name USER, then "
    "for each: aws iam update-access-key --user-name USER --access-key-id ID --status Inactive. In the trusting "
    "account: the role's page in the IAM console, Revoke sessions."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def run(options: argparse.Namespace) -> Exit:
    """Ask, revoke, prove it, and say what is left to do."""
    try:
        outputs, config = read_stack(options.stack)
    except Exception as error:  # noqa: BLE001 - whatever it is, the person has to act by hand
        raise StackError(f"{text_of(error)}\n{BY_HAND}") from None
    ends = {"user": f"every key of {outputs.user_arn}", "role": f"every session of {outputs.role_arn}"}
    question = f"This ends now: {' and '.join(ends[kind] for kind in outputs.managed)}. Revoke?"
    try:
        sure = agreed(question, yes=options.yes)
    except KeyboardInterrupt:
        sure = False
    if not sure:
        say("Nothing was revoked.")
        return Exit.CANNOT_TELL
    seconds = propagation_seconds(outputs.terms.endpoint)
    case = Case(stack=options.stack, outputs=outputs, config=config, retries=Retries(seconds=0.0, report=say))
    probing = beside(partial(probes, case))
    failed = _report(revoke(case, probing))
    # Where something failed, what worked may well go on working.
    retries = Retries(seconds=0.0 if failed else seconds, report=say)
    delay = Delay(seconds=retries.seconds)
    delay.changed(delay.today())
    long = f", for the {delay.seconds:.0f} s that a change may take to propagate in AWS" if delay.left else ""
    say(first_thing(options.stack) if "user" in outputs.managed else "", f"Trying what worked before{long} ...")
    failed |= _report(_tried(probing, retries, delay))
    say(what_is_left(options.stack, outputs))
    if failed:
        raise FailedError(f"Not everything is revoked: see FAILED above, then run this again. {BY_HAND}")
    return Exit.DONE


def _report(parts: Iterator[Part]) -> bool:
    """Show each part as soon as it is there, and return whether one failed."""
    failed = False
    for part in parts:
        failed = failed or bool(part.failure and not part.unproven)
        say(str(part))
    return failed


def _tried(probing: Future[Probes], retries: Retries, delay: Delay) -> Iterator[Part]:
    """Yield whether AWS refuses each probe, in bounded time."""
    wait_for([probing], PROBE_SECONDS)
    if not probing.done() or probing.exception():
        yield Part(what="what worked before is refused", failure="AWS did not answer in time", unproven=True)
        return
    found = probing.result()
    running: dict[Probe, Future[Part]] = {
        probe: beside(partial(refused_now, probe, retries, delay)) for probe in found.ready
    }
    wait_for(running.values(), retries.seconds + delay.left + ACT_SECONDS)
    for probe, future in running.items():
        unanswered = Part(what=f"{probe.what} is refused", failure="AWS did not answer in time", unproven=True)
        yield future.result() if future.done() else unanswered
    yield from found.unproven


def revoke(case: Case, probing: Future[Probes]) -> Iterator[Part]:
    """Act on both accounts and on the stack's file side by side, and yield each part as soon as it is done."""
    reports: queue.Queue[Part | None] = queue.Queue()
    closed = threading.Event()
    acts: dict[str, Callable[[], Iterator[Part]]] = {}
    if "user" in case.outputs.managed:
        acts["everything in the trusted account"] = partial(_in_trusted_account, case, closed, probing)
        acts["accessKeys of the stack's file"] = partial(_in_file, case)
    else:
        closed.set()
    if "role" in case.outputs.managed:
        acts["everything in the trusting account"] = partial(_in_trusting_account, case, closed, probing)
    running = {what: beside(partial(_collect, what, act, reports)) for what, act in acts.items()}
    end, ended = time.monotonic() + ACT_SECONDS, 0
    while ended < len(running):
        try:
            part = reports.get(timeout=max(end - time.monotonic(), 0))
        except queue.Empty:
            yield from (
                Part(what=what, failure=f"it did not end within {ACT_SECONDS:.0f} s")
                for what, future in running.items()
                if not future.done()
            )
            return
        if part is None:
            ended += 1
        else:
            yield part


def _collect(what: str, act: Callable[[], Iterator[Part]], reports: "queue.Queue[Part | None]") -> None:
    for part in _guarded(what, act):
        reports.put(part)
    reports.put(None)


def _guarded(what: str, act: Callable[[], Iterator[Part]]) -> Iterator[Part]:
    """Yield the parts of an act; whatever it raises is a part that failed."""
    try:
        yield from act()
    except Exception as error:  # noqa: BLE001 - no error of one side may stop another
        yield Part(what=what, failure=text_of(error))


def _in_file(case: Case) -> Iterator[Part]:
    declare_keys(case.stack, dict.fromkeys(declared_keys(case.config), "Inactive"))
    yield Part(what=f"accessKeys of stack {case.stack} says Inactive, so that no `pulumi up` opens them again")


def _in_trusted_account(case: Case, closed: threading.Event, probing: Future[Probes]) -> Iterator[Part]:
    """Make every key of the user inactive, known to the stack or not; then refuse the user's own sessions.

    Such a session, from ``GetSessionToken``, outlives its key by up to 36 hours, and could begin a new session of the
    role, which the role's own refusal of older ones lets through.
    """
    user = case.outputs.user_name
    what = f"every key of user {user} is inactive"
    try:
        iam = _iam(case, "trusted")
        wait_for([probing], PROBE_SECONDS)  # that a session begins which can be tried afterwards
        yield from _guarded(what, partial(_close_keys, iam, user))
        closed.set()
        yield from _guarded("sessions of the user are refused", partial(_refuse_sessions, iam, "user", user))
        yield from _guarded(f"user {user} has no console password", partial(_no_password, iam, case.outputs))
        yield from _guarded(what, partial(_none_active, iam, user))
    finally:
        closed.set()


def _in_trusting_account(case: Case, closed: threading.Event, probing: Future[Probes]) -> Iterator[Part]:
    """Refuse the role's sessions, and once more for one that began before the keys were inactive."""
    iam, role = _iam(case, "trusting"), case.outputs.role_name
    refuse = partial(_refuse_sessions, iam, "role", role)
    wait_for([probing], PROBE_SECONDS)
    yield from _guarded(f"sessions of role {role} are refused", refuse)
    closed.wait(ACT_SECONDS / 2)
    yield from _guarded(f"sessions of role {role} are refused", refuse)


def _iam(case: Case, side: "Side") -> "IAMClient":
    """Return the IAM of one account, after IAM or STS showed that it is the right one. STS may be what hangs."""
    outputs, caller = case.outputs, case.administrator(side, checked=False)
    kind: Kind = "role" if side == "trusting" else "user"
    account = sign_in(outputs, case.config)[side]
    try:
        try:
            answer = getattr(caller.client("iam"), f"get_{kind}")(**holder(kind, outputs.name_of(kind)))
            actual = answer[kind.title()]["Arn"].split(":")[4]
        except (BotoCoreError, ClientError):
            actual = caller.client("sts").get_caller_identity()["Account"]
    except Exception as error:  # noqa: BLE001 - as in ``administrator``
        raise sign_in_error(side, account, error) from None
    if actual != account["accountId"]:
        raise sign_in_error(side, account, f"the credentials belong to account {actual}")
    return caller.client("iam")


def _close_keys(iam: "IAMClient", user: str) -> Iterator[Part]:
    for key in read_keys(iam, user, with_use=False):
        what = f"{key} of user {user} is inactive"
        yield from _guarded(what, partial(_close_key, iam, user, key.id, what))


def _close_key(iam: "IAMClient", user: str, key_id: str, what: str) -> Iterator[Part]:
    iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    yield Part(what=what)


def _none_active(iam: "IAMClient", user: str) -> Iterator[Part]:
    """List the keys once more, for one that was created meanwhile or that AWS still lists as active."""
    active = [key.id for key in read_keys(iam, user, with_use=False) if key.actual == "Active"]
    failure = f"{', '.join(active)} is still active" if active else ""
    yield Part(what=f"AWS lists no active key of user {user}", failure=failure)


def _refuse_sessions(iam: "IAMClient", kind: Kind, name: str) -> Iterator[Part]:
    """Deny everything to the sessions of a role or a user that began before now, by AWS's clock.

    If this machine's were behind, sessions would get through; if ahead, AWS would refuse new ones. AWS notes in whole
    seconds when a session began, so the next full one counts.
    """
    who = holder(kind, name)
    now = aws_now(partial(getattr(iam, f"get_{kind}"), **who))
    before = now.replace(microsecond=0) + timedelta(seconds=1)
    document = json.dumps(deny_older_sessions(before))
    getattr(iam, f"put_{kind}_policy")(**who, PolicyName=REVOCATION, PolicyDocument=document)
    yield Part(what=f"sessions of {kind} {name} that began before {before:%H:%M:%S} UTC are refused")


def aws_now(call: Callable[[], Mapping[str, Any]]) -> datetime:
    """Return the time that AWS states in its answer to a call, or where it states none, this machine's."""
    try:
        stated = aws_time(call())
    except ClientError as error:
        stated = aws_time(error.response)
    return stated or datetime.now(UTC)


def _no_password(iam: "IAMClient", outputs: Outputs) -> Iterator[Part]:
    """Say whether nobody can sign in to the console as the user: a new sign-in is a new session.

    The stack never creates a password. This tool does not delete one that was created outside the stack.
    """
    user = outputs.user_name
    failure = (
        f"it has one, and a person with it can sign in anew and assume the role. It is not this stack's, so it stays. "
        f"Remove it now: aws iam delete-login-profile --user-name {user}, in the trusted account "
        f"{outputs.trusted_account_id}"
    )
    yield Part(what=f"user {user} has no console password", failure=failure if has_password(iam, user) else "")


def first_thing(stack: str) -> str:
    """Return what a person has to do at once, lest the next deployment from elsewhere undo it all."""
    file = f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    return f"""
FIRST: a colleague or pipeline that deploys with the committed {file} makes the keys active again.
Commit the changed one now, and stop pipelines until they have it:
  git commit --message "Revoke the keys of stack {stack}" {file} && git push
"""


def what_is_left(stack: str, outputs: Outputs) -> str:
    """Return what the revocation did not reach, and how to open again what was revoked."""
    role, hours = outputs.role_name, outputs.terms.max_session_duration / 3600
    deny_all = f"arn:{outputs.terms.partition}:iam::aws:policy/AWSDenyAll"
    kept = {"trusting": f"Sessions of role {role}", "trusted": "The keys and sessions of the user"}
    other = f"\n- {kept[outputs.terms.unmanaged]}: the other party revokes them." if outputs.terms.unmanaged else ""
    names = "\n".join(
        f"       aws iam delete-{kind}-policy --{kind}-name {outputs.name_of(kind)} --policy-name {REVOCATION}"
        for kind in outputs.managed
    )
    new_key = f"""
  - A new key, beside the inactive one:
       make rotate STACK={stack}
     Or, after a false alarm, the same key again: set its status to Active in accessKeys of the stack's file, then:
       make up STACK={stack} ARGS=--refresh"""
    return f"""
What this did not reach:{other}
- Others whom the role's trust policy lets in. To close it to everybody, in account {outputs.trusting_account_id}:
    aws iam attach-role-policy --role-name {role} --policy-arn {deny_all}
- A session of another role that was begun with one of this role's (role chaining) goes on for up to an hour. Revoke
  that role's sessions. CloudTrail shows them as AssumeRole by assumed-role/{role}.

IAM can take a minute to propagate this. Run the same again in two minutes: it also refuses the sessions that began
meanwhile.

To go back:{new_key if "user" in outputs.managed else ""}
  - The AWS CLI may still hold an old session, which stays refused. Its cache can go:
       rm -r ~/.aws/cli/cache
  - When the last old session has expired ({hours:g} h for the role, 36 h for the user), remove the refusals:
{names}
     make destroy removes them, too.
"""
