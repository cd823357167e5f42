"""What holds after every command, whatever happened before. Each has its own message when it does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.faults.aftermath import resources
from tests.proxy import KEYS_A_USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.operations import Done
    from tests.scenarios.world import World

WORDS = re.compile(r"^\s*(error: |Not finished\. |Nothing |Stack (test|other) (is|could|differs) )\S+", re.MULTILINE)
BELONGS = {"trusting": ("role", "policy", "attachment"), "trusted": ("user", "key", "policy", "attachment")}


def broken(world: World, done: Done) -> list[str]:
    """Return which do not hold after a command."""
    checks = (_own_account, _two_keys, _no_secret, _unmanaged, _words)
    return [error for check in checks for error in check(world, done)]


def _own_account(world: World, _: Done) -> Iterator[str]:
    for line in world.in_aws():
        side, what = line.split(": ", 1)
        of = "user" if side == "trusting" else "role"
        if what.split()[0] not in BELONGS[side] or re.search(rf" (to|in) {of} ", what):
            yield f"in the wrong account: {line}"


def _two_keys(world: World, _: Done) -> Iterator[str]:
    iam = world.iam("trusted")
    for user in iam.list_users()["Users"]:
        keys = iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
        if len(keys) > KEYS_A_USER:
            yield f"{user['UserName']} has {len(keys)} keys"


def _no_secret(world: World, done: Done) -> Iterator[str]:
    """Search what the command printed, and every file that it may have written."""
    folder = world.project.path
    files = [*folder.glob("*.yaml"), *(each for each in (folder / ".local").rglob("*") if each.is_file())]
    texts = {"the output": done.said} | {
        str(each.relative_to(folder)): each.read_bytes().decode("latin-1") for each in files if _may_hold(each)
    }
    for place, text in texts.items():
        yield from (f"a secret stands in {place}" for secret in world.proxy.secrets if secret in text)


def _may_hold(file) -> bool:
    return not file.is_symlink() and not {"plugins", "bin"} & set(file.parts)


def _unmanaged(world: World, _: Done) -> Iterator[str]:
    if (now := world.unmanaged()) != world.before:
        yield f"unmanaged resources changed, from {world.before} to {now}"


def _words(_: World, done: Done) -> Iterator[str]:
    if "Traceback" in done.said or "panic:" in done.said:
        yield f"a traceback: {done.said}"
    if not done.went_well and not WORDS.search(done.said):
        yield f"{done.command} gave {done.status} and said no sentence: {done.said}"


def after_up(world: World) -> list[str]:
    """Return what is not as it must be after a deployment that succeeded."""
    known, there_is = world.in_state(), world.in_aws()
    outputs = world.outputs()
    found = [f"AWS lacks {each}" for each in sorted(known - there_is)]
    for name, kind in (("roleArn", "Role"), ("userArn", "User")):
        actual = world.named(kind)
        if actual is None or outputs[name] != actual["outputs"]["arn"]:
            found.append(f"the output {name} is {outputs[name]}, and the state has {actual and actual['outputs']}")
    keys = {each["id"]: each["outputs"]["status"] for each in resources(world.project) if "accessKey" in each["type"]}
    if "Active" in keys.values() and keys.get(outputs.get("accessKeyId")) != "Active":
        found.append(f"the output accessKeyId is {outputs.get('accessKeyId')}, and the state has {keys}")
    actual = world.user_keys()
    found += [f"key {key} is {actual.get(key)}, not {said}" for key, said in keys.items() if actual.get(key) != said]
    return found
