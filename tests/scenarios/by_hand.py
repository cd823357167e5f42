"""Changes by hand in the two accounts, without the stack: each a step of a scenario, by its name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.faults.operations import CHANGED_POLICY
from tests.scenarios.other_stack import collides
from tests.scenarios.world import ALLOW_ALL, ANYBODY, REFUSAL_OF_SESSIONS, UNMANAGED
from tests.tools.test_adopt import ByHand, let_the_second_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.world import World

MOST_VERSIONS = 5  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html


def _name(world: World, kind: str) -> str:
    """Return the name of the stack's role or user; of nobody where it has none."""
    resource = world.named(kind)
    return resource["inputs"]["name"] if resource else "nobody"


def _side(kind: str) -> str:
    return "trusting" if kind == "Role" else "trusted"


def _own_policy(world: World, kind: str) -> str:
    attachment = world.named(f"{kind}PolicyAttachment")
    return attachment["inputs"]["policyArn"] if attachment else "arn:aws:iam::aws:policy/None"


def _widen_trust(world: World) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": ANYBODY})
    world.iam("trusting").update_assume_role_policy(RoleName=_name(world, "Role"), PolicyDocument=document)


def _lengthen_sessions(world: World) -> None:
    world.iam("trusting").update_role(RoleName=_name(world, "Role"), MaxSessionDuration=43200)


def _rewrite(world: World, kind: str) -> None:
    iam, arn = world.iam(_side(kind)), _own_policy(world, kind)
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) < MOST_VERSIONS:
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(CHANGED_POLICY), SetAsDefault=True)


def _attach(world: World, kind: str) -> None:
    side = _side(kind)
    arn = f"arn:aws:iam::{getattr(world.project.accounts, side)}:policy/{UNMANAGED}-Policy"
    attach = getattr(world.iam(side), f"attach_{kind.lower()}_policy")
    attach(**{f"{kind}Name": _name(world, kind)}, PolicyArn=arn)


def _put(world: World, kind: str) -> None:
    put = getattr(world.iam(_side(kind)), f"put_{kind.lower()}_policy")
    put(**{f"{kind}Name": _name(world, kind)}, PolicyName="By-Hand", PolicyDocument=ALLOW_ALL)


def _detach(world: World, kind: str) -> None:
    detach = getattr(world.iam(_side(kind)), f"detach_{kind.lower()}_policy")
    detach(**{f"{kind}Name": _name(world, kind)}, PolicyArn=_own_policy(world, kind))


def _tag(world: World, kind: str) -> None:
    tag = getattr(world.iam(_side(kind)), f"tag_{kind.lower()}")
    tag(**{f"{kind}Name": _name(world, kind)}, Tags=[{"Key": "by", "Value": "hand"}])


def _delete(world: World, kind: str) -> None:
    _delete_entity(world.iam(_side(kind)), kind.lower(), _name(world, kind))


def _delete_entity(iam: Any, kind: str, name: str) -> None:
    whose = {f"{kind.title()}Name": name}
    for each in getattr(iam, f"list_attached_{kind}_policies")(**whose)["AttachedPolicies"]:
        getattr(iam, f"detach_{kind}_policy")(**whose, PolicyArn=each["PolicyArn"])
    for each in getattr(iam, f"list_{kind}_policies")(**whose)["PolicyNames"]:
        getattr(iam, f"delete_{kind}_policy")(**whose, PolicyName=each)
    if kind == "user":
        for each in iam.list_access_keys(**whose)["AccessKeyMetadata"]:
            iam.delete_access_key(**whose, AccessKeyId=each["AccessKeyId"])
    getattr(iam, f"delete_{kind}")(**whose)


def _make_key(world: World) -> None:
    if world.named("User") and len(world.user_keys()) < 2:
        world.iam("trusted").create_access_key(UserName=_name(world, "User"))
        let_the_second_pass()


def _of_newest_key(world: World, do: str, **values: str) -> None:
    if keys := world.user_keys():
        getattr(world.iam("trusted"), do)(UserName=_name(world, "User"), AccessKeyId=[*keys][-1], **values)


def _make_all(world: World) -> None:
    """Make what the program would make, where it made nothing."""
    if not world.in_state() and not world.in_aws() and not collides(world.other):
        by_hand = ByHand(world.project.accounts, world.client)
        by_hand.role()
        by_hand.user()
        let_the_second_pass()


def _tidy(world: World) -> None:
    """Remove what the state does not know: what others added, and what failed commands left."""
    remove(world, world.in_aws() - world.in_state())
    if world.refused_sessions():
        user = _name(world, "User")
        world.iam("trusted").delete_user_policy(UserName=user, PolicyName=REFUSAL_OF_SESSIONS)
    world.left = set()


def remove(world: World, lines: set[str]) -> None:
    """Remove things that are called as in ``World.in_aws``."""
    world.seen.clear()
    for line in sorted(lines, key=_order):
        side, _, what = line.partition(": ")
        iam = world.iam(side)
        match what.split():
            case ["key", key_id]:
                _delete_key(iam, key_id)
            case ["attachment", "of", arn, "to", kind, name]:
                getattr(iam, f"detach_{kind}_policy")(**{f"{kind.title()}Name": name}, PolicyArn=arn)
            case ["policy", name, "in", kind, whose]:
                getattr(iam, f"delete_{kind}_policy")(**{f"{kind.title()}Name": whose}, PolicyName=name)
            case ["policy", arn]:
                _delete_policy(iam, arn)
            case [("user" | "role") as kind, name]:
                _delete_entity(iam, kind, name)


def _delete_key(iam: Any, key_id: str) -> None:
    for user in iam.list_users()["Users"]:
        for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
            if key["AccessKeyId"] == key_id:
                iam.delete_access_key(UserName=user["UserName"], AccessKeyId=key_id)


def _delete_policy(iam: Any, arn: str) -> None:
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def _order(line: str) -> int:
    """Return what goes first: what hangs on something else."""
    if " in " in line:
        return 0
    return next(number for number, kind in enumerate(("key", "attachment", "policy", "")) if f": {kind}" in line)


CHANGES: dict[str, Callable[[World], None]] = {
    "let anybody assume the role": _widen_trust,
    "let sessions last longer": _lengthen_sessions,
    "rewrite the role's policy": lambda world: _rewrite(world, "Role"),
    "rewrite the user's policy": lambda world: _rewrite(world, "User"),
    "detach the role's policy": lambda world: _detach(world, "Role"),
    "detach the user's policy": lambda world: _detach(world, "User"),
    "attach a policy to the role": lambda world: _attach(world, "Role"),
    "attach a policy to the user": lambda world: _attach(world, "User"),
    "put a policy into the role": lambda world: _put(world, "Role"),
    "put a policy into the user": lambda world: _put(world, "User"),
    "tag the role": lambda world: _tag(world, "Role"),
    "tag the user": lambda world: _tag(world, "User"),
    "delete the role": lambda world: _delete(world, "Role"),
    "delete the user": lambda world: _delete(world, "User"),
    "make a key": _make_key,
    "delete a key": lambda world: _of_newest_key(world, "delete_access_key"),
    "make a key inactive": lambda world: _of_newest_key(world, "update_access_key", Status="Inactive"),
    "make all of it": _make_all,
    "tidy up": _tidy,
}


def change(world: World, what: str) -> None:
    """Do it, if it can be done now."""
    try:
        CHANGES[what](world)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
    world.touch()
