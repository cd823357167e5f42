"""Recovery after a deployment that failed or was killed: resources and access keys that the state does not know.

The owner tag decides what is the stack's own. Access keys take no tags: on real accounts a person decides about each.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, cast

from components.iam import Side
from components.iam.owner import OWNER_TAG
from tools.aws.callers import Caller, administrator
from tools.aws.keys import AccessKey, moment
from tools.console import StackError, agreed, complain, say
from tools.engine import ACCESS_KEY, Update, read_export, read_updates, refresh
from tools.environment import is_emulated
from tools.recovery.existing import USER, Existing, find, import_resources, read_plan, stack_owner, unknown_keys
from tools.stack import managed_sides, read_config


class DeclinedError(StackError):
    """The user did not agree to an import."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The stack that is to be recovered."""

    name: str
    owner: str  # the value of its owner tag
    emulated: bool
    resources: Sequence[Mapping[str, Any]]  # of its state
    began: datetime | None  # when its last deployment began

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the resources in the state."""
        return frozenset(str(each.get("id")) for each in self.resources)

    @property
    def handed_over(self) -> str | None:
        """The id of the access key in the outputs of the state; None without one."""
        outputs: Mapping[str, Any] = (self.resources[0].get("outputs") if self.resources else None) or {}
        return outputs.get("accessKeyId")

    def has(self, existing: Existing) -> bool:
        """Return whether the state holds it. A resource deleted to be replaced stays there until it is replaced."""
        there = [each for each in self.resources if not each.get("pendingReplacement")]
        return (existing.type, existing.id) in {(each["type"], each.get("id")) for each in there}

    def refresh(self, *flags: str) -> None:
        """Refresh the state: of emulated accounts all of it, of real ones only its root, which is nothing in AWS."""
        root = ("--target", str(self.resources[0]["urn"])) if self.resources and not self.emulated else ()
        refresh(self.name, *root, *flags)


def recover(name: str, *, yes: bool) -> bool:
    """Import resources of earlier deployments, and delete orphaned keys; return whether to deploy again.

    Emulated accounts are changed without a question, and the state is refreshed from them. On real accounts ``yes``
    agrees to imports only: a key is deleted only where a person on a terminal says so.

    Args:
        name: the stack's name.
        yes: whether the user agreed beforehand.

    Raises:
        StackError: the stack or an account cannot be read.
        DeclinedError: the user did not agree to an import.
        ClientError: AWS refused a call.
    """
    with ThreadPoolExecutor() as pool:
        plan, runs, config = (pool.submit(read_plan, name), pool.submit(read_updates, name), read_config(name))
        deployment: Mapping[str, Any] = read_export(name).get("deployment") or {}
    steps, import_file = plan.result()
    operations = cast("list[dict[str, Any]]", deployment.get("pending_operations") or [])
    pending = frozenset(str(each["resource"]["urn"]) for each in operations if each["type"] == "creating")
    accounts: dict[Side, Caller] = {side: administrator(side, config) for side in managed_sides(config)}
    stack = Stack(
        name=name,
        owner=stack_owner(steps),
        emulated=is_emulated(name),
        resources=deployment.get("resources") or [],
        began=last_began(runs.result(), killed=bool(pending)),
    )
    existing = [each for each in find(steps, accounts, ("create", "replace")) if not stack.has(each)]
    refusals = {each.urn: each.refusal(stack.owner, name) for each in existing if each.tags is not None}
    complain(*(why for why in refusals.values() if why))
    own = [each for each in existing if each.urn in refusals and refusals[each.urn] is None]
    taken = _take_over(stack, existing, own, import_file, yes=yes)
    unknown, gone = _delete_keys(stack, taken, accounts)

    unresolved = {each.urn for each in existing if each not in taken}
    if unknown:
        unresolved |= {urn for urn in pending if ACCESS_KEY in urn}
    cleared = bool(pending) and not pending & unresolved
    if pending and not cleared:
        complain(f"The state keeps its pending operations until all of that is resolved. Then: make up STACK={name}")
    if stack.emulated or cleared:
        stack.refresh(*(("--clear-pending-creates",) if cleared else ()))
    changed = stack.emulated and read_updates(name)[0].changed
    if changed:
        say(f"The accounts differed from the state of stack {name}. It is refreshed now.")
    return bool(taken or gone or cleared or changed)


def last_began(runs: Sequence[Update], *, killed: bool) -> datetime | None:
    """Return when the last deployment began, earlier tries that failed included; None if there was none.

    Args:
        runs: the history, newest first.
        killed: whether a killed run is on record. It is not in the history, and began after the last one that is.
    """
    deployments = [run for run in runs if run.deployed]
    failed = list(takewhile(lambda run: run.failed, deployments))
    if failed:
        return failed[-1].start
    if killed:  # before the end of its first deployment, a stack has handed nothing over
        return next((run.end for run in deployments or runs), datetime.min.replace(tzinfo=UTC))
    return next((run.start for run in deployments), None)


def is_orphaned(key: AccessKey, began: datetime | None) -> bool:
    """Return whether a key was created since the last deployment began, and never used.

    AWS's dates are whole seconds.
    """
    if began is None or key.created is None or key.last_used is not None:
        return False
    return key.created >= began.replace(microsecond=0)


def _take_over(
    stack: Stack, existing: Sequence[Existing], own: Sequence[Existing], import_file: Mapping[str, Any], *, yes: bool
) -> list[Existing]:
    """Import the stack's own resources, and the attachments between them and those in the state."""
    urns = {each["urn"] for each in stack.resources}
    for each in own:
        if each.urn in urns:  # the state still has the old resource under this URN, so no import can take it
            complain(
                f"{each} is a replacement that an earlier deployment did not finish. Delete it, then deploy again."
            )
    taken = [each for each in own if each.urn not in urns]
    ids = stack.ids | {each.id for each in taken}
    taken += [each for each in existing if each.parts and each.parts <= ids]
    if not taken:
        return []
    say(f"An earlier deployment of stack {stack.name} created these, and its state does not know them:")
    say(*(f"  {each}" for each in taken))
    if not stack.emulated and not agreed("Import them into the stack?", yes=yes):
        raise DeclinedError(f"Nothing was imported. To import them: make up STACK={stack.name} YES=1")
    import_resources(stack.name, import_file, taken)
    say(f"Imported {len(taken)} resources.")
    return taken


def _delete_keys(
    stack: Stack, taken: Sequence[Existing], accounts: Mapping[Side, Caller]
) -> tuple[list[AccessKey], list[AccessKey]]:
    """Delete the orphaned keys of the stack's user; return the unknown keys that stay, and those that are gone."""
    users = [each.id for each in taken if each.type == USER]
    users += [str(each["id"]) for each in stack.resources if each["type"] == USER and "id" in each]
    if not users or "trusted" not in accounts:
        return [], []
    iam = accounts["trusted"].client("iam")
    keys = unknown_keys(iam, users[0], stack.ids)
    tags = cast("list[object]", iam.get_user(UserName=users[0])["User"].get("Tags", [])) if keys else []
    if {"Key": OWNER_TAG, "Value": stack.owner} not in tags:
        return keys, []
    gone = [key for key in keys if _may_delete(stack, users[0], key) and _delete_key(stack, iam, users[0], key)]
    return [key for key in keys if key not in gone], gone


def _may_delete(stack: Stack, user: str, key: AccessKey) -> bool:
    """Return whether an unknown key may be deleted: on real accounts only where a person on a terminal says so."""
    made = f"created {moment(key.created)}" if key.created else "of unknown age"
    used = f"last used {moment(key.last_used)}" if key.last_used else "no recorded use"
    say(f"User {user} has {key} ({key.actual}, {made}, {used}), which stack {stack.name} does not know.")
    if key.id == stack.handed_over:
        say("The outputs of the stack name it, so it stays.")
        return False
    if stack.emulated and is_orphaned(key, stack.began):
        return True
    if not stack.emulated and sys.stdin.isatty():
        return agreed(f"Delete {key}?", yes=False)
    reason = "It may be in use" if stack.emulated else "Only a person on a terminal can decide to delete it"
    say(f"{reason}, so it stays. By hand: aws iam delete-access-key --user-name {user} --access-key-id {key.id}")
    return False


def _delete_key(stack: Stack, iam: Any, user: str, key: AccessKey) -> bool:  # noqa: ANN401 - a client of botocore
    """Delete a key, unless it was used or recorded since it was looked at."""
    stack.refresh()  # fails while a deployment runs, which may be about to record this key
    recorded = cast("list[dict[str, Any]]", read_export(stack.name)["deployment"]["resources"])
    if key not in unknown_keys(iam, user, {each.get("id") for each in recorded}):
        return False
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    say(f"Deleted {key}.")
    return True
