"""Recovery after a deployment that failed or was killed: resources and access keys that the state does not know.

The owner tag decides what is the stack's own. Access keys take no tags: on real accounts a person decides about each.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from components.iam.owner import OWNER_TAG
from tools.aws.keys import AccessKey, moment
from tools.cli import pulumi
from tools.console import StackError, agreed, complain, say
from tools.engine import ACCESS_KEY, ENGINE_TIMEOUT_SECONDS, Update, read_export, read_updates
from tools.environment import is_emulated
from tools.recovery.plan import USER, Existing, Plan, read_plan


class DeclinedError(StackError):
    """The user did not agree to an import."""


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
        history, export = pool.submit(read_updates, name), pool.submit(read_export, name)
        plan = read_plan(name)
    deployment: Mapping[str, Any] = export.result().get("deployment") or {}
    operations: list[Mapping[str, Any]] = deployment.get("pending_operations") or []
    pending = {str(each["resource"]["urn"]) for each in operations if each["type"] == "creating"}
    stack = Recovery(
        plan=plan,
        emulated=is_emulated(name),
        resources=deployment.get("resources") or [],
        began=last_began(history.result(), killed=bool(pending)),
    )
    existing = [each for each in plan.existing("create", "replace") if not stack.has(each)]
    taken = stack.take_over(existing, yes=yes)
    left, gone = stack.delete_keys(taken)

    unresolved = {each.urn for each in existing if each not in taken}
    unresolved |= {urn for urn in pending if left and ACCESS_KEY in urn}
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
    deployments = [run for run in runs if run.kind == "update"]
    failed = list(takewhile(lambda run: run.failed, deployments))
    if failed:
        return failed[-1].start_time
    if killed:  # before the end of its first deployment, a stack has handed nothing over
        return next((run.end_time for run in deployments or runs), datetime.min.replace(tzinfo=UTC))
    return next((run.start_time for run in deployments), None)


def is_orphaned(key: AccessKey, began: datetime | None) -> bool:
    """Return whether a key was created since the last deployment began, and never used."""
    return bool(began and key.created and key.created >= began and not key.last_used)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The stack that is to be recovered."""

    plan: Plan
    emulated: bool
    resources: Sequence[Mapping[str, Any]]  # of its state
    began: datetime | None  # when its last deployment began

    def has(self, existing: Existing) -> bool:
        """Return whether the state holds it. A resource deleted to be replaced stays there until it is replaced."""
        there = [each for each in self.resources if not each.get("pendingReplacement")]
        return (existing.type, existing.id) in {(each["type"], each.get("id")) for each in there}

    def refresh(self, *flags: str) -> None:
        """Refresh the state: of emulated accounts all of it, of real ones only its root, which is nothing in AWS."""
        root = ("--target", str(self.resources[0]["urn"])) if self.resources and not self.emulated else ()
        command = ("refresh", "--yes", "--skip-preview", *root, *flags)
        pulumi(self.plan.stack, *command, timeout=ENGINE_TIMEOUT_SECONDS)

    def take_over(self, existing: Sequence[Existing], *, yes: bool) -> list[Existing]:
        """Import the stack's own resources, and the attachments between them and those in the state."""
        complain(*filter(None, map(self.plan.refusal, existing)))
        urns = {each["urn"] for each in self.resources}
        own = [each for each in existing if each.owner == self.plan.owner]
        for each in own:
            if each.urn in urns:  # the state still has the old resource under this URN, so no import can take it
                complain(
                    f"{each} is a replacement that an earlier deployment did not finish. Delete it, then deploy again."
                )
        taken = [each for each in own if each.urn not in urns]
        ids = ids_of(self.resources) | {each.id for each in taken}
        taken += [each for each in existing if each.ends and ids.issuperset(each.ends)]
        if not taken:
            return []
        say(f"An earlier deployment of stack {self.plan.stack} created these, and its state does not know them:")
        say(*(f"  {each}" for each in taken))
        if not self.emulated and not agreed("Import them into the stack?", yes=yes):
            raise DeclinedError(f"Nothing was imported. To import them: make up STACK={self.plan.stack} YES=1")
        self.plan.take(taken)
        say(f"Imported {len(taken)} resources.")
        return taken

    def delete_keys(self, taken: Sequence[Existing]) -> tuple[bool, bool]:
        """Delete the orphaned keys of the stack's user; return whether unknown keys stay, and whether any is gone."""
        users = [each.id for each in taken if each.type == USER]
        users += [str(each["id"]) for each in self.resources if each["type"] == USER and "id" in each]
        keys = self.plan.unknown_keys(next(iter(users), ""), ids_of(self.resources))
        if not keys:
            return False, False
        user, iam, gone = users[0], self.plan.accounts["trusted"].client("iam"), 0
        tags: list[object] = iam.get_user(UserName=user)["User"].get("Tags", [])
        is_own = {"Key": OWNER_TAG, "Value": self.plan.owner} in tags
        for key in keys:
            if not is_own or not self.may_delete(user, key):
                continue
            self.refresh()  # fails while a deployment runs, which may be about to record this key
            known = ids_of(read_export(self.plan.stack)["deployment"]["resources"])
            if key in self.plan.unknown_keys(user, known):  # it was not used or recorded in the meantime
                iam.delete_access_key(UserName=user, AccessKeyId=key.id)
                say(f"Deleted {key}.")
                gone += 1
        return gone < len(keys), gone > 0

    def may_delete(self, user: str, key: AccessKey) -> bool:
        """Return whether an unknown key may be deleted: on real accounts only where a person on a terminal says so."""
        made = f"created {moment(key.created)}" if key.created else "of unknown age"
        used = f"last used {moment(key.last_used)}" if key.last_used else "no recorded use"
        say(f"User {user} has {key} ({key.actual}, {made}, {used}), which stack {self.plan.stack} does not know.")
        root: Mapping[str, Any] = self.resources[0] if self.resources else {}
        if key.id == (root.get("outputs") or {}).get("accessKeyId"):
            say("The outputs of the stack name it, so it stays.")
            return False
        if self.emulated and is_orphaned(key, self.began):
            return True
        if not self.emulated and sys.stdin.isatty():
            return agreed(f"Delete {key}?", yes=False)
        reason = "It may be in use" if self.emulated else "Only a person on a terminal can decide to delete it"
        say(f"{reason}, so it stays. By hand: aws iam delete-access-key --user-name {user} --access-key-id {key.id}")
        return False


def ids_of(resources: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the resources of a state."""
    return {str(each["id"]) for each in resources if "id" in each}
