"""A second stack in the same two accounts: under names of its own, or under the same ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.faults.aftermath import resources
from tests.faults.operations import run

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.faults.operations import Done
    from tests.scenarios.world import World

NAME = "other"
NAMES = (NAME, None)  # None: the default names, which the first stack has, or would have
COMMANDS = {
    "up": ("make", "up", f"STACK={NAME}"),
    "verify": ("make", "verify", f"STACK={NAME}"),
    "adopt": ("make", "adopt", f"STACK={NAME}", "YES=1"),
    "rotate": ("make", "rotate", f"STACK={NAME}", "YES=1"),
    "destroy": ("make", "destroy", f"STACK={NAME}"),
}


def beside(project: Project) -> Project:
    """Return the second stack of a project, which is not deployed."""
    other = replace(project, stack=NAME)
    shutil.copy2(project.stack_file, other.stack_file)
    other.configure({"name": NAME, "role": None, "tags": None, "accessKeys": None})
    other.init()
    return other


def collides(other: Project) -> bool:
    """Return whether the second stack has, or may have, names that the first one wants."""
    return "assume-role:name" not in other.config() or bool(
        [each for each in resources(other) if each["inputs"].get("name", NAME).partition("-")[0] != NAME]
    )


def act(world: World, command: str) -> tuple[Done, list[str]]:
    """Run a command on the second stack; return what does not hold after it."""
    other = world.other
    world.proxy.planned.clear()
    before, must = world.holdings(world.project), command in ("up", "destroy") and not collides(other)
    done = run(other, *COMMANDS[command])
    world.seen.clear()
    found = [f"it must succeed: {done.said}"] if must and not done.went_well else []
    if world.holdings(world.project) != before:
        found.append(f"{command} of stack {NAME} changed what the first stack has, from {before}")
    return done, found
