"""What adopting means: what the program plans, against what AWS has in its place. Decides, and calls nobody."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast

from components.iam import Side
from components.iam.documents import Document, same_document
from components.iam.limits import MAX_ACCESS_KEYS
from tools.engine import ACCESS_KEY, Change, PulumiStep, changes, logical_name
from tools.keys import AccessKey
from tools.stack import NAMESPACE, Kind

Resource: TypeAlias = Mapping[str, Any]
"""A role, a user or a policy: as AWS answers, or as the program wants it."""

DEFAULT_SESSION_SECONDS: Final = 3600  # AWS's own, where a role does not say

ROLE: Final = "aws:iam/role:Role"
USER: Final = "aws:iam/user:User"
POLICY: Final = "aws:iam/policy:Policy"
ROLE_ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
USER_ATTACHMENT: Final = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
ORDER: Final = (ROLE, POLICY, ROLE_ATTACHMENT, USER, USER_ATTACHMENT, ACCESS_KEY)
# Which setting names each policy: another name is the way out where the one that exists cannot become the program's.
POLICY_NAME_SETTINGS: Final[Mapping[Side, str]] = {"trusting": "role.policy.name", "trusted": "user.policyName"}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A resource that the next ``pulumi up`` would create."""

    name: str  # its logical name, as "assume-role-trusting-role"
    type: str
    side: Side  # of the account it belongs to
    inputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Existing:
    """What AWS has in the place of a planned resource."""

    planned: Planned
    title: str  # as "role Assume-Role-1"
    id: str  # as Pulumi imports it
    created: datetime | None = None  # AWS has no date for an attachment
    changes: Sequence[str] = ()  # what the next `pulumi up` will change
    extras: Sequence[str] = ()  # what stays as it is, outside the stack
    obstacles: Sequence[str] = ()  # why it cannot be adopted as it is, each with the fix


# The program, as its preview shows it


def planned_resources(steps: Sequence[PulumiStep], operation: str = "create") -> list[Planned]:
    """Return the IAM resources that a preview would create, or ``replace``, in the order of the steps by hand."""
    planned = [
        Planned(
            name=logical_name(step),
            type=str(state["type"]),
            # A provider reference is a URN that ends in the provider's name, then its id.
            side="trusting" if "trusting" in str(state["provider"]).split("::")[-2] else "trusted",
            inputs=inputs_of(step),
        )
        for step in steps
        if step["op"] == operation and (state := state_of(step)).get("type") in ORDER
    ]
    return sorted(planned, key=lambda item: ORDER.index(item.type))


def state_of(step: PulumiStep, key: Literal["newState", "oldState"] = "newState") -> Mapping[str, Any]:
    """Return the resource of a step as it would be, or as it is."""
    return cast("Mapping[str, Any]", step.get(key) or {})


def inputs_of(step: PulumiStep) -> Mapping[str, Any]:
    """Return what the program says of the resource of a step."""
    return cast("Mapping[str, Any]", state_of(step).get("inputs") or {})


def losses(steps: Sequence[PulumiStep]) -> list[Change]:
    """Return what a preview would take away: the resources that it deletes, or makes anew in another's place."""
    return [change for change in changes(steps) if change.operation.startswith(("delete", "replace"))]


def pending_changes(steps: Sequence[PulumiStep]) -> list[Change]:
    """Return the resources that a preview would create or update."""
    custom = [step for step in steps if state_of(step).get("custom")]
    return [change for change in changes(custom) if change.operation in ("create", "update")]


def import_document(import_file: Mapping[str, Any], existing: Sequence[Existing]) -> dict[str, Any]:
    """Return the file that ``pulumi import`` reads: what exists with its ids, and the parents and providers of all.

    Args:
        import_file: what ``pulumi preview --import-file`` wrote; it has every resource that is still to be created.
        existing: what is to be imported.
    """
    ids = {(item.planned.type, item.planned.name): item.id for item in existing}
    resources: list[dict[str, Any]] = []
    for resource in cast("list[dict[str, Any]]", import_file.get("resources") or []):
        key = (str(resource["type"]), str(resource.get("logicalName") or resource["name"]))
        if key in ids:
            resources.append(resource | {"id": ids[key]})
        elif "id" not in resource:  # a component or a provider: nothing in AWS, but others hang on it
            resources.append(resource)
    return {**import_file, "resources": resources}


# What AWS has in its place


def existing_role(planned: Planned, role: Resource, *, tags: Mapping[str, str], extras: Sequence[str]) -> Existing:
    """Return what adopting a role means: ``role`` is as GetRole answers, ``extras`` what it has beside.

    ``tags`` are those that the stack puts on everything.
    """
    ours = planned.inputs
    longest = [role.get("MaxSessionDuration"), ours.get("maxSessionDuration")]
    theirs_longest, ours_longest = (seconds or DEFAULT_SESSION_SECONDS for seconds in longest)
    return Existing(
        planned=planned,
        title=f"role {ours['name']}",
        id=str(ours["name"]),
        created=role.get("CreateDate"),
        obstacles=[*_path_obstacle("role", role, ours)],
        changes=[
            *_document_change("trust policy", "trust", role["AssumeRolePolicyDocument"], ours["assumeRolePolicy"]),
            *_change("description", "role.description", role.get("Description"), ours.get("description")),
            *_change("longest session", "role.maxSessionDuration", theirs_longest, ours_longest),
            *_boundary_change("role", role, ours),
            *_tag_change(role, tags),
        ],
        extras=extras,
    )


def existing_user(planned: Planned, user: Resource, *, tags: Mapping[str, str], extras: Sequence[str]) -> Existing:
    """Return what adopting a user means; the arguments are as those of ``existing_role``."""
    ours = planned.inputs
    return Existing(
        planned=planned,
        title=f"user {ours['name']}",
        id=str(ours["name"]),
        created=user.get("CreateDate"),
        obstacles=[*_path_obstacle("user", user, ours)],
        changes=[*_boundary_change("user", user, ours), *_tag_change(user, tags)],
        extras=extras,
    )


def existing_policy(planned: Planned, policy: Resource, document: Document, *, tags: Mapping[str, str]) -> Existing:
    """Return what adopting a policy means: it is there as GetPolicy answers, and says ``document``."""
    ours, setting = planned.inputs, "role.policy.file" if planned.side == "trusting" else None
    return Existing(
        planned=planned,
        title=f"policy {ours['name']}",
        id=str(policy["Arn"]),
        created=policy.get("CreateDate"),
        obstacles=[*_policy_obstacle(policy, planned)],
        changes=[*_document_change("document", setting, document, ours["policy"]), *_tag_change(policy, tags)],
    )


def _change(what: str, setting: str, theirs: object, ours: object) -> Iterator[str]:
    if (theirs or None) != (ours or None):
        yield f"{what}: {_words(theirs)} becomes {_words(ours)} (to keep it, set {NAMESPACE}:{setting})"


def _boundary_change(section: Kind, theirs: Resource, ours: Resource) -> Iterator[str]:
    boundary = theirs.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    setting = f"{section}.permissionsBoundary"
    return _change("permissions boundary", setting, boundary, ours.get("permissionsBoundary"))


def _tag_change(theirs: Resource, ours: Mapping[str, str]) -> Iterator[str]:
    tags: list[Mapping[str, str]] = theirs.get("Tags") or []
    return _change("tags", "tags", {tag["Key"]: tag["Value"] for tag in tags}, dict(ours))


def _document_change(what: str, setting: str | None, theirs: Document, ours: str) -> Iterator[str]:
    """Yield the change of a policy document, if the two do not mean the same."""
    planned: dict[str, Any] = json.loads(ours)
    if not same_document(theirs, planned):
        hint = f" (compare {NAMESPACE}:{setting})" if setting else ""
        yield f"{what}: {_words(theirs)} becomes {_words(planned)}{hint}"


def _words(value: object) -> str:
    return "none" if value in (None, "", {}) else json.dumps(value, default=str)


def _path_obstacle(section: Kind, theirs: Resource, ours: Resource) -> Iterator[str]:
    there, here = str(theirs.get("Path") or "/"), str(ours.get("path") or "/")
    if there != here:
        yield (
            f"its path is {there}, the program's is {here}, and another path makes another {section}. "
            f"Keep it with: pulumi config set --path {NAMESPACE}:{section}.path {there}"
        )


def _policy_obstacle(theirs: Resource, planned: Planned) -> Iterator[str]:
    """Yield what AWS never changes on a policy and the program never sets."""
    path, description = str(theirs.get("Path") or "/"), theirs.get("Description")
    other_path = path != str(planned.inputs.get("path") or "/")
    if other_path or description:
        what = f"the path {path}" if other_path else f"a description ({description!r})"
        yield (
            f"it has {what}. The program makes policies without either, and AWS cannot change it. Let the program make "
            f"one of its own beside it: pulumi config set --path {NAMESPACE}:{POLICY_NAME_SETTINGS[planned.side]} "
            "NEW-NAME. Detach and delete this one afterwards"
        )


def report(planned: Sequence[Planned], existing: Sequence[Existing], ids: Mapping[Side, str]) -> Iterator[str]:
    """Yield the lines that show what is there and what adopting it means; ``ids`` are those of the accounts."""
    for side, account_id in ids.items():
        there = [item for item in existing if item.planned.side == side]
        if there:
            yield f"In the {side} account {account_id}:"
        for item in there:
            yield f"  {'cannot adopt' if item.obstacles else 'adopt'} {item.title}"
            yield from (f"      in the way: {obstacle}" for obstacle in item.obstacles)
            yield from (f"      the next `pulumi up` changes its {change}" for change in item.changes)
            yield from (f"      stays as it is, outside the stack: {extra}" for extra in item.extras)
    names = {item.planned.name for item in existing}
    for item in planned:
        if item.name not in names and item.type != ACCESS_KEY:
            kind = item.type.rpartition(":")[2]
            yield f"Not there: {kind} {item.inputs.get('name', item.name)}. The next `pulumi up` creates it."


# How to move from access keys made by hand to the stack's, without a gap: in words, for a person to do


def key_advice(
    stack: str, user_name: str, keys: Sequence[AccessKey], new: int, config: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the lines that say how.

    Args:
        stack: name of the stack.
        user_name: whose keys they are.
        keys: those that the user has and the stack does not.
        new: how many the next ``pulumi up`` makes.
        config: the stack's configuration, which says how to sign in.
    """
    if not keys:
        return
    yield f"Keys of {user_name} made by hand: {', '.join(f'{key.id} ({key.actual})' for key in keys)}."
    yield "AWS tells a key's secret only once, so no tool can adopt one: it goes on working until you remove it."
    yield "To move to the stack's key without a gap:"
    surplus = max(len(keys) + new - MAX_ACCESS_KEYS, 0)
    spare = sorted(keys, key=lambda key: key.actual == "Active")[:surplus]  # inactive ones first
    aws = _aws(config)
    steps = [
        *(step for key in spare for step in [_room(key, aws), *_removal(key, user_name, aws)]),
        *([f"pulumi up --stack {stack} makes the stack's key beside what is left; all of them work."] if new else []),
        f"python -m tools verify --stack {stack} proves it. It names the keys made by hand as long as they are there.",
        f"Hand it to whoever uses an old one: pulumi stack output awsConfig --show-secrets --stack {stack}",
        *(step for key in keys if key not in spare for step in _removal(key, user_name, aws)),
    ]
    yield from (f"  {number}. {step}" for number, step in enumerate(steps, start=1))


def _aws(config: Mapping[str, Any]) -> str:
    """Return the AWS CLI, as the administrator of the trusted account calls it."""
    account: Mapping[str, Any] = config.get("trusted") or {}
    options = {"--profile": account.get("profile"), "--endpoint-url": config.get("endpoint")}
    return " ".join(["aws iam", *(f"{option} {value}" for option, value in options.items() if value)])


def _room(key: AccessKey, aws: str) -> str:
    """Return the step that looks whether a key may go, before there is one in its place."""
    return (
        f"A user has at most {MAX_ACCESS_KEYS} keys, so {key.id}, or the other one if nobody uses that, must go first. "
        f"See who uses it: {aws} get-access-key-last-used --access-key-id {key.id}"
    )


def _removal(key: AccessKey, user_name: str, aws: str) -> Iterator[str]:
    """Yield the steps that remove a key and can be taken back until the last of them."""
    yield (
        f"Make {key.id} inactive: {aws} update-access-key --user-name {user_name} --access-key-id {key.id} "
        "--status Inactive (with --status Active it works again at once)."
    )
    yield (
        "Wait a day or more, to be sure that nobody misses it, then delete it: "
        f"{aws} delete-access-key --user-name {user_name} --access-key-id {key.id}"
    )
