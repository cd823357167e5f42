"""`python -m tools.revoke --stack NAME`: in an emergency, stop every key of the user and every session begun so far.

It calls AWS itself and at once, without ``pulumi up``: makes every access key of the user inactive, those the stack
does not know included, and denies everything to sessions that began before now, by the policy that the AWS console
attaches for "Revoke active sessions". Where one part fails, it goes on with the next.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html

Exit codes: 0 all revoked; 1 a part failed, the report says which; 2 nothing was done.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws import administrator_session, client_config
from tools.rotate import Declaration, confirm, declare_keys, declared_keys, say
from tools.stack import NAMESPACE, Outputs, StackError, read_config, read_outputs

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

    from iam import Side

DONE, FAILED, NOTHING_DONE = 0, 1, 2
POLICY_NAME = "AWSRevokeOlderSessions"  # the console's own name for it, so that it replaces the console's and is known
BY_HAND = (
    "Until that is mended, revoke by hand. In the trusted account: aws iam list-access-keys --user-name USER, then for "
    "each: aws iam update-access-key --user-name USER --access-key-id ID --status Inactive. In the trusting account: "
    "the role's page in the IAM console, Revoke sessions."
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that was tried."""

    what: str
    failure: str = ""  # why not; empty when it was done


@dataclass(kw_only=True)
class Clock:
    """The latest time seen, this machine's or AWS's: a machine whose clock is behind must not let a session through."""

    latest: datetime

    def hear(self, response: Mapping[str, Any]) -> None:
        """Take the time that an answer of AWS was sent at."""
        headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        try:
            self.latest = max(self.latest, parsedate_to_datetime(headers["date"]))
        except (KeyError, TypeError, ValueError):
            return

    def cut(self) -> datetime:
        """Return the next full second: AWS notes in whole seconds when a session began."""
        return self.latest.replace(microsecond=0) + timedelta(seconds=1)


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
        f"sessions of user {user} begun until now are refused",
        partial(
            iam.put_user_policy,
            UserName=user,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(deny_older_sessions(clock.cut())),
        ),
        clock,
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
    except (BotoCoreError, ClientError) as error:
        return Part(what=what, failure=str(error))
    return Part(what=what)


def revoke(stack: str, outputs: Outputs, config: Mapping[str, Any]) -> Iterator[Part]:
    """Do it all, yielding each part as soon as it is done: the keys first, or a new session could begin meanwhile."""
    clock = Clock(latest=datetime.now(UTC))
    endpoint: str | None = config.get("endpoint") or None
    accounts: list[tuple[Side, Callable[[IAMClient, Outputs, Clock], Iterator[Part]]]] = [
        ("trusted", in_trusted_account),
        ("trusting", in_trusting_account),
    ]
    for side, act in accounts:
        try:
            session = administrator_session(side, config)
        except StackError as error:
            yield Part(what=f"everything in the {side} account", failure=str(error))
            continue
        iam = session.client("iam", endpoint_url=endpoint, config=client_config(endpoint=endpoint))
        yield from act(iam, outputs, clock)
    what = f"accessKeys of stack {stack} says Inactive, so that no `pulumi up` opens them again"
    try:
        keys = declared_keys(config)
        declare_keys(stack, [Declaration(label=key.label, status="Inactive") for key in keys])
        yield Part(what=what)
    except StackError as error:
        yield Part(what=what, failure=str(error))


def way_back(stack: str, outputs: Outputs) -> str:
    """Return how to open again what was revoked."""
    hours = outputs.terms.max_session_duration / 3600
    return f"""
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
    failed = False
    for part in revoke(options.stack, outputs, config):
        failed = failed or bool(part.failure)
        say(f"FAILED  {part.what}: {part.failure}" if part.failure else f"done    {part.what}")
    say(way_back(options.stack, outputs))
    if failed:
        sys.stderr.write(f"Not everything is revoked: see FAILED above, then run this again. {BY_HAND}\n")
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
