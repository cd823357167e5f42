"""`python -m tools mend --stack NAME`: what a failed or killed run made and did not record is put right.

`make up` runs it where the deployment or the proof failed, or a killed run is on record. It takes the lock of a killed
run away, imports the role, user and policies that the stack's own runs provably left, and deletes what cannot be
imported: access keys, whose secret nobody has, and what was to replace a resource that the stack still has. About real
accounts it asks. What is not provably the stack's own stays as it is. In pretend accounts it also refreshes the state,
so that the next deployment makes again what the emulator lost or somebody took away.

Exit code 0: it mended something, so deploy or prove again; 1: it failed; 2: nothing to mend, or it could not tell.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from components.iam.endpoints import is_emulator
from tools.adoption import ROLE, USER, Existing, import_document, planned_resources, report
from tools.callers import Caller, administrator, aws_time
from tools.commands.adopt import SIDES, Account, import_resources, open_account, preview_to_import
from tools.console import agreed, complain, say
from tools.engine import ACCESS_KEY, PulumiStep, Update, logical_name, read_export, read_updates, refresh
from tools.errors import Exit, StackError
from tools.keys import AccessKey, read_keys
from tools.leftovers import SECOND, Record, clock_ahead, orphans, record_of, stranger
from tools.rotation import stranger as described
from tools.stack import pulumi, read_config, read_outputs
from tools.stack_lock import Lock, find_lock, refresh_root

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

    from components.iam import Side


@dataclass(frozen=True, kw_only=True)
class Broken:
    """The stack that is to be mended, as it was found, and what the user said."""

    stack: str
    config: Mapping[str, Any]
    resources: Sequence[Mapping[str, Any]]  # of the state
    yes: bool

    @property
    def root(self) -> str | None:
        """The URN of the stack itself; None while the state has nothing."""
        return self.resources[0]["urn"] if self.resources else None

    @property
    def pretend(self) -> bool:
        """Whether its accounts are an emulator's: then nobody is asked."""
        return is_emulator(self.config.get("endpoint"))

    @property
    def user_name(self) -> str | None:
        """The name of the user that the state has, if it has one."""
        users = (each for each in self.resources if each["type"] == USER and not each.get("delete"))
        return next((each["id"] for each in users if "id" in each), None)

    @property
    def has(self) -> frozenset[tuple[str, str]]:
        """The type and id of each resource that it has; one that was deleted to be replaced is none."""
        there = [each for each in self.resources if "id" in each and not each.get("pendingReplacement")]
        return frozenset((each["type"], each["id"]) for each in there)

    def agreed(self, question: str) -> bool:
        """Return whether the answer is yes."""
        return self.pretend or agreed(question, yes=self.yes)

    def agreed_to_delete(self, question: str) -> bool:
        """Return whether something may be deleted: of a real account only where a person says so."""
        return self.pretend or by_person(question)


def by_person(question: str) -> bool:
    """Return whether a person says yes; ``--yes`` is none."""
    if sys.stdin.isatty():
        return agreed(question, yes=False)
    say(f"{question} [y/N] n (only a person can say yes to this, on a terminal)")
    return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="ask nothing, and delete nothing of a real account")


def run(options: argparse.Namespace) -> Exit:
    """Look, show, ask and mend."""
    broken, export, updates = _look(options)
    if lock := find_lock(broken.stack, broken.root):
        _free(broken, lock)
    trusted = administrator("trusted", broken.config)
    record = replace(
        record_of(export, updates, now=datetime.now(UTC)),
        locked=lock.since if lock else None,
        ahead=_clock_ahead(trusted),
        doubtful=timedelta(0) if broken.pretend else SECOND,
    )
    iam: IAMClient = trusted.client("iam")
    steps, import_file = preview_to_import(broken.stack) if record.unfinished else ([], {})
    sides = SIDES if steps else ()
    accounts: Mapping[Side, Account] = {side: open_account(side, broken.config, steps) for side in sides}
    left = _left(broken, accounts, steps, record)
    taken = [there for there in left if there.planned.name not in record.made]
    in_the_way = [there for there in left if there not in taken]
    if taken:
        _take_over(broken, import_file, taken)
    if in_the_way:
        _make_room(broken, accounts, in_the_way)
    user_name = next((there.id for there in taken if there.planned.type == USER), broken.user_name)
    keys = _orphans(broken, iam, user_name, steps, record)[0] if user_name else []
    for key in keys:
        say(f"A run of stack {broken.stack} made a key of {user_name} and lost its secret: {described(key)}.")
    delete = bool(keys) and broken.agreed_to_delete("Delete it?")
    forgotten = bool(record.begun) and (bool(lock or left or delete) or record.begun <= record.made.keys())
    if forgotten or delete:  # this fails while a deployment is at work, which may be about to record this very key
        refresh_root(broken.stack, broken.root, "--clear-pending-creates")
    if user_name and delete:
        _delete(broken, iam, user_name, keys)
    refreshed = broken.pretend and _refreshed(broken.stack)
    if not (lock or left or delete or forgotten or refreshed):
        complain(f"Nothing to mend: no failed or killed run of stack {broken.stack} provably left anything.")
        return Exit.CANNOT_TELL
    say("Mended.")
    return Exit.DONE


def _look(options: argparse.Namespace) -> tuple[Broken, Mapping[str, Any], list[Update]]:
    """Return the stack, its export and its last runs: three calls of Pulumi's CLI, side by side.

    Raises:
        StackError: the stack cannot be read.
    """
    stack: str = options.stack
    with ThreadPoolExecutor() as side_by_side:
        updates, config = side_by_side.submit(read_updates, stack), side_by_side.submit(read_config, stack)
        export = read_export(stack)
        deployment: Mapping[str, Any] = export.get("deployment") or {}
        resources: list[Mapping[str, Any]] = deployment.get("resources") or []
        broken = Broken(stack=stack, config=config.result(), resources=resources, yes=options.yes)
        return broken, export, updates.result()


def _free(broken: Broken, lock: Lock) -> None:
    """Take away the lock of a killed run.

    Raises:
        StackError: it is at work, or a person did not say that it is not.
    """
    what = f"Stack {broken.stack} is locked by {lock.holder}."
    if lock.at_work:
        raise StackError(f"{what} It is at work on this machine: wait until it ends, then run this again.")
    if lock.killed:
        sure = broken.agreed(f"{what} That process is gone. Take its lock away?")
    else:
        sure = by_person(f"{what} Is it no longer at work, so that its lock may go?")
    if not sure:
        raise StackError(f"{what} If it was killed, take its lock away: pulumi cancel --yes --stack {broken.stack}")
    pulumi(broken.stack, "cancel", "--yes")


def _refreshed(stack: str) -> bool:
    """Refresh the stack's state, and return whether the accounts are not as it was.

    Last of all: the run counts as one of the stack's, and a record of its runs ends with it.

    Raises:
        StackError: it failed.
    """
    refresh(stack)
    changed = read_updates(stack)[0].changed
    if changed:
        say(f"The accounts are not as the state of stack {stack} says. It was refreshed: now deploy again.")
    return changed


def _clock_ahead(caller: Caller) -> timedelta:
    """Return by how much AWS's clock is ahead of this machine's."""
    before = datetime.now(UTC)
    answer = caller.client("sts").get_caller_identity()
    return clock_ahead(aws_time(answer), before, datetime.now(UTC))


def _left(
    broken: Broken, accounts: Mapping["Side", Account], steps: Sequence[PulumiStep], record: Record
) -> list[Existing]:
    """Return what runs of the stack left in the place of what the next deployment makes; say what is somebody else's.

    Args:
        broken: the stack.
        accounts: both of its accounts, where there are steps.
        steps: of the next deployment.
        record: of the stack's runs.
    """
    planned = [item for operation in ("create", "replace") for item in planned_resources(steps, operation)]
    existing = [there for item in planned if (there := accounts[item.side].find(item)) and there.created]
    unmade = record.without(item.name for item in planned)
    left: list[Existing] = []
    for there in existing:
        if (there.planned.type, there.id) in broken.has:  # another path of the same name
            continue
        iam = accounts[there.planned.side].iam
        own, keys = _orphans(broken, iam, there.id, steps, record) if there.planned.type == USER else ([], [])
        unknown = [str(key) for key in keys if key not in own]
        why = stranger(replace(there, extras=[*there.extras, *unknown]), unmade)
        if why is None:
            left.append(there)
        else:
            complain(
                f"There is a {there.title}, and it is not provably this stack's: {why}. If it is the same relationship "
                f"made by hand, take it over: make adopt STACK={broken.stack}. Otherwise choose another name."
            )
    return left


def _take_over(broken: Broken, import_file: Mapping[str, Any], left: Sequence[Existing]) -> None:
    """Import what a run left.

    Raises:
        StackError: the user said no.
        FailedError: Pulumi refused some.
    """
    ids: dict[Side, str] = {side: str(broken.config[side]["accountId"]) for side in SIDES}
    say(f"A failed or killed run of stack {broken.stack} made these:", *report([], left, ids))
    if not broken.agreed(f"Import these {len(left)} into the stack?"):
        raise StackError(f"Nothing was imported. To do so: make mend STACK={broken.stack}")
    import_resources(broken.stack, import_document(import_file, left))


def _make_room(broken: Broken, accounts: Mapping["Side", Account], left: Sequence[Existing]) -> None:
    """Delete what a run made to replace something that the stack still has: no import can take it.

    Nobody can use it yet: AWS refuses to delete what has a key, is attached, or has something attached.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html

    Raises:
        StackError: the user said no.
        ClientError: AWS refused it.
    """
    titles = ", ".join(there.title for there in left)
    say(f"A failed or killed run of stack {broken.stack} made what is to replace another: {titles}.")
    if not broken.agreed_to_delete("Delete it, so that the next deployment can make it?"):
        raise StackError(
            f"Nothing was deleted. Delete it by hand, or run this on a terminal: make mend STACK={broken.stack}"
        )
    for there in left:
        iam = accounts[there.planned.side].iam
        if there.planned.type == ROLE:
            iam.delete_role(RoleName=there.id)
        elif there.planned.type == USER:
            iam.delete_user(UserName=there.id)
        else:
            iam.delete_policy(PolicyArn=there.id)
        say(f"Deleted {there.title}.")


def _orphans(
    broken: Broken, iam: "IAMClient", user_name: str, steps: Sequence[PulumiStep], record: Record
) -> tuple[list[AccessKey], list[AccessKey]]:
    """Return the keys of the stack's user that the state does not know: those that its runs left, and all."""
    own = [each for each in broken.resources if each["type"] == ACCESS_KEY]
    known = {each["id"] for each in own}
    try:
        strange = [key for key in read_keys(iam, user_name, with_use=True) if key.id not in known]
    except iam.exceptions.NoSuchEntityException:
        strange = []
    if not strange:
        return [], []
    wanted = [item.name for item in planned_resources(steps) if item.type == ACCESS_KEY]
    # Without outputs none was ever handed over.
    outputs = read_outputs(broken.stack) if broken.resources and broken.resources[0].get("outputs") else None
    handed_over = frozenset(key.id for key in outputs.access_keys.values()) if outputs else frozenset[str]()
    names = {*map(logical_name, own), *wanted}
    return orphans(strange, names, record, handed_over=handed_over), strange


def _delete(broken: Broken, iam: "IAMClient", user_name: str, keys: Sequence[AccessKey]) -> None:
    """Delete keys that are still as they were shown, and that the state still does not know.

    Raises:
        StackError: the stack cannot be read.
        ClientError: AWS refused it.
    """
    resources: Sequence[Mapping[str, Any]] = read_export(broken.stack)["deployment"]["resources"]
    there = read_keys(iam, user_name, with_use=True)
    for key in keys:
        if key in there and key.id not in {each.get("id") for each in resources}:
            iam.delete_access_key(UserName=user_name, AccessKeyId=key.id)
            say(f"Deleted {key}.")
