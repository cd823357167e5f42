"""The steps of a scenario, as plain data: what is done, and with what. So a case is a list that anybody can read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.aftermath import resources
from tests.faults.operations import STACK, UP
from tests.proxy import Fault
from tests.scenarios import by_hand, invariants, other_stack, truth
from tests.scenarios.world import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.operations import Done
    from tests.scenarios.world import World

TOOLS = ("python", "-m", "tools")
ONE, TWO = {"label": "1"}, {"label": "2"}
# What each setting may become; None: it is not set.
SETTINGS: dict[str, tuple[Any, ...]] = {
    "role.description": (None, "for audits"),
    "role.maxSessionDuration": (None, 7200),
    "role.policy.file": (None, "policies/changed.json"),
    "role.policy.name": (None, "Another-Policy"),
    "role.name": (None, "Another-Role"),
    "user.name": (None, "another-user"),
    "user.policyName": (None, "Another-User-Policy"),
    "user.forceDestroy": (None, True),
    "trust.externalId": (None, "an-external-id"),
    "tags": (None, {"team": "audit"}),
    "accessKeys": (None, [ONE, TWO], [TWO], [{**ONE, "status": "Inactive"}, TWO]),
}
# One that takes longer than a caller waits says the same as one that loses the answer.
FAULTS = [str(fault) for fault in Fault if fault not in (Fault.NONE, Fault.WAIT, Fault.HOLD, Fault.DELAY)]
LAST_CALL = 40  # of those that may fail


def take(world: World, step: list[Any]) -> None:
    """Take one step.

    Raises:
        BrokenError: something that must hold after it does not.
    """
    match step:
        case ["set", key, value]:
            _set(world, key, value)
        case ["by hand", what]:
            by_hand.change(world, what)
        case ["fault", fault, number]:
            world.plan(fault, number)
        case ["run", command]:
            _run(world, command)
        case ["other stack", "name", name]:
            world.other.configure({"name": name})
        case ["other stack", command]:
            _run_on_other(world, command)
        case _:
            raise NotImplementedError(step)


def _set(world: World, key: str, value: Any) -> None:
    first, *inner = key.split(".")
    section = world.project.config().get(f"assume-role:{first}")
    if inner:
        section = inside = dict(section or {})
        for name in inner[:-1]:
            inside[name] = inside = dict(inside.get(name) or {})
        inside.pop(inner[-1], None)
        if value is not None:
            inside[inner[-1]] = value
    else:
        section = value
    world.project.configure({first: section})
    world.touch()


def _run(world: World, command: str) -> None:
    faulty, plain, promise = bool(world.proxy.planned), world.is_plain(), world.promise
    done, found = COMMANDS[command](world, faulty=faulty, plain=plain)
    found += invariants.broken(world, done)
    if command == "preview" and promise and not faulty and not done.went_well:
        found.append(f"there is a difference after an up: {done.said}")
    found += _left_behind(world, done)
    if found:
        raise BrokenError("\n  - ".join([f"after {command}:", *found, str(done)]))


def _run_on_other(world: World, command: str) -> None:
    """Run a command on the second stack, but not where it would create again what was deleted behind the first."""
    if other_stack.collides(world.other) and world.in_state() - world.in_aws():
        return
    done, found = other_stack.act(world, command)
    found += invariants.broken(world, done)
    if found:
        raise BrokenError("\n  - ".join([f"after {command} of the second stack:", *found, str(done)]))


def _left_behind(world: World, done: Done) -> list[str]:
    """Return what a proof left behind and did not report; remove the rest, as a person does."""
    temporary = {each for each in world.left if " verify-" in each}
    unreported = [
        f"it did not say that it left {each}" for each in sorted(temporary) if each.split()[-1] not in done.said
    ]
    if temporary:
        by_hand.remove(world, temporary)
        world.left -= temporary
    return unreported


def _up(world: World, *, faulty: bool, plain: bool, make: bool) -> tuple[Done, list[str]]:
    plain_up = ("pulumi", "up", "--refresh", "--yes", "--skip-preview", "--stack=test")
    must = plain and not faulty and (make or not world.left)
    world.obliged += must
    done = world.command(*(UP if make else plain_up))
    world.promise = done.went_well and not world.left
    found = [f"it must succeed: {done.said}"] if must and not done.went_well else []
    if must and world.left:
        found.append(f"it left {world.left}")
    return done, [*found, *(invariants.after_up(world) if done.went_well else [])]


def _preview(world: World, **_: bool) -> tuple[Done, list[str]]:
    return world.command("pulumi", "preview", "--refresh", "--expect-no-changes", "--stack=test"), []


def _refresh(world: World, *, faulty: bool, **_: bool) -> tuple[Done, list[str]]:
    done = world.command("pulumi", "refresh", "--yes", "--skip-preview", "--stack=test")
    return done, [] if faulty or done.went_well else [f"it must succeed: {done.said}"]


def _destroy(world: World, *, faulty: bool, plain: bool) -> tuple[Done, list[str]]:
    held = world.in_aws() - world.in_state()
    must = plain and not faulty and not held
    done = world.command("pulumi", "destroy", "--yes", "--skip-preview", "--stack=test")
    world.promise = False
    found = [f"it must succeed: {done.said}"] if must and not done.went_well else []
    if done.went_well:
        found += [f"it left {each}" for each in sorted(world.in_aws() - held)]
        found += [f"the state still has {each['urn']}" for each in resources(world.project)]
    return done, found


def _verify(world: World, *, faulty: bool, **_: bool) -> tuple[Done, list[str]]:
    done = world.command(*TOOLS, "verify", "--stack", "test", "--timeout", "1")
    said = VERDICTS.get(done.status)
    if not world.outputs():
        return done, [] if said == "could not tell" else [f"nothing stands, and that is {said}"]
    wrong = truth.deviations(world, world.project.outputs())
    right = "proven" if not wrong else "could not tell" if wrong == [truth.NOBODY] else "disproven"
    allowed = {right} | ({"could not tell", "disproven"} if faulty else set())
    if "Active" not in world.user_keys().values() and "every key is inactive" in done.said:
        allowed.add("could not tell")  # after a revocation, verify says so and checks nothing else
    return done, [] if said in allowed else [f"verify says {said}, and in truth this deviates: {wrong}: {done.said}"]


def _rotate(world: World, *, options: str, **_: bool) -> tuple[Done, list[str]]:
    before = world.user_keys().get(world.outputs().get("accessKeyId", ""))
    done = world.command("make", "rotate", STACK, "YES=1", f"ARGS=--quiet-hours 0 {options}")
    world.promise = world.promise and done.went_well
    lost = before == "Active" and "Active" not in world.user_keys().values()
    return done, ["one key worked, and none does any more"] if lost else []


def _revoke(world: World, *, faulty: bool, **_: bool) -> tuple[Done, list[str]]:
    deployed = bool(world.outputs())
    done = world.command(*TOOLS, "revoke", "--stack", "test", "--yes")
    world.touch()
    active = [key for key, status in world.user_keys().items() if status == "Active"]
    found = [f"it is done, and these work: {active}"] if done.went_well and active else []
    if deployed and not faulty and world.in_state() <= world.in_aws() and not done.went_well:
        found.append("it must succeed")
    return done, found


def _tool(world: World, *, words: tuple[str, ...], **_: bool) -> tuple[Done, list[str]]:
    done = world.command(*TOOLS, *words, "--stack", "test", "--yes")
    world.promise = False
    return done, []


VERDICTS = {0: "proven", 1: "disproven", 2: "could not tell"}
COMMANDS: dict[str, Callable[..., tuple[Done, list[str]]]] = {
    "make up": partial(_up, make=True),
    "pulumi up": partial(_up, make=False),
    "preview": _preview,
    "refresh": _refresh,
    "destroy": _destroy,
    "verify": _verify,
    "rotate": partial(_rotate, options=""),
    "rotate until hand-over": partial(_rotate, options="--until-hand-over"),
    "revoke": _revoke,
    "adopt": partial(_tool, words=("adopt",)),
}
# How often each comes: by what it is worth, and what it costs.
SELDOM = ("rotate until hand-over", "revoke", "adopt", "destroy", "refresh", "preview", "make up")
OFTEN = ("pulumi up", "verify")
