"""`rotate`: replace the access key, and never leave its user without one that works.

One step at a time, each previewed, shown and confirmed. Where a rotation stands follows from the configuration, the
state and the account, so it can be killed anywhere and the next run goes on.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from components.iam import NAMESPACE
from tools.aws.callers import Caller, administrator, sign_in, text_of
from tools.aws.errors import NO_SUCH_ENTITY, error_code
from tools.aws.keys import read_keys
from tools.aws.propagation import Delay, propagation_seconds
from tools.console import Exit, FailedError, StackError, ToolError, UnfinishedError, agreed, say
from tools.engine import State, changes, preview, read_state, run_visibly
from tools.rotation.steps import QUIET_HOURS, Situation, Step, describe, history, next_step, others
from tools.rotation.trial import try_new_key
from tools.stack import Declared, Outputs, declare_keys, declared_keys, read_stack

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
        metavar="HOURS",
        help=f"delete the old key only if nothing used it for so long (default: {QUIET_HOURS}, on emulated accounts 0)",
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
    trusted: Caller | None = None
    while True:
        stack = _read(options)
        if "user" not in stack.outputs.managed:
            raise StackError(f"The other party makes the user of stack {options.stack}, so it rotates the key.")
        if not declared_keys(stack.config):
            raise StackError(
                f"Stack {options.stack} declares no access key, so there is none to rotate. Declare one, then deploy: "
                f"pulumi config set --path '{NAMESPACE}:accessKeys[0].label' 1 --stack {options.stack}"
            )
        trusted = trusted or administrator("trusted", sign_in(stack.outputs, stack.config))
        iam = trusted.client("iam")
        situation = settled(stack, iam)
        say(*describe(situation))
        try_new_key(situation, stack.outputs, SecretStr(secret) if secret else None, trusted)
        step = stack.next_step(situation)
        if step.needs_hand_over:
            _hand_over(situation, options)
        take(step, situation, stack, iam)
        if step.last:
            say(f"\nRotated: {situation.staying} is the only key now.")
            return Exit.DONE


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What Pulumi knows of where a rotation stands, and what the user asked for."""

    options: argparse.Namespace
    outputs: Outputs
    config: Mapping[str, Any]
    state: State

    def next_step(self, situation: Situation) -> Step:
        """Return the next step of the rotation now; see ``steps.next_step``."""
        quiet: timedelta | None = self.options.quiet_hours
        if quiet is None:
            quiet = timedelta(hours=0 if self.outputs.terms.endpoint else QUIET_HOURS)
        return next_step(situation, now=datetime.now(UTC), quiet=quiet, label=self.options.label)


def _read(options: argparse.Namespace) -> Stack:
    """Return what Pulumi knows of a stack: three calls of its CLI, side by side."""
    with ThreadPoolExecutor() as side_by_side:
        state = side_by_side.submit(read_state, options.stack)
        outputs, config = read_stack(options.stack)
        return Stack(options=options, outputs=outputs, config=config, state=state.result())


def look(stack: Stack, iam: "IAMClient") -> Situation:
    """Return where the rotation stands, by what the account says now."""
    declared = declared_keys(stack.config)
    order = list(declared)
    known = [key.model_copy(update={"declared": declared.get(str(key.label))}) for key in stack.state.keys]
    known.sort(key=lambda key: order.index(str(key.label)) if key.declared else -1)
    keys = read_keys(iam, stack.outputs.user_name, known, with_use=True)
    return Situation(
        stack=stack.options.stack,
        declared=declared,
        keys=tuple(key for key in keys if key.label is not None),
        unknown=tuple(key for key in keys if key.label is None),
        interrupted=stack.state.interrupted,
        unrecorded={key.id for key in known} != {key.id for key in stack.outputs.access_keys.values()},
    )


def settled(stack: Stack, iam: "IAMClient") -> Situation:
    """Return where the rotation stands; what stops its next step counts once the last deployment has propagated.

    For some seconds after a deployment AWS may answer as before it: it lists a deleted key, or an inactive one works.
    """
    delay = Delay(seconds=propagation_seconds(stack.outputs.terms.endpoint))
    delay.changed(stack.state.written)
    if delay.left:
        with suppress(ClientError, FailedError):
            situation = look(stack, iam)
            with suppress(UnfinishedError):
                stack.next_step(situation)
            return situation
        say(f"The account does not fit the last deployment, which may propagate until {delay.end}: waiting for that")
        delay.wait()
    return look(stack, iam)


def _hand_over(situation: Situation, options: argparse.Namespace) -> None:
    """Make sure that nobody needs the old key any more."""
    if options.until_hand_over:
        raise UnfinishedError("Run this again without --until-hand-over when the new key is handed over.")
    leaving = situation.leaving
    question = f"Has everybody who uses {leaving} changed to {situation.staying}? ({leaving.label}: {history(leaving)})"
    if not agreed(question, yes=options.yes):
        raise UnfinishedError("Both keys work until then. Run this again when the new one is handed over.")


def take(step: Step, situation: Situation, stack: Stack, iam: "IAMClient") -> None:
    """Do one step: show what it changes, ask, look again, write the configuration, and deploy just that.

    Raises:
        StackError: other changes are pending, and the configuration is unchanged.
        FailedError: it failed.
        UnfinishedError: the user said no, and the configuration is unchanged.
    """
    say(f"\n{step.title}")
    name, changed = situation.stack, step.declared != situation.declared
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.json")
        flags = _proposal(name, step.declared, Path(folder)) if changed else ()
        _preview(step, situation, "--save-plan", plan, *flags)
        if not agreed(f"{step.title}: deploy this?", yes=stack.options.yes):
            raise UnfinishedError("Nothing was changed. Run this again to go on.")
        if changed:
            declare_keys(name, step.declared)
        try:
            # The engine takes seconds to start and does not look. The plan holds it to what was shown.
            if stack.next_step(settled(stack, iam)) != step:
                raise FailedError("The keys changed while waiting for your answer. Run this again.")  # noqa: TRY301
        except BaseException:  # an interruption, too
            if changed:
                declare_keys(name, situation.declared)
            raise
        if step.deletes:
            _delete(step.deletes, stack.outputs.user_name, iam)
        run_visibly(name, "up", "--yes", "--skip-preview", "--plan", plan)


def _proposal(stack: str, declared: Declared, folder: Path) -> tuple[str, str]:
    """Return the flags of a preview with other keys than the stack's file declares."""
    name = f"Pulumi.{stack.rpartition('/')[2]}.yaml"
    flags = ("--config-file", str(folder / name))
    if Path(name).exists():
        shutil.copyfile(name, folder / name)
    declare_keys(stack, declared, *flags)
    return flags


def _preview(step: Step, situation: Situation, *flags: str) -> None:
    """Show what a step changes, and write the plan that holds its deployment to that."""
    try:
        planned = changes(preview(situation.stack, *flags))
    except StackError as error:
        raise FailedError(str(error)) from None
    if pending := others(planned, step, situation):
        raise StackError(
            f"Other changes of stack {situation.stack} are pending: {'; '.join(map(str, pending))}. Nothing was done: "
            "this deploys its own change and no other. Deploy them first, or take them back: make up "
            f"STACK={situation.stack}. Then run this again."
        )
    say(*[f"  {change}" for change in planned] or ["  no resource changes, only the outputs"])


def _delete(key_id: str, user_name: str, iam: "IAMClient") -> None:
    """Delete a key at once: until the engine does, it could be made active again."""
    try:
        iam.delete_access_key(UserName=user_name, AccessKeyId=key_id)
    except (BotoCoreError, ClientError) as error:
        if not isinstance(error, ClientError) or error_code(error) != NO_SUCH_ENTITY:
            raise FailedError(f"Cannot delete key {key_id}: {text_of(error)}. Run this again.") from None
