"""Where a rotation stands and what comes next: what decides, and calls nobody.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from tools.engine import ACCESS_KEY, Change, key_label
from tools.keys import Status

MAX_KEYS = 2  # of a user, active or not: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
QUIET_HOURS = 24.0
# Where a stack keeps the key that is in use, and what of it changes with that key.
STORES: Mapping[str, frozenset[str]] = {
    "aws:secretsmanager/secretVersion:SecretVersion": frozenset({"secretString", "versionId", "versionStages"}),
    "aws:ssm/parameter:Parameter": frozenset({"value", "insecureValue", "version"}),
}


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
    """One access key of the stack, as the configuration, the state and the account see it."""

    label: str
    id: str
    declared: Status | None  # by the configuration; None: no longer
    deployed: Status  # as the state has it
    actual: Status | None  # in the account now; None: it is gone
    created: datetime | None = None
    last_used: datetime | None = None  # None: never, as far as AWS knows

    def __str__(self) -> str:
        return f"key {self.label} ({self.id})"


@dataclass(frozen=True, kw_only=True)
class StrangeKey:
    """An access key of the user that the stack does not know."""

    id: str
    status: Status
    created: datetime
    last_used: datetime | None  # None: never, as far as AWS knows

    def __str__(self) -> str:
        used = f"last used {moment(self.last_used)}" if self.last_used else "never used"
        return f"{self.id}, {self.status}, made {moment(self.created)}, {used}"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that decides where a rotation stands."""

    declared: tuple[Declaration, ...]  # oldest first
    keys: tuple[Key, ...]  # that the stack has, oldest first
    strange: tuple[StrangeKey, ...] = ()
    interrupted: frozenset[str] = frozenset()  # labels of keys whose making was begun, and nobody knows how it ended
    recorded: frozenset[str] | None = None  # ids of the keys in the stack's outputs; None: those of the state

    @property
    def unrecorded(self) -> bool:
        """Whether the outputs are older than the state: a deployment failed or was killed before its end."""
        return self.recorded is not None and self.recorded != frozenset(key.id for key in self.keys)

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
        """Of two keys the one that is not leaving; a single one stays."""
        return next((key for key in reversed(self.keys) if key is not self.leaving), self.keys[0])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of the stack: what the configuration is to say, and what that means."""

    title: str
    declared: tuple[Declaration, ...]
    label: str | None = None  # of the key that it makes, changes or deletes; None: only the outputs are old
    discards: StrangeKey | None = None  # to be deleted first, after a person's yes: nobody can have its secret
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


def next_label(labels: Sequence[str]) -> str:
    """Return the label of a new key: one more than the largest number among the labels there are."""
    return str(1 + max((int(label) for label in labels if label.isdecimal()), default=0))


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
    if situation.unrecorded:
        # Where all is as it is to be after the last step, that step was only not heard of.
        done = [key.declared for key in situation.keys] == ["Active"] and not situation.undeployed
        return Step(title="Finish the last deployment", declared=situation.declared, last=done)
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
            label=leaving.label,
            declared=tuple(
                Declaration(label=key.label, status="Inactive") if key is leaving else kept for key in situation.keys
            ),
            needs_hand_over=True,
        )
    _refuse_early_delete(leaving, now=now, quiet=options.quiet)
    return Step(title=f"Delete {leaving}", label=leaving.label, declared=(kept,), last=kept.status == "Active")


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
        discards = next(iter(situation.strange))
        if not _is_leftover(discards, label, situation):
            raise RefusedError(
                f"The user has a key that the stack does not know: {discards}. There is no room for a new one beside "
                f"it. If nobody needs it, delete it: aws iam delete-access-key --access-key-id {discards.id} "
                "--user-name NAME, in the trusted account. Then run this again."
            )
    return Step(
        title=f"Add key {label}",
        label=label,
        declared=(*kept, Declaration(label=label, status="Active")),
        discards=discards,
    )


def _is_leftover(strange: StrangeKey, label: str, situation: Situation) -> bool:
    """Return whether all says that an interrupted deployment of the key ``label`` left this one.

    Its secret went with that process, so nobody can use it. A key made by hand meanwhile would look the same: what
    deletes it asks a person.
    """
    return (
        label in situation.interrupted
        and len(situation.strange) == 1
        and strange.last_used is None
        and strange.id not in (situation.recorded or ())
        and all(key.created is None or key.created <= strange.created for key in situation.keys)
    )


def others(changes: Sequence[Change], step: Step, situation: Situation) -> list[Change]:
    """Return the changes of a preview that are not the step's own, nor what hangs on it.

    The sign-ins (``pulumi:providers:aws``) count like everything else: whatever is pending, a person deploys.
    """
    keys = {key.label: key for key in situation.keys}
    will_be = {entry.label: entry.status for entry in step.declared}

    def is_own(change: Change) -> bool:
        if change.type in STORES:
            before, after = (
                "Active" in statuses for statuses in ({key.deployed for key in situation.keys}, will_be.values())
            )
            if change.operation in ("create", "delete"):
                return (before, after) == (change.operation == "delete", change.operation == "create")
            return bool(change.properties) and STORES[change.type].issuperset(change.properties)
        if change.type != ACCESS_KEY:
            return False
        label = key_label(change.name)
        key = keys.get(label)
        if change.operation == "update" and key and set(change.properties) == {"status"}:
            # Where the account has the status already, nothing happens there: it is only noted.
            return label in will_be and (label == step.label or key.actual == will_be[label])
        return label == step.label and change.operation == (
            "create" if key is None else "delete" if label not in will_be else None
        )

    return [change for change in changes if not is_own(change)]


def _refuse_early_delete(key: Key, *, now: datetime, quiet: timedelta) -> None:
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


def moment(when: datetime) -> str:
    """Return a time as people read it."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def capitalized(key: Key) -> str:
    """Return a key's name as a sentence begins with it."""
    return f"K{str(key)[1:]}"


def describe(situation: Situation) -> list[str]:
    """Return a line for each key: what it is, and whether somebody changed it behind the stack's back."""
    lines: list[str] = []
    for key in situation.keys:
        state = "gone from the account" if key.actual is None else key.actual
        if key.actual is not None:
            state += f", made {moment(key.created)}" if key.created else ""
            state += f", last used {moment(key.last_used)}" if key.last_used else ", no use known to AWS"
        if key.actual not in (key.deployed, key.declared):
            state += f" (changed by hand: the stack last saw it {key.deployed})"
        lines.append(f"{capitalized(key)}: {state}")
    lines += [f"Key {entry.label}: declared, not deployed yet" for entry in situation.undeployed]
    lines += [f"Key {key.id}: not of this stack" for key in situation.strange]
    return lines
