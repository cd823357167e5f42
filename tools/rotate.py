"""`python -m tools.rotate --stack NAME`: a new access key in place of the old one, and never a moment without one.

One step at a time, each shown by ``pulumi preview`` and confirmed: add a second key, prove that it works, hand it
over, make the old one inactive, wait until nothing has used it for a while, delete it. Nothing about the rotation is
stored: where it stands follows from the stack's configuration, the stack's outputs and the account. So it can stop or
be killed anywhere, and the next run goes on.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html

Exit codes: 0 rotated; 1 a step failed or was refused; 2 could not tell where it stands; 3 not finished, run it again.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from tools.aws import administrator_session, client_config, key_session, stored_key
from tools.keys import Status, last_used, list_keys
from tools.patience import Patience, spreading_seconds
from tools.stack import NAMESPACE, Outputs, StackError, pulumi, read_config, read_outputs

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

DONE, REFUSED, CANNOT_TELL, UNFINISHED = 0, 1, 2, 3
MAX_KEYS = 2  # of a user, active or not: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
QUIET_HOURS = 24.0
PROOF_SESSION_SECONDS = 900  # the shortest that AssumeRole grants
PROOF_SESSION_NAME = "assume-role-rotate"  # what CloudTrail shows for the trial of a new key


class RefusedError(Exception):
    """A step failed, or would be unsafe; the message says why and what to do."""


class UnfinishedError(Exception):
    """The rotation has to wait; the message says for what, and how to go on."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One entry of the stack's setting ``accessKeys``."""

    label: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class Key:
    """One access key of the stack, as the configuration, the stack and the account see it."""

    label: str
    id: str
    declared: Status | None  # by the configuration; None: no longer
    deployed: Status  # when the stack was last deployed
    actual: Status | None  # in the account now; None: it is gone
    created: datetime | None = None
    last_used: datetime | None = None  # None: never, as far as AWS knows

    def __str__(self) -> str:
        return f"key {self.label} ({self.id})"


@dataclass(frozen=True, kw_only=True)
class StrangeKey:
    """An access key of the user that the stack does not know."""

    id: str
    last_used: datetime | None


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that decides where a rotation stands."""

    declared: tuple[Declaration, ...]  # oldest first
    keys: tuple[Key, ...]  # that the stack has, oldest first
    strange: tuple[StrangeKey, ...] = ()

    @property
    def undeployed(self) -> tuple[Declaration, ...]:
        """The declared keys that the stack does not have yet."""
        return tuple(entry for entry in self.declared if entry.label not in {key.label for key in self.keys})

    @property
    def leaving(self) -> Key:
        """Of two keys the one to go: it is declared no longer, or is the only inactive one, or is the older."""
        gone = [key for key in self.keys if key.declared is None]
        inactive = [key for key in self.keys if key.declared == "Inactive"]
        return gone[0] if gone else inactive[0] if inactive else self.keys[0]

    @property
    def staying(self) -> Key:
        """Of two keys the one that is not leaving."""
        return next(key for key in reversed(self.keys) if key is not self.leaving)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of the stack: what the configuration is to say, and what that means."""

    title: str
    declared: tuple[Declaration, ...]
    discards: str | None = None  # id of a key to delete first, that nobody can have the secret of
    needs_hand_over: bool = False
    last: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for."""

    stack: str
    yes: bool = False
    until_hand_over: bool = False
    quiet: timedelta = timedelta(hours=QUIET_HOURS)
    label: str | None = None
    secret: SecretStr | None = None  # of the new key, where the stack has none in plain text


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


def next_label(labels: Sequence[str]) -> str:
    """Return the label of a new key: one more than the largest number among the labels there are."""
    return str(1 + max((int(label) for label in labels if label.isdecimal()), default=0))


def look(options: Options, iam: "IAMClient") -> tuple[Situation, Outputs]:
    """Return where the rotation stands.

    Raises:
        StackError: the stack or the account cannot be read.
    """
    outputs = read_outputs(options.stack)
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
            label=label,
            id=key.id,
            declared=statuses.get(label),
            deployed=key.status,
            actual=found[key.id].status if key.id in found else None,
            created=found[key.id].created if key.id in found else None,
            last_used=used.get(key.id),
        )
        for label, key in outputs.access_keys.items()
    ]
    known = {key.id for key in keys}
    situation = Situation(
        declared=declared,
        keys=tuple(sorted(keys, key=lambda key: order.index(key.label) if key.label in order else -1)),
        strange=tuple(StrangeKey(id=key_id, last_used=used[key_id]) for key_id in sorted(found) if key_id not in known),
    )
    return situation, outputs


def next_step(situation: Situation, options: Options, *, now: datetime) -> Step:
    """Return the next step of the rotation.

    Args:
        situation: where it stands.
        options: what the user asked for.
        now: the time, with its zone.

    Raises:
        RefusedError: whatever comes next could leave somebody without a working key; a person has to decide.
        UnfinishedError: the old key was used too recently.
    """
    declared = {key.declared for key in situation.keys} - {None}
    at_work = [key for key in situation.keys if key.actual == "Active"]
    if declared == {"Inactive"} and at_work:
        raise RefusedError(
            f"The configuration wants {at_work[-1]} inactive, and no other key of the stack is active. Set its status "
            f"to Active in accessKeys, then run this again. To stop every key: python -m tools.revoke --stack "
            f"{options.stack}"
        )
    if len(situation.keys) < MAX_KEYS:
        return _add(situation, options.label)
    leaving, staying = situation.leaving, situation.staying
    if situation.undeployed:
        labels = " and ".join(entry.label for entry in situation.undeployed)
        raise RefusedError(
            f"The configuration declares key {labels}, but the user already has two keys, the most that AWS allows: "
            f"{situation.keys[0]} and {situation.keys[1]}. Declare those two in accessKeys, then run this again."
        )
    if staying.declared == "Active" and staying.actual != "Active":
        state = "gone from the account" if staying.actual is None else "inactive in the account"
        raise RefusedError(
            f"The new {staying} is {state}, so {leaving} is left alone. "
            f"Bring the account in line with the stack: make up STACK={options.stack} ARGS=--refresh. "
            "Then run this again."
        )
    if leaving.actual == "Active" and leaving.deployed == "Inactive":
        raise RefusedError(
            f"The stack made {leaving} inactive, and somebody made it active again, so something still needs it. Find "
            f"that and give it the new {staying}. Then make the old one inactive: "
            f"make up STACK={options.stack} ARGS=--refresh. Then run this again."
        )
    kept = Declaration(label=staying.label, status=staying.declared or "Active")
    if leaving.actual and leaving.deployed == "Active" and kept.status == "Active":
        return Step(
            title=f"Make {leaving} inactive",
            declared=tuple(
                Declaration(label=key.label, status="Inactive") if key is leaving else kept for key in situation.keys
            ),
            needs_hand_over=True,
        )
    _refuse_early_delete(leaving, now=now, quiet=options.quiet)
    return Step(title=f"Delete {leaving}", declared=(kept,), last=kept.status == "Active")


def _add(situation: Situation, label: str | None) -> Step:
    """Return the step that adds a key; where a run was killed at it, the same key again."""
    undeployed = situation.undeployed
    kept = tuple(entry for entry in situation.declared if entry not in undeployed)
    if undeployed and not kept:
        raise RefusedError(
            f"The configuration declares key {undeployed[0].label} in place of {situation.keys[0]}: one would be "
            "deleted at once, perhaps before the other exists. Declare both in accessKeys, the old one first."
        )
    used = {entry.label for entry in kept}
    label = undeployed[0].label if undeployed else label or next_label([*used])
    if label in used:
        raise RefusedError(f"There is a key {label} already. Choose another label for the new one with --label.")
    discards = None
    there = sum(key.actual is not None for key in situation.keys)
    if there + len(situation.strange) >= MAX_KEYS:
        strange = situation.strange[0]
        # An interrupted `pulumi up` leaves a key whose secret went with the process: nobody can have used it.
        if not undeployed or strange.last_used:
            used_when = f"last used {_moment(strange.last_used)}" if strange.last_used else "never used"
            raise RefusedError(
                f"The user has a key that the stack does not know: {strange.id}, {used_when}. There is no room for a "
                f"new one beside it. If nobody needs it, delete it: aws iam delete-access-key --access-key-id "
                f"{strange.id} --user-name NAME, in the trusted account. Then run this again."
            )
        discards = strange.id
    return Step(
        title=f"Add key {label}",
        declared=(*kept, Declaration(label=label, status="Active")),
        discards=discards,
    )


def _refuse_early_delete(key: Key, *, now: datetime, quiet: timedelta) -> None:
    """Raise UnfinishedError where a key may have been used within ``quiet``.

    AWS reports a use with some delay, so for a key that was never used, as far as AWS knows, its birth counts.
    """
    latest = key.last_used or key.created
    if latest is None or latest + quiet <= now:
        return
    what = "was last used" if key.last_used else "has no use that AWS knows of, but was made only"
    raise UnfinishedError(
        f"{_capitalized(key)} is inactive. It {what} {_moment(latest)}, and is deleted when nothing has used it "
        f"for {quiet.total_seconds() / 3600:g} hours. If something broke, make it active again in accessKeys. "
        f"Otherwise run this again after {_moment(latest + quiet)}."
    )


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _capitalized(key: Key) -> str:
    return f"K{str(key)[1:]}"


def describe(situation: Situation) -> list[str]:
    """Return a line for each key: what it is, and whether somebody changed it behind the stack's back."""
    lines: list[str] = []
    for key in situation.keys:
        state = "gone from the account" if key.actual is None else key.actual
        if key.actual is not None:
            state += f", made {_moment(key.created)}" if key.created else ""
            state += f", last used {_moment(key.last_used)}" if key.last_used else ", no use known to AWS"
        if key.actual not in (key.deployed, key.declared):
            state += f" (changed by hand: the stack last saw it {key.deployed})"
        lines.append(f"{_capitalized(key)}: {state}")
    lines += [f"Key {entry.label}: declared, not deployed yet" for entry in situation.undeployed]
    lines += [f"Key {key.id}: not of this stack" for key in situation.strange]
    return lines


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
            f"{_capitalized(key)} does not work, so the other one is left alone: {error}. Look closer with: make verify"
        ) from None
    if arn != outputs.user_arn:
        raise RefusedError(
            f"{_capitalized(key)} belongs to {arn}, not to {outputs.user_arn}, so the other one is left alone."
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
    """Do one step: write the configuration, show the preview, ask, deploy.

    Raises:
        RefusedError: it failed.
        UnfinishedError: the user said no, and the configuration is as before.
    """
    say(f"\n{step.title}")
    if step.discards and not _discard(step.discards, outputs, options, iam):
        return  # the stack knows the key after all: look again
    changed = step.declared != situation.declared
    if changed:
        declare_keys(options.stack, step.declared)
    try:
        _pulumi_visibly(options.stack, "preview")
        agreed = confirm(f"{step.title}: deploy this?", yes=options.yes)
    except (RefusedError, KeyboardInterrupt):
        if changed:
            declare_keys(options.stack, situation.declared)
        raise
    if not agreed:
        if changed:
            declare_keys(options.stack, situation.declared)
        raise UnfinishedError("Nothing was changed. Run this again to go on.")
    _pulumi_visibly(options.stack, "up", "--yes", "--skip-preview")


def _discard(key_id: str, outputs: Outputs, options: Options, iam: "IAMClient") -> bool:
    """Delete the key that an interrupted deployment left; return whether it was such a one.

    Raises:
        StackError: the stack or the account cannot be read.
        RefusedError: a deployment is at work still, or the key cannot be deleted.
        UnfinishedError: the user said no.
    """
    question = f"An interrupted deployment left the key {key_id}, and its secret is lost. Delete it?"
    if not confirm(question, yes=options.yes):
        raise UnfinishedError("There is no room for a new key beside it. Run this again when you have decided.")
    # This fails while a deployment is at work, which may be about to record this very key.
    keys_only = ("--target", "**aws:iam/accessKey:AccessKey**")
    _pulumi_visibly(options.stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates", *keys_only)
    situation, _ = look(options, iam)
    if key_id not in {key.id for key in situation.strange}:
        return False
    try:
        iam.delete_access_key(UserName=outputs.user_name, AccessKeyId=key_id)
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"Cannot delete the key {key_id}: {error}") from None
    return True


def prove_new_key(situation: Situation, outputs: Outputs, options: Options, session: boto3.Session) -> None:
    """Prove the key that stays, where there are two, before anything is taken from the other; say how to hand it over.

    Raises:
        StackError: the store of the key does not hold a key pair.
        RefusedError: the key does not work.
        UnfinishedError: its secret is needed to tell.
    """
    if len(situation.keys) < MAX_KEYS or situation.staying.actual != "Active":
        return
    staying, leaving = situation.staying, situation.leaving
    if staying.last_used and leaving.actual != "Active":
        return  # AWS has seen it work
    secret = options.secret or outputs.access_keys[staying.label].secret or _stored_secret(staying, outputs, session)
    if secret is None:
        raise UnfinishedError(
            f"{_capitalized(staying)} is to be tried before {leaving} is touched, and the stack has its secret "
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
    last_used = f"last used {_moment(leaving.last_used)}" if leaving.last_used else "no use known to AWS"
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
    if not given.quiet_hours >= 0:
        parser.error(f"--quiet-hours {given.quiet_hours:g}: give a number of hours that is not negative")
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
