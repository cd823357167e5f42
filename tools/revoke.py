"""`python -m tools.revoke --stack NAME`: in an emergency, stop every key of the user and every session begun so far.

It calls AWS itself and at once, without ``pulumi up``: makes every access key of the user inactive, those the stack
does not know included, and denies everything to sessions that began before now, by the policy that the AWS console
attaches for "Revoke active sessions". Where one part fails, it goes on with the next. Then it proves itself: what
worked before, the keys whose secrets are at hand and a session that it begins with one of them, is refused.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html

Exit codes: 0 all revoked; 1 a part failed, the report says which; 2 nothing was done.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from tools.permissions import statements
from tools.proof import Case, Patience, Side, spreading_seconds
from tools.rotate import confirm, declare_keys, declared_keys, say
from tools.rotation import Declaration
from tools.stack import NAMESPACE, Outputs, StackError, read_config, read_outputs
from tools.witnesses import Part, refused_after, witnesses

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

DONE, FAILED, NOTHING_DONE = 0, 1, 2
POLICY_NAME = "AWSRevokeOlderSessions"  # the console's own name for it, so that it replaces the console's and is known
BY_HAND = (
    "Until that is mended, revoke by hand. In the trusted account: aws iam list-access-keys --user-name USER, then for "
    "each: aws iam update-access-key --user-name USER --access-key-id ID --status Inactive. In the trusting account: "
    "the role's page in the IAM console, Revoke sessions."
)


@dataclass(kw_only=True)
class Clock:
    """The latest time that AWS told.

    This machine's is not asked: where it is behind, sessions would get through; where it is ahead, new ones would not.
    """

    latest: datetime | None = None

    def hear(self, response: Mapping[str, Any]) -> None:
        """Take the time that an answer of AWS was sent at."""
        headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        try:
            heard = parsedate_to_datetime(headers["date"])
        except (KeyError, TypeError, ValueError):
            return
        self.latest = max(self.latest or heard, heard)

    def cut(self) -> datetime:
        """Return the next full second: AWS notes in whole seconds when a session began."""
        # Where no answer told the time, a refusal by this machine's clock is better than none.
        return (self.latest or datetime.now(UTC)).replace(microsecond=0) + timedelta(seconds=1)


def deny_older_sessions(began_before: datetime) -> dict[str, Any]:
    """Return the policy that denies everything to sessions that began before a time, and nothing to a key itself.

    A request signed with a long-term key has no ``aws:TokenIssueTime``, so the condition does not hold for it.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": f"{began_before.astimezone(UTC):%FT%TZ}"}},
            }
        ],
    }


def in_trusted_account(iam: "IAMClient", outputs: Outputs, clock: Clock) -> Iterator[Part]:
    """Make every key of the user inactive, known to the stack or not; then refuse the user's own sessions.

    Such a session, from ``GetSessionToken``, outlives its key by up to 36 hours, and could begin a new session of the
    role, which the role's own refusal of older ones lets through.
    """
    user = outputs.user_name
    try:
        for page in iam.get_paginator("list_access_keys").paginate(UserName=user):
            clock.hear(page)
            for key in page["AccessKeyMetadata"]:
                key_id = key.get("AccessKeyId", "")
                yield attempt(
                    f"key {key_id} of user {user} is inactive",
                    partial(iam.update_access_key, UserName=user, AccessKeyId=key_id, Status="Inactive"),
                    clock,
                )
    except (BotoCoreError, ClientError) as error:
        yield Part(what=f"every key of user {user} is inactive", failure=str(error))
    yield attempt(
        f"sessions of user {user} begun until now are refused, those of the console included",
        partial(
            iam.put_user_policy,
            UserName=user,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(deny_older_sessions(clock.cut())),
        ),
        clock,
    )
    yield no_password(iam, outputs)


def no_password(iam: "IAMClient", outputs: Outputs) -> Part:
    """Return whether nobody can sign in to the console as the user: a new sign-in is a new session.

    The stack never makes a password, so somebody else did, and it is not for this tool to delete.
    """
    user, what = outputs.user_name, f"user {outputs.user_name} has no console password"
    try:
        iam.get_login_profile(UserName=user)
    except iam.exceptions.NoSuchEntityException:
        return Part(what=what)
    except (BotoCoreError, ClientError) as error:
        return Part(what=what, failure=str(error))
    return Part(
        what=what,
        failure=f"it has one, and whoever knows it can sign in anew and assume the role. It is not this stack's, so it "
        f"stays. Remove it now: aws iam delete-login-profile --user-name {user}, in the trusted account "
        f"{outputs.trusted_account_id}",
    )


def in_trusting_account(iam: "IAMClient", outputs: Outputs, clock: Clock) -> Iterator[Part]:
    """Refuse the role's sessions."""
    role = outputs.role_name
    yield attempt(
        f"sessions of role {role} begun until now are refused",
        partial(
            iam.put_role_policy,
            RoleName=role,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(deny_older_sessions(clock.cut())),
        ),
        clock,
    )


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


def revoke(case: Case) -> Iterator[Part]:
    """Do it all, yielding each part as soon as it is done: the keys first, or a new session could begin meanwhile."""
    stack, clock = case.stack, Clock()
    accounts: list[tuple[Side, Callable[[IAMClient, Outputs, Clock], Iterator[Part]]]] = [
        ("trusted", in_trusted_account),
        ("trusting", in_trusting_account),
    ]
    for side, act in accounts:
        try:
            administrator = case.administrator(side)
        except StackError as error:
            yield Part(what=f"everything in the {side} account", failure=str(error))
            continue
        attempt("AWS tells the time", administrator.client("sts").get_caller_identity, clock)
        yield from act(administrator.client("iam"), case.outputs, clock)
    what = f"accessKeys of stack {stack} says Inactive, so that no `pulumi up` opens them again"
    try:
        keys = declared_keys(case.config)
        declare_keys(stack, [Declaration(label=key.label, status="Inactive") for key in keys])
        yield Part(what=what)
    except StackError as error:
        yield Part(what=what, failure=str(error))


def others_let_in(outputs: Outputs) -> str:
    """Return who else may begin new sessions of the role, by its trust policy; empty where nobody may."""
    conditions = [
        cast("Mapping[str, Any]", each.get("Condition", {})) for each in statements(outputs.terms.trust_policy)
    ]
    arns = {str(arn) for each in conditions for arn in each.get("ArnLike", {}).get("aws:PrincipalArn", [])}
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
  1. A new key:  python -m tools.rotate --stack {stack}
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


def _report(parts: Iterator[Part]) -> bool:
    """Show each part as soon as it is there, and return whether one failed."""
    failed = False
    for part in parts:
        failed = failed or bool(part.failure and not part.unproven)
        say(str(part))
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Revoke, report, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.revoke", description="Stop every key of the user, and every session begun until now."
    )
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    options = parser.parse_args(arguments)
    if not options.yes and not sys.stdin.isatty():
        parser.error("there is no terminal to ask on. Add --yes to revoke without a question")
    try:
        outputs, config = read_outputs(options.stack), read_config(options.stack)
    except StackError as error:
        sys.stderr.write(f"{error}\n{BY_HAND}\n")
        return NOTHING_DONE
    try:
        sure = confirm(
            f"Every key of {outputs.user_arn} stops working now, and every session of {outputs.role_arn}. Revoke?",
            yes=options.yes,
        )
    except KeyboardInterrupt:
        sure = False
    if not sure:
        say("Nothing was revoked.")
        return NOTHING_DONE
    patience = Patience(seconds=spreading_seconds(outputs.terms.endpoint), tell=say)
    case = Case(stack=options.stack, outputs=outputs, config=config, patience=patience)
    found, unproven = witnesses(case)
    failed = _report(revoke(case))
    if failed:
        patience = replace(patience, seconds=0)  # it may well go on working: once is enough to tell
    say(f"{first_thing(options.stack)}\nTrying what worked before ...")
    began = patience.clock()
    with ThreadPoolExecutor() as pool:
        failed |= _report(pool.map(partial(refused_after, patience=patience, began=began), found))
    _report(iter(unproven))
    say(what_is_left(options.stack, outputs))
    if failed:
        sys.stderr.write(f"Not everything is revoked: see FAILED above, then run this again. {BY_HAND}\n")
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
