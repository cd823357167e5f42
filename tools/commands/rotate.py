"""`python -m tools rotate --stack NAME`: a new access key in place of the old one, and never a moment without one.

One step at a time, each previewed, shown and confirmed: add a second key, prove that it works, hand it over, make the
old one inactive, wait until nothing has used it for a while, delete it. Nothing about the rotation is stored: where it
stands follows from the stack's configuration, its state and the account. So it can stop or be killed anywhere, and the
next run goes on. It deploys its own change and nothing else: where anything else is pending, it says so and stops.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from tools.callers import Caller, administrator, sign_in
from tools.console import agreed, say
from tools.engine import ACCESS_KEY, State, changes, preview, read_state, run_visibly
from tools.errors import Exit, FailedError, StackError, ToolError, UnfinishedError
from tools.keys import AccessKey, read_keys
from tools.propagation import Patience, Window, spreading_seconds, window_seconds
from tools.rotation import (
    QUIET_HOURS,
    Options,
    Situation,
    Step,
    describe,
    history,
    next_step,
    others,
    stranger,
)
from tools.stack import Outputs, declare_keys, declared_keys, read_stack
from tools.trial import try_new_key

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

LONGEST_QUIET_HOURS = 8760  # a year


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="answer every question with yes, hand-over included")
    parser.add_argument(
        "--until-hand-over", action="store_true", help="stop while both keys work; run again without it to go on"
    )
    parser.add_argument(
        "--quiet-hours",
        type=hours,
        default=str(QUIET_HOURS),
        metavar="HOURS",
        help="delete the old key only if nothing used it for so long (default: %(default)s)",
    )
    parser.add_argument("--label", help="label of the new key (default: the next number)")
    parser.add_argument(
        "--secret-stdin", action="store_true", help="read the new key's secret from standard input; needs --yes"
    )


def hours(text: str) -> timedelta:
    """Return the length of time that a number of hours is; argparse shows the name of this function."""
    if not 0 <= (number := float(text)) <= LONGEST_QUIET_HOURS:
        raise argparse.ArgumentTypeError(f"{text}: give a number of hours from 0 to {LONGEST_QUIET_HOURS} (a year)")
    return timedelta(hours=number)


def run(options: argparse.Namespace) -> Exit:
    """Walk from where the rotation stands to its end."""
    if options.secret_stdin and not options.yes:
        raise ToolError("--secret-stdin takes standard input, so no question can be answered. Add --yes.")
    if not options.yes and not sys.stdin.isatty():
        raise ToolError("There is no terminal to ask on. Answer every question with yes by adding --yes.")
    secret = sys.stdin.readline().strip() if options.secret_stdin else None
    if secret == "":
        raise ToolError("--secret-stdin: standard input was empty. Pipe the new key's secret into this command.")
    _rotate(
        Options(
            stack=options.stack,
            yes=options.yes,
            until_hand_over=options.until_hand_over,
            quiet=options.quiet_hours,
            label=options.label,
            secret=SecretStr(secret) if secret else None,
        )
    )
    return Exit.DONE


class Stack(NamedTuple):
    """All that Pulumi knows of where a rotation stands."""

    outputs: Outputs
    config: Mapping[str, Any]
    state: State


def _rotate(options: Options) -> None:
    """Take one step after the other, up to the last."""
    trusted: Caller | None = None
    while True:
        stack = _read(options.stack)
        trusted = trusted or administrator("trusted", sign_in(stack.outputs, stack.config))
        situation = settled(stack, options, trusted.client("iam"))
        say(*describe(situation))
        try_new_key(situation, stack.outputs, options, trusted)
        step = next_step(situation, options, now=datetime.now(UTC))
        if step.needs_hand_over:
            _hand_over(situation, options)
        take(step, situation, stack, options, trusted.client("iam"))
        if step.last:
            say(f"\nRotated: {situation.staying} is the only key now.")
            return


def _read(name: str) -> Stack:
    """Return what Pulumi knows of a stack: three calls of its CLI, side by side."""
    with ThreadPoolExecutor() as side_by_side:
        state = side_by_side.submit(read_state, name)
        outputs, config = read_stack(name)
        return Stack(outputs, config, state.result())


def look(stack: Stack, iam: "IAMClient") -> Situation:
    """Return where the rotation stands, by what the account says now.

    Raises:
        StackError: the configuration cannot be understood.
        ClientError: the account cannot be read.
    """
    declared = declared_keys(stack.config)
    order = list(declared)
    known = [key.model_copy(update={"declared": declared.get(str(key.label))}) for key in stack.state.keys]
    known.sort(key=lambda key: order.index(str(key.label)) if key.declared else -1)
    keys = read_keys(iam, stack.outputs.user_name, known, with_use=True)
    return Situation(
        declared=declared,
        keys=tuple(key for key in keys if key.label is not None),
        strange=tuple(key for key in keys if key.label is None),
        interrupted=stack.state.interrupted,
        recorded=frozenset(key.id for key in stack.outputs.access_keys.values()),
    )


def settled(stack: Stack, options: Options, iam: "IAMClient") -> Situation:
    """Return where the rotation stands; what speaks against its next step counts once all news has spread.

    For some seconds after a deployment AWS may answer as before it: a deleted key is there, an inactive one works.

    Raises:
        StackError, ClientError: as ``look``.
    """
    endpoint = stack.outputs.terms.endpoint
    window = Window(seconds=window_seconds(endpoint))
    window.changed(stack.state.written)

    def once() -> Situation:
        situation = look(stack, iam)
        if window.left:
            if situation.interrupted & {*situation.undeployed} and not situation.strange:
                raise FailedError("AWS may have made the key of an interrupted deployment, and not told of it yet.")
            with suppress(UnfinishedError):
                next_step(situation, options, now=datetime.now(UTC))
        return situation

    return Patience(seconds=spreading_seconds(endpoint), tell=say).settle(once, window)


def _hand_over(situation: Situation, options: Options) -> None:
    """Make sure that nobody needs the old key any more."""
    if options.until_hand_over:
        raise UnfinishedError("Run this again without --until-hand-over when the new key is handed over.")
    leaving = situation.leaving
    question = f"Has everybody who uses {leaving} changed to {situation.staying}? ({leaving.label}: {history(leaving)})"
    if not agreed(question, yes=options.yes):
        raise UnfinishedError("Both keys work until then. Run this again when the new one is handed over.")


def take(step: Step, situation: Situation, stack: Stack, options: Options, iam: "IAMClient") -> None:
    """Do one step: write the configuration, show what that changes, ask, look again, and deploy just that.

    Raises:
        StackError: other changes are pending, and the configuration is as before.
        FailedError: it failed.
        UnfinishedError: the user said no, and the configuration is as before.
    """
    say(f"\n{step.title}")
    changed = step.declared != situation.declared
    if changed:
        declare_keys(options.stack, step.declared)
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.json")
        try:
            _preview(step, situation, options.stack, plan)
            if step.discards:
                _discard(step.discards, stack.outputs.user_name, options, iam)
                return  # look again: that there is room now, or that the stack knows the key after all
            if not agreed(f"{step.title}: deploy this?", yes=options.yes):
                raise UnfinishedError("Nothing was changed. Run this again to go on.")  # noqa: TRY301 - one way back
            # What Pulumi knows may have changed too: the plan holds the deployment to what was shown.
            if next_step(settled(stack, options, iam), options, now=datetime.now(UTC)) != step:
                raise FailedError("Keys changed while the question stood open. Run this again.")  # noqa: TRY301
        except BaseException:  # an interruption, too
            if changed:
                declare_keys(options.stack, situation.declared)
            raise
        run_visibly(options.stack, "up", "--yes", "--skip-preview", "--plan", plan)


def _preview(step: Step, situation: Situation, stack: str, plan: str) -> None:
    """Show what a step changes, and write the plan that holds its deployment to that."""
    try:
        planned = changes(preview(stack, "--save-plan", plan))
    except StackError as error:
        raise FailedError(str(error)) from None
    if pending := others(planned, step, situation):
        raise StackError(
            f"Other changes of stack {stack} are pending: {'; '.join(map(str, pending))}. Nothing was done: this "
            f"deploys its own change and no other. Deploy them first, or take them back: make up STACK={stack}. "
            "Then run this again."
        )
    say(*[f"  {change}" for change in planned] or ["  no resource changes, only the outputs"])


def _discard(strange: AccessKey, user_name: str, options: Options, iam: "IAMClient") -> None:
    """Delete the key that an interrupted deployment left, if a person agrees and it still is what was shown."""
    left = f"An interrupted deployment left a key, and its secret is lost: {stranger(strange)}."
    if options.yes:
        raise FailedError(
            f"{left} There is no room for a new one beside it, and AWS tells of a use with some delay, so a person has "
            "to decide: run this without --yes, or, while no deployment is at work, delete it by hand: "
            f"aws iam delete-access-key --access-key-id {strange.id} --user-name {user_name}, in the trusted account."
        )
    if not agreed(f"{left} Delete it?", yes=False):
        raise UnfinishedError("There is no room for a new key beside it. Run this again when you have decided.")
    # This fails while a deployment is at work, which may be about to record this very key.
    keys_only = ("--target", f"**{ACCESS_KEY}**")
    run_visibly(options.stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates", *keys_only)
    seen = look(_read(options.stack), iam)
    if next((key for key in (*seen.keys, *seen.strange) if key.id == strange.id), strange) != strange:
        return  # the stack knows it after all, or it was used
    try:
        iam.delete_access_key(UserName=user_name, AccessKeyId=strange.id)
    except (BotoCoreError, ClientError) as error:
        raise FailedError(f"Cannot delete the key {strange.id}: {error}") from None
