"""`python -m tools.rotate --stack NAME`: a new access key in place of the old one, and never a moment without one.

One step at a time, each previewed, shown and confirmed: add a second key, prove that it works, hand it over, make the
old one inactive, wait until nothing has used it for a while, delete it. Nothing about the rotation is stored: where it
stands follows from the stack's configuration, its state and the account. So it can stop or be killed anywhere, and the
next run goes on. It deploys its own change and nothing else: where anything else is pending, it says so and stops.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html

Exit codes: 0 rotated; 1 a step failed or was refused; 2 could not tell where it stands, or other changes are
pending, and nothing was done; 3 not finished, run it again.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from tools.aws import administrator_session, client_config, key_session, stored_key
from tools.engine import ACCESS_KEY, changes, preview, read_state
from tools.keys import Status, last_used, list_keys
from tools.patience import Patience, spreading_seconds
from tools.rotation import (
    MAX_KEYS,
    QUIET_HOURS,
    Declaration,
    Key,
    Options,
    RefusedError,
    Situation,
    Step,
    StrangeKey,
    UnfinishedError,
    capitalized,
    describe,
    moment,
    next_step,
    others,
)
from tools.stack import NAMESPACE, Outputs, StackError, pulumi, read_config, read_outputs

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

DONE, REFUSED, CANNOT_TELL, UNFINISHED = 0, 1, 2, 3
LONGEST_QUIET_HOURS = 8760
PROOF_SESSION_SECONDS = 900  # the shortest that AssumeRole grants
PROOF_SESSION_NAME = "assume-role-rotate"  # what CloudTrail shows for the trial of a new key


def declared_keys(config: Mapping[str, Any]) -> tuple[Declaration, ...]:
    """Return what the stack's configuration says of its keys; ``pulumi config set --path`` makes labels numbers.

    Args:
        config: the stack's configuration, as ``tools.stack.read_config`` returns it.

    Raises:
        StackError: the setting is not a list of labels.
    """
    entries: object = config.get("accessKeys")
    if isinstance(entries, list) and all(
        isinstance(entry, dict) and "label" in entry for entry in cast("list[object]", entries)
    ):
        return tuple(
            Declaration(label=str(entry["label"]), status=cast("Status", entry.get("status", "Active")))
            for entry in cast("list[dict[str, Any]]", entries)
        )
    raise StackError("accessKeys is not a list of {label, status}. Correct it: pulumi preview names what is wrong")


def declare_keys(stack: str, keys: Sequence[Declaration]) -> None:
    """Write the whole setting at once: a crash leaves the old one or the new one.

    Raises:
        StackError: the configuration cannot be written.
    """
    entries = [{"label": key.label, "status": key.status} for key in keys]
    # The CLI writes a list as a list only from objectValue, and nothing at all without value.
    setting = {"value": json.dumps(entries), "objectValue": entries, "secret": False}
    pulumi(stack, "config", "set-all", "--json", json.dumps({f"{NAMESPACE}:accessKeys": setting}))


def look(options: Options, iam: "IAMClient") -> tuple[Situation, Outputs]:
    """Return where the rotation stands.

    Raises:
        StackError: the stack or the account cannot be read.
    """
    outputs, state = read_outputs(options.stack), read_state(options.stack)
    declared = declared_keys(read_config(options.stack))
    try:
        found = {key.id: key for key in list_keys(iam, outputs.user_name)}
        used = {key_id: last_used(iam, key_id) for key_id in found}
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"Cannot read the keys of {outputs.user_arn}: {error}") from None
    statuses: dict[str, Status] = {entry.label: entry.status for entry in declared}
    order = [entry.label for entry in declared]
    keys = [
        Key(
            label=key.label,
            id=key.id,
            declared=statuses.get(key.label),
            deployed=key.status,
            actual=found[key.id].status if key.id in found else None,
            created=found[key.id].created if key.id in found else None,
            last_used=used.get(key.id),
        )
        for key in state.keys
    ]
    known = {key.id for key in keys}
    situation = Situation(
        declared=declared,
        keys=tuple(sorted(keys, key=lambda key: order.index(key.label) if key.label in order else -1)),
        strange=tuple(
            StrangeKey(id=key_id, status=key.status, created=key.created, last_used=used[key_id])
            for key_id, key in sorted(found.items())
            if key_id not in known
        ),
        interrupted=state.interrupted,
        recorded=frozenset(key.id for key in outputs.access_keys.values()),
    )
    return situation, outputs


def prove(key: Key, secret: SecretStr, outputs: Outputs, patience: Patience) -> None:
    """Show that a key is the user's and can assume the role; ask again until AWS has heard of it.

    Where the role asks for MFA, only the first: the policies are the user's, so they hold for every key of it.

    Raises:
        RefusedError: it is not so.
    """
    terms = outputs.terms
    session = key_session(key.id, secret.get_secret_value(), region=terms.trusted_region)
    sts = session.client("sts", endpoint_url=terms.endpoint, config=client_config(endpoint=terms.endpoint))
    external_id: dict[str, Any] = {"ExternalId": terms.external_id} if terms.external_id else {}
    try:
        arn = patience.insist(str(key), lambda: sts.get_caller_identity()["Arn"])
        if not terms.require_mfa:
            patience.insist(
                f"{key}, assuming the role",
                lambda: sts.assume_role(
                    RoleArn=outputs.role_arn,
                    RoleSessionName=PROOF_SESSION_NAME,
                    DurationSeconds=PROOF_SESSION_SECONDS,
                    **external_id,
                ),
            )
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(
            f"{capitalized(key)} does not work, so the other one is left alone: {error}. Look closer with: make verify"
        ) from None
    if arn != outputs.user_arn:
        raise RefusedError(
            f"{capitalized(key)} belongs to {arn}, not to {outputs.user_arn}, so the other one is left alone."
        )


def hand_over_advice(stack: str, outputs: Outputs) -> str:
    """Return how whoever uses the old key gets the new one."""
    if outputs.secret_location:
        return f"  where programs read it:  {outputs.secret_location}"
    if outputs.encrypted_secret_access_key:
        return f"  its secret, encrypted:   pulumi stack output encryptedSecretAccessKey --stack {stack}"
    return (
        f"  on this machine:   make profile STACK={stack}\n"
        f"  for somebody else: pulumi stack output --show-secrets awsConfig --stack {stack}"
    )


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a question; ``yes`` answers it."""
    if yes:
        say(f"{question} [y/N] y (--yes)")
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def say(text: str) -> None:
    """Print a line."""
    # Flushed, because pulumi writes to the same place.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _pulumi_visibly(stack: str, *arguments: str) -> None:
    """Run ``pulumi`` with its output shown as it comes.

    Raises:
        RefusedError: it failed; it has said why.
    """
    command = [shutil.which("pulumi") or "pulumi", *arguments, "--non-interactive", "--suppress-outputs"]
    process = subprocess.Popen([*command, "--stack", stack], stdin=subprocess.DEVNULL)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            # pulumi got the same Ctrl-C: it ends what it has begun and records it. Killing it would lose a key.
            continue
    if code != 0:
        raise RefusedError(
            f"`pulumi {arguments[0]}` failed, as it says above. Correct that, then run this again: it goes on from "
            "here. If it says that the stack is locked, and no other pulumi is at work, free it with: "
            f"pulumi cancel --yes --stack {stack}"
        )


def take(step: Step, situation: Situation, outputs: Outputs, options: Options, iam: "IAMClient") -> None:
    """Do one step: write the configuration, show what that changes, ask, look again, and deploy just that.

    Raises:
        StackError: other changes are pending, and the configuration is as before.
        RefusedError: it failed.
        UnfinishedError: the user said no, and the configuration is as before.
    """
    say(f"\n{step.title}")
    changed = step.declared != situation.declared
    if changed:
        declare_keys(options.stack, step.declared)
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.json")
        try:
            _preview(step, situation, options, plan)
            if step.discards:
                _discard(step.discards, outputs, options, iam)
                return  # look again: that there is room now, or that the stack knows the key after all
            if not confirm(f"{step.title}: deploy this?", yes=options.yes):
                raise UnfinishedError("Nothing was changed. Run this again to go on.")  # noqa: TRY301 - one way back
            now, _ = look(options, iam)
            if next_step(now, options, now=datetime.now(UTC)) != step:
                raise RefusedError("Keys changed while the question stood open. Run this again.")  # noqa: TRY301
        except (StackError, RefusedError, UnfinishedError, KeyboardInterrupt):
            if changed:
                declare_keys(options.stack, situation.declared)
            raise
        # The plan holds it to what was shown, whatever changes meanwhile in the configuration.
        _pulumi_visibly(options.stack, "up", "--yes", "--skip-preview", "--plan", plan)


def _preview(step: Step, situation: Situation, options: Options, plan: str) -> None:
    """Show what a step changes, and write the plan that holds its deployment to that.

    Raises:
        StackError: it is not the only change.
        RefusedError: the program refuses it.
    """
    try:
        found = changes(preview(options.stack, "--save-plan", plan))
    except StackError as error:
        raise RefusedError(str(error)) from None
    if pending := others(found, step, situation):
        raise StackError(
            f"Other changes of stack {options.stack} are pending: {'; '.join(map(str, pending))}. Nothing was done: "
            f"this deploys its own change and no other. Deploy them first, or take them back: "
            f"make up STACK={options.stack}. Then run this again."
        )
    say("\n".join(f"  {change}" for change in found) or "  no resource changes, only the outputs")


def _discard(strange: StrangeKey, outputs: Outputs, options: Options, iam: "IAMClient") -> None:
    """Delete the key that an interrupted deployment left, if a person agrees and it still is what was shown.

    Raises:
        StackError: the stack or the account cannot be read.
        RefusedError: there is no person, a deployment is at work still, or the key cannot be deleted.
        UnfinishedError: the user said no.
    """
    left = f"An interrupted deployment left a key, and its secret is lost: {strange}."
    if options.yes:
        raise RefusedError(
            f"{left} There is no room for a new one beside it, and AWS tells of a use with some delay, so a person has "
            "to decide: run this without --yes, or, while no deployment is at work, delete it by hand: "
            f"aws iam delete-access-key --access-key-id {strange.id} --user-name {outputs.user_name}, in the trusted "
            "account."
        )
    if not confirm(f"{left} Delete it?", yes=False):
        raise UnfinishedError("There is no room for a new key beside it. Run this again when you have decided.")
    # This fails while a deployment is at work, which may be about to record this very key.
    keys_only = ("--target", f"**{ACCESS_KEY}**")
    _pulumi_visibly(options.stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates", *keys_only)
    situation, _ = look(options, iam)
    if strange not in situation.strange:
        return
    try:
        iam.delete_access_key(UserName=outputs.user_name, AccessKeyId=strange.id)
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"Cannot delete the key {strange.id}: {error}") from None


def prove_new_key(situation: Situation, outputs: Outputs, options: Options, session: boto3.Session) -> None:
    """Prove the key that stays, where there are two, before anything is taken from the other; say how to hand it over.

    Raises:
        StackError: the store of the key does not hold a key pair.
        RefusedError: the key does not work.
        UnfinishedError: its secret is needed to tell.
    """
    if situation.unrecorded or len(situation.keys) < MAX_KEYS or situation.staying.actual != "Active":
        return
    staying, leaving = situation.staying, situation.leaving
    if staying.last_used and leaving.actual != "Active":
        return  # AWS has seen it work
    secret = options.secret or outputs.access_keys[staying.label].secret or _stored_secret(staying, outputs, session)
    if secret is None:
        raise UnfinishedError(
            f"{capitalized(staying)} is to be tried before {leaving} is touched, and the stack has its secret "
            "encrypted only. Give it on standard input: pulumi stack output encryptedSecretAccessKey "
            f"--stack {options.stack} | base64 -d | gpg --decrypt | "
            f"python -m tools.rotate --stack {options.stack} --secret-stdin --yes --until-hand-over. "
            "When it is handed over, the same without --until-hand-over."
        )
    say(f"\nTrying {staying}")
    prove(staying, secret, outputs, Patience(seconds=spreading_seconds(outputs.terms.endpoint), tell=say))
    say(f"It works. Whoever uses {leaving} can change to it now:\n{hand_over_advice(options.stack, outputs)}")


def _stored_secret(key: Key, outputs: Outputs, session: boto3.Session) -> SecretStr | None:
    """Return the secret of a key from the stack's store, if it has one.

    Raises:
        StackError: the store cannot be read, or holds something else.
        RefusedError: it holds another key.
    """
    if outputs.secret_location is None:
        return None
    try:
        key_id, secret = stored_key(outputs.secret_location, session, outputs.terms.endpoint)
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"Cannot read {outputs.secret_location}: {error}") from None
    if key_id != key.id:
        raise RefusedError(f"{outputs.secret_location} holds the key {key_id}, not {key}. Put it right: make up")
    return secret


def hand_over(situation: Situation, options: Options) -> None:
    """Make sure that nobody needs the old key any more.

    Raises:
        UnfinishedError: somebody does.
    """
    if options.until_hand_over:
        raise UnfinishedError("Run this again without --until-hand-over when the new key is handed over.")
    leaving = situation.leaving
    last_used = f"last used {moment(leaving.last_used)}" if leaving.last_used else "no use known to AWS"
    question = f"Has everybody who uses {leaving} changed to {situation.staying}? ({leaving.label}: {last_used})"
    if not confirm(question, yes=options.yes):
        raise UnfinishedError("Both keys work until then. Run this again when the new one is handed over.")


def rotate(options: Options) -> None:
    """Walk from where the rotation stands to its end.

    Raises:
        StackError: the stack or the account cannot be read.
        RefusedError: a step failed or would be unsafe.
        UnfinishedError: it has to wait.
    """
    config = read_config(options.stack)
    session = administrator_session("trusted", config)
    endpoint: str | None = config.get("endpoint") or None
    iam = session.client("iam", endpoint_url=endpoint, config=client_config(endpoint=endpoint))
    while True:
        situation, outputs = look(options, iam)
        say("\n".join(describe(situation)))
        prove_new_key(situation, outputs, options, session)
        step = next_step(situation, options, now=datetime.now(UTC))
        if step.needs_hand_over:
            hand_over(situation, options)
        take(step, situation, outputs, options, iam)
        if step.last:
            say(f"\nRotated: {situation.staying} is the only key now.")
            return


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return what the command line asks for; end the program where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.rotate", description="Rotate a stack's access key.")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--yes", action="store_true", help="answer every question with yes, hand-over included")
    parser.add_argument(
        "--until-hand-over", action="store_true", help="stop while both keys work; run again without it to go on"
    )
    parser.add_argument(
        "--quiet-hours",
        type=float,
        default=QUIET_HOURS,
        metavar="HOURS",
        help="delete the old key only if nothing used it for so long (default: %(default)g)",
    )
    parser.add_argument("--label", help="label of the new key (default: the next number)")
    parser.add_argument(
        "--secret-stdin", action="store_true", help="read the new key's secret from standard input; needs --yes"
    )
    given = parser.parse_args(arguments)
    if not 0 <= given.quiet_hours <= LONGEST_QUIET_HOURS:
        parser.error(
            f"--quiet-hours {given.quiet_hours:g}: give a number of hours from 0 to {LONGEST_QUIET_HOURS} (a year)"
        )
    if given.secret_stdin and not given.yes:
        parser.error("--secret-stdin takes standard input, so no question can be answered. Add --yes")
    if not given.yes and not sys.stdin.isatty():
        parser.error("there is no terminal to ask on. Answer every question with yes by adding --yes")
    secret = sys.stdin.readline().strip() if given.secret_stdin else ""
    if given.secret_stdin and not secret:
        parser.error("--secret-stdin: standard input was empty. Pipe the new key's secret into this command")
    return Options(
        stack=given.stack,
        yes=given.yes,
        until_hand_over=given.until_hand_over,
        quiet=timedelta(hours=given.quiet_hours),
        label=given.label,
        secret=SecretStr(secret) if secret else None,
    )


def main() -> int:
    """Rotate, and return the exit code."""
    try:
        rotate(parse())
    except UnfinishedError as unfinished:
        say(f"\nNot finished. {unfinished}")
        return UNFINISHED
    except KeyboardInterrupt:
        say("\nNot finished. Run this again to go on.")
        return UNFINISHED
    except RefusedError as refused:
        sys.stderr.write(f"\n{refused}\n")
        return REFUSED
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_TELL
    return DONE


if __name__ == "__main__":
    sys.exit(main())
