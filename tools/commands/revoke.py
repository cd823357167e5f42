"""`python -m tools revoke --stack NAME`: in an emergency, stop every key of the user and every session begun so far.

It calls AWS itself and at once, without ``pulumi up``: makes every access key of the user inactive, those the stack
does not know included, and denies everything to sessions that began before now, by the policy that the AWS console
attaches for "Revoke active sessions". Where one part fails, it goes on with the next. Then it proves itself: what
worked before, the keys whose secrets are at hand and a session that it begins with one of them, is refused.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from components.iam.documents import deny_older_sessions, listed, statements
from tools.callers import aws_time
from tools.console import agreed, say
from tools.errors import Exit, FailedError, StackError
from tools.keys import read_keys
from tools.policies import has_password, holder
from tools.proof.case import Case
from tools.proof.probes import Part, refused_after, witnesses
from tools.propagation import Patience, spreading_seconds, window_seconds
from tools.stack import NAMESPACE, Kind, Outputs, declare_keys, declared_keys, read_stack

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

    from components.iam import Side

POLICY_NAME = "AWSRevokeOlderSessions"  # the console's own name for it, so that it replaces the console's and is known
BY_HAND = (
    "Until that is mended, revoke by hand. In the trusted account: aws iam list-access-keys --user-name USER, then for "
    "each: aws iam update-access-key --user-name USER --access-key-id ID --status Inactive. In the trusting account: "
    "the role's page in the IAM console, Revoke sessions."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def run(options: argparse.Namespace) -> Exit:
    """Ask, revoke, prove it, and say what is left to do."""
    try:
        outputs, config = read_stack(options.stack)
    except StackError as error:
        raise StackError(f"{error}\n{BY_HAND}") from None
    question = f"Every key of {outputs.user_arn} stops working now, and every session of {outputs.role_arn}. Revoke?"
    try:
        sure = agreed(question, yes=options.yes)
    except KeyboardInterrupt:
        sure = False
    if not sure:
        say("Nothing was revoked.")
        return Exit.CANNOT_TELL
    endpoint = outputs.terms.endpoint
    patience, spreading = Patience(seconds=spreading_seconds(endpoint), tell=say), window_seconds(endpoint)
    case = Case(stack=options.stack, outputs=outputs, config=config, patience=patience)
    working, unproven = witnesses(case)
    failed = _report(revoke(case))
    if failed:
        patience, spreading = replace(patience, seconds=0), 0.0  # it may well go on working: once is enough to tell
    long = f", for the {spreading:.0f} s that all of AWS may need to hear of it" if spreading else ""
    say(first_thing(options.stack), f"Trying what worked before{long} ...")
    began = patience.clock()
    with ThreadPoolExecutor() as pool:
        ask = partial(refused_after, patience=patience, began=began, spreading=spreading)
        failed |= _report(pool.map(ask, working))
    _report(iter(unproven))
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


def revoke(case: Case) -> Iterator[Part]:
    """Do it all, yielding each part as soon as it is done: the keys first, or a new session could begin meanwhile."""
    clock = Clock()
    accounts: dict[Side, Callable[[IAMClient, Outputs, Clock], Iterator[Part]]] = {
        "trusted": in_trusted_account,
        "trusting": in_trusting_account,
    }
    for side, act in accounts.items():
        try:
            administrator = case.administrator(side)
        except StackError as error:
            yield Part(what=f"everything in the {side} account", failure=str(error))
            continue
        attempt("AWS tells the time", administrator.client("sts").get_caller_identity, clock)
        yield from act(administrator.client("iam"), case.outputs, clock)
    what = f"accessKeys of stack {case.stack} says Inactive, so that no `pulumi up` opens them again"
    try:
        declare_keys(case.stack, dict.fromkeys(declared_keys(case.config), "Inactive"))
        yield Part(what=what)
    except StackError as error:
        yield Part(what=what, failure=str(error))


@dataclass(kw_only=True)
class Clock:
    """The latest time that AWS told.

    This machine's is not asked: where it is behind, sessions would get through; where it is ahead, new ones would not.
    """

    latest: datetime | None = None

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take the time that an answer of AWS was sent at."""
        if stated := aws_time(answer):
            self.latest = max(self.latest or stated, stated)

    def cut(self) -> datetime:
        """Return the next full second: AWS notes in whole seconds when a session began."""
        # Where no answer told the time, a refusal by this machine's clock is better than none.
        return (self.latest or datetime.now(UTC)).replace(microsecond=0) + timedelta(seconds=1)


def in_trusted_account(iam: "IAMClient", outputs: Outputs, clock: Clock) -> Iterator[Part]:
    """Make every key of the user inactive, known to the stack or not; then refuse the user's own sessions.

    Such a session, from ``GetSessionToken``, outlives its key by up to 36 hours, and could begin a new session of the
    role, which the role's own refusal of older ones lets through.
    """
    user = outputs.user_name
    try:
        for key in read_keys(iam, user, with_use=False):
            close = partial(iam.update_access_key, UserName=user, AccessKeyId=key.id, Status="Inactive")
            yield attempt(f"{key} of user {user} is inactive", close, clock)
    except (BotoCoreError, ClientError) as error:
        yield Part(what=f"every key of user {user} is inactive", failure=str(error))
    yield refuse_sessions(iam, "user", user, clock)
    yield no_password(iam, outputs)


def in_trusting_account(iam: "IAMClient", outputs: Outputs, clock: Clock) -> Iterator[Part]:
    """Refuse the role's sessions."""
    yield refuse_sessions(iam, "role", outputs.role_name, clock)


def refuse_sessions(iam: "IAMClient", kind: Kind, name: str, clock: Clock) -> Part:
    """Deny everything to the sessions of a role or a user that began until now."""
    put: Callable[..., Mapping[str, Any]] = getattr(iam, f"put_{kind}_policy")
    document = json.dumps(deny_older_sessions(clock.cut()))
    call = partial(put, **holder(kind, name), PolicyName=POLICY_NAME, PolicyDocument=document)
    return attempt(f"sessions of {kind} {name} begun until now are refused, those of the console included", call, clock)


def attempt(what: str, call: Callable[[], Mapping[str, Any]], clock: Clock) -> Part:
    """Make one call and return how it went."""
    try:
        clock.hear(call())
    except ClientError as error:
        clock.hear(error.response)
        return Part(what=what, failure=str(error))
    except BotoCoreError as error:
        return Part(what=what, failure=str(error))
    return Part(what=what)


def no_password(iam: "IAMClient", outputs: Outputs) -> Part:
    """Return whether nobody can sign in to the console as the user: a new sign-in is a new session.

    The stack never makes a password, so somebody else did, and it is not for this tool to delete.
    """
    user, what = outputs.user_name, f"user {outputs.user_name} has no console password"
    try:
        if not has_password(iam, user):
            return Part(what=what)
    except (BotoCoreError, ClientError) as error:
        return Part(what=what, failure=str(error))
    return Part(
        what=what,
        failure=f"it has one, and whoever knows it can sign in anew and assume the role. It is not this stack's, so it "
        f"stays. Remove it now: aws iam delete-login-profile --user-name {user}, in the trusted account "
        f"{outputs.trusted_account_id}",
    )


def others_let_in(outputs: Outputs) -> str:
    """Return who else may begin new sessions of the role, by its trust policy; empty where nobody may."""
    conditions = [statement.get("Condition", {}) for statement in statements(outputs.terms.trust_policy)]
    arns = {arn for each in conditions for arn in listed(each.get("ArnLike", {}).get("aws:PrincipalArn"))}
    if not arns:
        return f"whoever else account {outputs.trusted_account_id} allows to assume it"
    return ", ".join(sorted(arns - {outputs.user_arn}))


def first_thing(stack: str) -> str:
    """Return what a person has to do at once, lest the next deployment from elsewhere undo it all."""
    file = f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    return f"""
FIRST: whoever deploys with the {file} that is committed (a colleague, a pipeline) opens the keys again.
Commit the changed one now, and stop pipelines until they have it:
  git commit --message "Revoke the keys of stack {stack}" {file} && git push
"""


def what_is_left(stack: str, outputs: Outputs) -> str:
    """Return what the revocation did not reach, and how to open again what was revoked."""
    hours = outputs.terms.max_session_duration / 3600
    others = others_let_in(outputs)
    deny_all = f"arn:{outputs.terms.partition}:iam::aws:policy/AWSDenyAll"
    still = f"""- The role still lets in {others}. To close it to everybody:
    aws iam attach-role-policy --role-name {outputs.role_name} --policy-arn {deny_all}
      in the trusting account {outputs.trusting_account_id}
"""
    return f"""
What this did not reach:
{still if others else ""}\
- A session of another role that was begun with one of this role's (role chaining) goes on for up to an hour. Revoke
  that role's sessions. CloudTrail shows them in account {outputs.trusting_account_id}:
    AssumeRole by assumed-role/{outputs.role_name}

IAM can take a minute to make this known everywhere. Run the same again in two minutes: it also refuses the sessions
that began meanwhile.

To go back:
  1. A new key:  python -m tools rotate --stack {stack}
     It adds one beside the inactive key. Where there are two of those, it deletes the older one first; add
     --quiet-hours 0 if that was used of late.
     Or, after a false alarm, the same key again:
       pulumi config set --path '{NAMESPACE}:accessKeys[0].status' Active --stack {stack}
       make up STACK={stack} ARGS=--refresh
  2. New sessions work; those begun before now stay refused. When the last of them has expired ({hours:g} hours for the
     role, 36 for the user), and before the stack is destroyed, remove the refusals:
       aws iam delete-role-policy --role-name {outputs.role_name} --policy-name {POLICY_NAME}
         in the trusting account {outputs.trusting_account_id}
       aws iam delete-user-policy --user-name {outputs.user_name} --policy-name {POLICY_NAME}
         in the trusted account {outputs.trusted_account_id}
"""
