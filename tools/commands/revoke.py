"""`revoke`: in an emergency, stop every key of the user and every session that began before now.

It calls AWS itself, without ``pulumi up``.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

import argparse

from tools.aws.callers import text_of
from tools.aws.policies import REVOCATION
from tools.aws.propagation import Delay, propagation_seconds
from tools.console import Exit, FailedError, StackError, agreed, say
from tools.proof.case import Case
from tools.revocation.revocation import Revocation
from tools.stack import Outputs, read_stack

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
    except Exception as error:  # noqa: BLE001 - after any error, the person has to act by hand
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
    revocation = Revocation(Case(stack=options.stack, outputs=outputs, config=config, delay=Delay()))
    revocation.revoke()
    # Where something failed, what worked may well go on working.
    seconds = 0.0 if revocation.failed else propagation_seconds(outputs.terms.endpoint)
    delay = Delay(seconds=seconds, timeout=seconds)
    delay.changed(delay.today())
    long = f", for the {seconds:.0f} s that a change may take to propagate in AWS" if delay.left else ""
    keys = "user" in outputs.managed and bool(outputs.access_keys or config.get("accessKeys"))
    say(first_thing(options.stack) if keys else "", f"Trying what worked before{long} ...")
    revocation.try_probes(delay)
    say(what_is_left(options.stack, outputs, keys=keys))
    if revocation.failed:
        raise FailedError(f"Not everything is revoked: see FAILED above, then run this again. {BY_HAND}")
    return Exit.DONE


def first_thing(stack: str) -> str:
    """Return what a person has to do at once, lest the next deployment from elsewhere undo it all."""
    file = f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    return f"""
FIRST: a colleague or pipeline that deploys with the committed {file} makes the keys active again.
Commit the changed one now, and stop pipelines until they have it:
  git commit --message "Revoke the keys of stack {stack}" {file} && git push
"""


def what_is_left(stack: str, outputs: Outputs, *, keys: bool) -> str:
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

To go back:{new_key if keys else ""}
  - The AWS CLI may still hold an old session, which stays refused. Its cache can go:
       rm -r ~/.aws/cli/cache
  - When the last old session has expired ({hours:g} h for the role, 36 h for the user), remove the refusals:
{names}
     make destroy removes them, too.
"""
