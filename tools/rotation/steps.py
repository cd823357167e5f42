"""Decides where a rotation stands and what comes next. Pure functions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.iam.limits import MAX_ACCESS_KEYS
from tools.aws.keys import AccessKey, moment
from tools.console import FailedError, UnfinishedError
from tools.engine import ACCESS_KEY, Change, key_label
from tools.stack import Declared

QUIET_HOURS = 24
# Where a stack keeps the key that is in use, and what of it changes with that key.
STORES: Mapping[str, frozenset[str]] = {
    "aws:secretsmanager/secretVersion:SecretVersion": frozenset({"secretString", "versionId", "versionStages"}),
    "aws:ssm/parameter:Parameter": frozenset({"value", "insecureValue", "version"}),
}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that decides where a rotation stands."""

    stack: str
    declared: Declared
    keys: tuple[AccessKey, ...]  # that the stack has, oldest first
    unknown: tuple[AccessKey, ...] = ()  # that the user has and the state does not know
    interrupted: frozenset[str] = frozenset()  # labels of keys whose creation a killed deployment began
    unrecorded: bool = False  # the outputs are older than the state: a deployment failed or was killed before its end

    @property
    def undeployed(self) -> list[str]:
        """The labels of the declared keys that the stack does not have yet."""
        return [label for label in self.declared if label not in {key.label for key in self.keys}]

    @property
    def leaving(self) -> AccessKey:
        """Of two keys the one to go: it is declared no longer, or is the only inactive one, or is the older."""
        gone = [key for key in self.keys if key.declared is None]
        inactive = [key for key in self.keys if key.declared == "Inactive"]
        return (gone or inactive or self.keys)[0]

    @property
    def staying(self) -> AccessKey:
        """Of two keys the one that is not leaving; a single one stays."""
        return next((key for key in reversed(self.keys) if key is not self.leaving), self.keys[0])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of the stack: what the configuration is to say, and what that means."""

    title: str
    declared: Declared
    label: str | None = None  # of the key that it makes, changes or deletes; None: only the outputs are old
    deletes: str | None = None  # the id of a key
    needs_hand_over: bool = False
    last: bool = False


def next_step(
    situation: Situation, *, now: datetime, quiet: timedelta = timedelta(hours=QUIET_HOURS), label: str | None = None
) -> Step:
    """Return the next step of the rotation.

    Args:
        situation: where it stands.
        now: the time, with its zone.
        quiet: how long nothing must have used the old key before it is deleted.
        label: of the new key; by default the next number.

    Raises:
        FailedError: every next step could leave a user of the key without a working one; a person has to decide.
        UnfinishedError: the old key was used too recently.
    """
    _refuse_unknown_keys(situation)
    if situation.unrecorded:
        # Where nothing is left to do, the last step was done and only its confirmation was lost.
        done = [key.declared for key in situation.keys] == ["Active"] and not situation.undeployed
        return Step(title="Finish the last deployment", declared=situation.declared, last=done)
    _refuse_to_close_all(situation)
    if len(situation.keys) < MAX_ACCESS_KEYS:
        return _add(situation, label)
    _refuse_what_is_unclear(situation)
    leaving, staying = situation.leaving, situation.staying
    kept = staying.declared or "Active"
    if leaving.actual and leaving.deployed == "Active" and kept == "Active":
        return Step(
            title=f"Make {leaving} inactive",
            label=leaving.label,
            declared={str(key.label): "Inactive" if key is leaving else kept for key in situation.keys},
            needs_hand_over=True,
        )
    _refuse_early_delete(leaving, now=now, quiet=quiet)
    declared: Declared = {str(staying.label): kept}
    is_last = kept == "Active"
    return Step(title=f"Delete {leaving}", label=leaving.label, declared=declared, deletes=leaving.id, last=is_last)


def _refuse_unknown_keys(situation: Situation) -> None:
    """Raise FailedError where the user has, or may have, a key that the state does not know."""
    recover = f"If a deployment failed or was killed, this recovers it:\n  make up STACK={situation.stack}"
    if situation.unknown:
        key = situation.unknown[0]
        raise FailedError(
            f"The user has a key that the stack does not know: {key.id}, {key.actual}, {history(key)}. {recover}\nIf "
            "it was created by hand and nothing uses it, delete it in the trusted account:\n"
            f"  aws iam delete-access-key --access-key-id {key.id} --user-name NAME"
        )
    if situation.interrupted:
        raise FailedError(f"A deployment did not end while it created key {min(situation.interrupted)}. {recover}")


def _refuse_to_close_all(situation: Situation) -> None:
    """Raise FailedError where all that is declared of the stack's keys is inactive, and one still works."""
    at_work = [key for key in situation.keys if key.actual == "Active"]
    if at_work and {key.declared for key in situation.keys} - {None} == {"Inactive"}:
        raise FailedError(
            f"The configuration wants {at_work[-1]} inactive, and no other key is active. Set its status to Active in "
            f"accessKeys, then run this again. To stop every key:\n  make revoke STACK={situation.stack}"
        )


def _refuse_what_is_unclear(situation: Situation) -> None:
    """Raise FailedError where two keys are not what a rotation makes of them."""
    leaving, staying = situation.leaving, situation.staying
    up = f"make up STACK={situation.stack} ARGS=--refresh"
    repair = f"Bring the account in line with the stack, then run this again:\n  {up}"
    if situation.undeployed:
        raise FailedError(
            f"The configuration declares key {' and '.join(situation.undeployed)}, but the user has two keys, the most "
            f"that AWS allows. Declare {situation.keys[0]} and {situation.keys[1]} in accessKeys, then run this again."
        )
    if staying.declared == "Active" and staying.actual != "Active":
        state = "gone from the account" if staying.actual is None else "inactive in the account"
        raise FailedError(f"The new {staying} is {state}, so {leaving} is left alone. {repair}")
    if leaving.actual == "Active" and leaving.deployed == "Inactive":
        raise FailedError(
            f"The stack made {leaving} inactive, and it is active again, so something still needs it. Give "
            f"that the new {staying}. {repair}"
        )


def _add(situation: Situation, label: str | None) -> Step:
    """Return the step that adds a key; where a run was killed at it, the same key again."""
    undeployed = situation.undeployed
    kept: Declared = {label: status for label, status in situation.declared.items() if label not in undeployed}
    if undeployed and not kept and situation.keys:
        raise FailedError(
            f"The configuration declares key {undeployed[0]} in place of {situation.keys[0]}: one would be deleted at "
            "once, perhaps before the other exists. Declare both in accessKeys, the old one first."
        )
    label = undeployed[0] if undeployed else label or next_label([*kept])
    if label in kept:
        raise FailedError(f"There is a key {label} already. Choose another label for the new one with --label.")
    declared: Declared = {**kept, label: "Active"}
    return Step(title=f"Add key {label}", label=label, declared=declared)


def next_label(labels: Sequence[str]) -> str:
    """Return the label of a new key: one more than the largest number among the labels there are."""
    return str(1 + max((int(label) for label in labels if label.isdecimal()), default=0))


def _refuse_early_delete(key: AccessKey, *, now: datetime, quiet: timedelta) -> None:
    """Raise UnfinishedError where a key may have been used within ``quiet``.

    AWS reports a use with some delay, so for a key that was never used, as far as AWS knows, its birth counts.
    """
    latest = key.last_used or key.created
    if latest is None or latest + quiet <= now:
        return
    what = "was last used" if key.last_used else "has no use that AWS knows of, but was made only"
    raise UnfinishedError(
        f"{capitalized(key)} is inactive. It {what} {moment(latest)}, and is deleted when nothing has used it "
        f"for {quiet.total_seconds() / 3600:g} hours. If something broke, make it active again in accessKeys. "
        f"Otherwise run this again after {moment(latest + quiet)}."
    )


def others(changes: Sequence[Change], step: Step, situation: Situation) -> list[Change]:
    """Return the changes of a preview that are neither the step's own nor depend on it.

    The sign-ins (``pulumi:providers:aws``) count like everything else: a person deploys other pending changes.
    """
    return [change for change in changes if not _is_own(change, step, situation)]


def _is_own(change: Change, step: Step, situation: Situation) -> bool:
    if change.type in STORES:
        active_before = any(key.deployed == "Active" for key in situation.keys)
        active_after = "Active" in step.declared.values()
        if change.operation in ("create", "delete"):
            return (active_before, active_after) == (change.operation == "delete", change.operation == "create")
        return bool(change.properties) and STORES[change.type].issuperset(change.properties)
    if change.type != ACCESS_KEY:
        return False
    label = key_label(change.name)
    key = next((key for key in situation.keys if key.label == label), None)
    if change.operation == "update" and key and set(change.properties) == {"status"}:
        # Where the account has the status already, nothing happens there: it is only noted.
        return label in step.declared and (label == step.label or key.actual == step.declared[label])
    operation = "create" if key is None else "delete" if label not in step.declared else None
    return label == step.label and change.operation == operation


def capitalized(key: AccessKey) -> str:
    """Return a key's name as a sentence begins with it."""
    return f"K{str(key)[1:]}"


def history(key: AccessKey) -> str:
    """Return when a key was made and last used."""
    made = f"made {moment(key.created)}, " if key.created else ""
    return made + (f"last used {moment(key.last_used)}" if key.last_used else "no use known to AWS")


def describe(situation: Situation) -> list[str]:
    """Return a line for each key: its state, its history, and any change outside the stack."""
    lines: list[str] = []
    for key in situation.keys:
        state = f"{key.actual}, {history(key)}" if key.actual else "gone from the account"
        if key.actual not in (key.deployed, key.declared):
            state += f" (changed by hand: the stack last saw it {key.deployed})"
        lines.append(f"{capitalized(key)}: {state}")
    lines += [f"Key {label}: declared, not deployed yet" for label in situation.undeployed]
    lines += [f"Key {key.id}: not of this stack" for key in situation.unknown]
    return lines
