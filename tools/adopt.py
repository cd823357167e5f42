"""Adopt a relationship that was made by hand: what exists under the configured names becomes the stack's own.

``python -m tools.adopt --stack NAME`` looks for the role, the user, their policies and attachments in both accounts,
shows how they differ from what the program would make, and imports them through Pulumi's own import. Nothing in AWS
is changed. What would have to be replaced afterwards is not imported; the message says what to configure instead.

Exit codes: 0 adopted, nothing to adopt, or only looked at; 1 something cannot be adopted as it is; 2 could not tell, or
another change that would delete or replace something is pending; 3 stopped, run it again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from botocore.exceptions import BotoCoreError, ClientError

from iam.documents import same_document
from tools import engine
from tools.aws import administrator_session, client_config
from tools.engine import ACCESS_KEY, ENGINE_TIMEOUT_SECONDS, Change, changes
from tools.keys import UserKey, list_keys
from tools.stack import NAMESPACE, StackError, pulumi, read_config

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Side = Literal["trusting", "trusted"]

MAX_ACCESS_KEYS: Final = 2  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICY_PAGE_SIZE: Final = 1000  # the most that ListPolicies takes: an account may hold 5000
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
class Found:
    """What AWS has in the place of a planned resource."""

    planned: Planned
    title: str  # as "role Assume-Role-1"
    id: str  # as Pulumi imports it
    changes: tuple[str, ...] = ()  # what the next `pulumi up` will change
    extras: tuple[str, ...] = ()  # what stays as it is, outside the stack
    obstacles: tuple[str, ...] = ()  # why it cannot be adopted as it is, each with the fix


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the engine says it would do."""

    steps: Sequence[Mapping[str, Any]]
    import_file: dict[str, Any]  # the resources to be created, in the form that `pulumi import` reads


# The program, as its preview shows it


def preview(stack: str) -> Preview:
    """Return what the next ``pulumi up`` would do.

    Raises:
        StackError: the preview failed; the message has its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        steps = engine.preview(stack, "--show-sames", "--import-file", str(file))
        return Preview(steps=steps, import_file=json.loads(file.read_text(encoding="utf-8")))


def planned_resources(steps: Sequence[Mapping[str, Any]]) -> list[Planned]:
    """Return the IAM resources that a preview would create, in the order of the steps by hand."""
    found = [
        Planned(
            name=str(step["urn"]).rpartition("::")[2],
            type=str(state["type"]),
            side=_side(str(state["provider"])),
            inputs=_inputs(step),
        )
        for step in steps
        if step["op"] == "create" and (state := _state(step)).get("type") in ORDER
    ]
    return sorted(found, key=lambda item: ORDER.index(item.type))


def _side(provider: str) -> Side:
    """Return the account of a provider reference: a URN that ends in the provider's name, then its id."""
    return "trusting" if "trusting" in provider.split("::")[-2] else "trusted"


# What is in AWS


@dataclass(frozen=True, kw_only=True)
class Account:
    """One of the two accounts, as its administrator sees it."""

    side: Side
    iam: "IAMClient"
    tags: Mapping[str, str]  # that the stack puts on everything
    own_policies: frozenset[str]  # ARNs of the policies that the stack attaches itself

    def find(self, planned: Planned) -> Found | None:
        """Return what exists in the place of a planned resource.

        Raises:
            ClientError: AWS refused to say.
        """
        finders = {
            ROLE: self._role,
            USER: self._user,
            POLICY: self._policy,
            ROLE_ATTACHMENT: self._attachment,
            USER_ATTACHMENT: self._attachment,
        }
        if planned.type not in finders:
            return None
        try:
            return finders[planned.type](planned)
        except self.iam.exceptions.NoSuchEntityException:
            return None

    def _role(self, planned: Planned) -> Found:
        name = str(planned.inputs["name"])
        role = cast("Mapping[str, Any]", self.iam.get_role(RoleName=name)["Role"])
        return Found(
            planned=planned,
            title=f"role {name}",
            id=name,
            obstacles=tuple(_path_obstacle("role", role, planned)),
            changes=(
                *_document_change("trust policy", role["AssumeRolePolicyDocument"], planned, "assumeRolePolicy"),
                *_change("description", "role.description", role.get("Description"), planned.inputs.get("description")),
                *_change(
                    "longest session",
                    "role.maxSessionDuration",
                    role.get("MaxSessionDuration", DEFAULT_SESSION_SECONDS),
                    planned.inputs.get("maxSessionDuration", DEFAULT_SESSION_SECONDS),
                ),
                *_boundary_change("role", role, planned),
                *self._tag_change(role),
            ),
            extras=tuple(self._role_extras(name)),
        )

    def _user(self, planned: Planned) -> Found:
        name = str(planned.inputs["name"])
        user = cast("Mapping[str, Any]", self.iam.get_user(UserName=name)["User"])
        return Found(
            planned=planned,
            title=f"user {name}",
            id=name,
            obstacles=tuple(_path_obstacle("user", user, planned)),
            changes=(*_boundary_change("user", user, planned), *self._tag_change(user)),
            extras=tuple(self._user_extras(name)),
        )

    def _policy(self, planned: Planned) -> Found | None:
        name = str(planned.inputs["name"])
        arn = self._policy_arn(name)
        if arn is None:
            return None
        policy = cast("Mapping[str, Any]", self.iam.get_policy(PolicyArn=arn)["Policy"])
        version = self.iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        return Found(
            planned=planned,
            title=f"policy {name}",
            id=arn,
            obstacles=tuple(_policy_obstacles(policy, planned)),
            changes=(
                *_document_change("document", cast("Any", version).get("Document"), planned, "policy"),
                *self._tag_change(policy),
            ),
        )

    def _policy_arn(self, name: str) -> str | None:
        """Return the ARN of the account's own policy of that name; names are unique whatever the path."""
        pages = self.iam.get_paginator("list_policies").paginate(
            Scope="Local", PaginationConfig={"PageSize": POLICY_PAGE_SIZE}
        )
        return next(
            (policy.get("Arn") for page in pages for policy in page["Policies"] if policy.get("PolicyName") == name),
            None,
        )

    def _attachment(self, planned: Planned) -> Found | None:
        arn = str(planned.inputs["policyArn"])
        holder = str(planned.inputs["role" if planned.type == ROLE_ATTACHMENT else "user"])
        attached = self._attached_to_role(holder) if planned.type == ROLE_ATTACHMENT else self._attached_to_user(holder)
        if arn not in attached:
            return None
        title = f"attachment of {arn.rpartition('/')[2]} to {holder}"
        return Found(planned=planned, title=title, id=f"{holder}/{arn}")

    def _attached_to_role(self, name: str) -> list[str]:
        pages = self.iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        return [policy.get("PolicyArn", "") for page in pages for policy in page["AttachedPolicies"]]

    def _attached_to_user(self, name: str) -> list[str]:
        pages = self.iam.get_paginator("list_attached_user_policies").paginate(UserName=name)
        return [policy.get("PolicyArn", "") for page in pages for policy in page["AttachedPolicies"]]

    def _role_extras(self, name: str) -> Iterator[str]:
        yield from (f"attached policy {arn}" for arn in self._attached_to_role(name) if arn not in self.own_policies)
        for page in self.iam.get_paginator("list_role_policies").paginate(RoleName=name):
            yield from (f"inline policy {inline}" for inline in page["PolicyNames"])

    def _user_extras(self, name: str) -> Iterator[str]:
        yield from (f"attached policy {arn}" for arn in self._attached_to_user(name) if arn not in self.own_policies)
        for inlines in self.iam.get_paginator("list_user_policies").paginate(UserName=name):
            yield from (f"inline policy {inline}" for inline in inlines["PolicyNames"])
        for groups in self.iam.get_paginator("list_groups_for_user").paginate(UserName=name):
            yield from (f"membership in group {group['GroupName']}" for group in groups["Groups"])

    def _tag_change(self, existing: Mapping[str, Any]) -> Iterator[str]:
        listed = cast("list[Mapping[str, str]]", existing.get("Tags") or [])
        yield from _change("tags", "tags", {tag["Key"]: tag["Value"] for tag in listed}, dict(self.tags))

    def keys(self, user_name: str) -> list[UserKey]:
        """Return the user's access keys; none where there is no such user."""
        try:
            return list_keys(self.iam, user_name)
        except self.iam.exceptions.NoSuchEntityException:
            return []


def _change(what: str, setting: str, theirs: object, ours: object) -> Iterator[str]:
    if (theirs or None) != (ours or None):
        yield f"{what}: {_shown(theirs)} becomes {_shown(ours)} (to keep it, set {NAMESPACE}:{setting})"


def _boundary_change(section: Side | str, existing: Mapping[str, Any], planned: Planned) -> Iterator[str]:
    boundary = cast("Mapping[str, str]", existing.get("PermissionsBoundary") or {})
    theirs = boundary.get("PermissionsBoundaryArn")
    setting = f"{section}.permissionsBoundary"
    yield from _change("permissions boundary", setting, theirs, planned.inputs.get("permissionsBoundary"))


def _document_change(what: str, theirs: object, planned: Planned, key: str) -> Iterator[str]:
    """Yield the change of a policy document, if the two do not mean the same; boto3 has decoded what AWS holds."""
    existing = cast("Mapping[str, Any]", theirs if isinstance(theirs, Mapping) else json.loads(str(theirs)))
    ours: dict[str, Any] = json.loads(str(planned.inputs[key]))
    if not same_document(existing, ours):
        setting = "trust" if key == "assumeRolePolicy" else "role.policy.file"
        hint = f" (compare {NAMESPACE}:{setting})" if planned.side == "trusting" else ""
        yield f"{what}: {_shown(existing)} becomes {_shown(ours)}{hint}"


def _shown(value: object) -> str:
    return "none" if value in (None, "", {}) else json.dumps(value, default=str)


def _path_obstacle(section: Literal["role", "user"], existing: Mapping[str, Any], planned: Planned) -> Iterator[str]:
    theirs, ours = str(existing.get("Path") or "/"), str(planned.inputs.get("path") or "/")
    if theirs != ours:
        yield (
            f"its path is {theirs}, the program's is {ours}, and another path makes another {section}. "
            f"Keep it with: pulumi config set --path {NAMESPACE}:{section}.path {theirs}"
        )


def _policy_obstacles(existing: Mapping[str, Any], planned: Planned) -> Iterator[str]:
    """Yield what AWS never changes on a policy and the program never sets."""
    setting = POLICY_NAME_SETTINGS[planned.side]
    fix = (
        "The program makes policies without either, and AWS cannot change it. Let the program make one of its own "
        f"beside it: pulumi config set --path {NAMESPACE}:{setting} NEW-NAME. Detach and delete this one afterwards"
    )
    if (path := str(existing.get("Path") or "/")) != str(planned.inputs.get("path") or "/"):
        yield f"it has the path {path}. {fix}"
    elif existing.get("Description"):
        yield f"it has a description ({existing['Description']!r}). {fix}"


def open_account(side: Side, config: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Account:
    """Return one of the two accounts, open to whoever administers the stack.

    Args:
        side: which of the two.
        config: the stack's configuration.
        steps: of a preview; they tell which policies the stack attaches.

    Raises:
        StackError: there are no credentials for it.
    """
    endpoint: str | None = config.get("endpoint") or None
    iam = administrator_session(side, config).client(
        "iam", endpoint_url=endpoint, config=client_config(endpoint=endpoint)
    )
    return Account(
        side=side,
        iam=iam,
        tags=cast("Mapping[str, str]", config.get("tags") or {}),
        own_policies=frozenset(str(inputs["policyArn"]) for inputs in map(_inputs, steps) if "policyArn" in inputs),
    )


def _state(step: Mapping[str, Any], key: Literal["newState", "oldState"] = "newState") -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", step.get(key) or {})


def _inputs(step: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", _state(step).get("inputs") or {})


def find_all(planned: Sequence[Planned], accounts: Mapping[Side, Account]) -> list[Found]:
    """Return what exists of the planned resources.

    Raises:
        StackError: AWS did not answer, or refused to.
    """
    try:
        return [found for item in planned if (found := accounts[item.side].find(item))]
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"Cannot look at what is there: {error}. Whoever adopts must be allowed to read IAM in both accounts."
        ) from None


# Words


def report(planned: Sequence[Planned], found: Sequence[Found], ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that show what is there and what adopting it means."""
    for side, account_id in ids.items():
        there = [item for item in found if item.planned.side == side]
        if there:
            yield f"In the {side} account {account_id}:"
        for item in there:
            yield f"  {'cannot adopt' if item.obstacles else 'adopt'} {item.title}"
            yield from (f"      in the way: {obstacle}" for obstacle in item.obstacles)
            yield from (f"      the next `pulumi up` changes its {change}" for change in item.changes)
            yield from (f"      stays as it is, outside the stack: {extra}" for extra in item.extras)
    names = {item.planned.name for item in found}
    for item in planned:
        if item.name not in names and item.type != ACCESS_KEY:
            kind = item.type.rpartition(":")[2]
            yield f"Not there: {kind} {item.inputs.get('name', item.name)}. The next `pulumi up` creates it."


def key_advice(
    stack: str, user_name: str, keys: Sequence[UserKey], new: int, config: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the lines that say how to move from keys made by hand to the stack's, without a gap.

    Args:
        stack: name of the stack.
        user_name: whose keys they are.
        keys: those that the user has and the stack does not.
        new: how many the next ``pulumi up`` makes.
        config: the stack's configuration.
    """
    if not keys:
        return
    yield f"Keys of {user_name} made by hand: {', '.join(f'{key.id} ({key.status})' for key in keys)}."
    yield "AWS tells a key's secret only once, so no tool can adopt one: it goes on working until you remove it."
    yield "To move to the stack's key without a gap:"
    surplus = max(len(keys) + new - MAX_ACCESS_KEYS, 0)
    spare = sorted(keys, key=lambda key: key.status == "Active")[:surplus]  # inactive ones first
    old = [key for key in keys if key not in spare]
    steps = [
        *(step for key in spare for step in _removal(key, user_name, config, last=False)),
        *([f"pulumi up --stack {stack} makes the stack's key beside what is left; all of them work."] if new else []),
        f"python -m tools.verify --stack {stack} proves it. It names the keys made by hand as long as they are there.",
        f"Hand it to whoever uses an old one: pulumi stack output awsConfig --show-secrets --stack {stack}",
        *(step for key in old for step in _removal(key, user_name, config, last=True)),
    ]
    yield from (f"  {number}. {step}" for number, step in enumerate(steps, start=1))


def _removal(key: UserKey, user_name: str, config: Mapping[str, Any], *, last: bool) -> Iterator[str]:
    """Yield the steps that remove a key and can be taken back until the last of them."""
    account_settings = cast("Mapping[str, Any]", config.get("trusted") or {})
    profile, endpoint = account_settings.get("profile"), config.get("endpoint")
    aws = "aws iam" + (f" --profile {profile}" if profile else "") + (f" --endpoint-url {endpoint}" if endpoint else "")
    if not last:
        yield (
            f"A user has at most {MAX_ACCESS_KEYS} keys, so {key.id}, or the other one if nobody uses that, must go "
            f"first. See who uses it: {aws} get-access-key-last-used --access-key-id {key.id}"
        )
    yield (
        f"Make {key.id} inactive: {aws} update-access-key --user-name {user_name} --access-key-id {key.id} "
        "--status Inactive (with --status Active it works again at once)."
    )
    yield (
        "Wait a day or more, to be sure that nobody misses it, then delete it: "
        f"{aws} delete-access-key --user-name {user_name} --access-key-id {key.id}"
    )


# The import


def import_document(import_file: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any]:
    """Return the file that ``pulumi import`` reads: what was found with its ids, and the parents and providers of all.

    Args:
        import_file: what ``pulumi preview --import-file`` wrote; it has every resource that is still to be created.
        found: what is to be imported.
    """
    ids = {(item.planned.type, item.planned.name): item.id for item in found}
    resources: list[dict[str, Any]] = []
    for resource in cast("list[dict[str, Any]]", import_file.get("resources") or []):
        key = (str(resource["type"]), str(resource.get("logicalName") or resource["name"]))
        if key in ids:
            resources.append(resource | {"id": ids[key]})
        elif "id" not in resource:  # a component or a provider: nothing in AWS, but others hang on it
            resources.append(resource)
    return {**import_file, "resources": resources}


def import_all(stack: str, document: Mapping[str, Any]) -> None:
    """Import resources into the stack.

    Raises:
        StackError: Pulumi refused some; what was imported before stays imported.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
        pulumi(stack, "import", "--file", str(file), *flags, timeout=ENGINE_TIMEOUT_SECONDS)


def losses(steps: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return what a preview would take away: the resources that it deletes, or makes anew in another's place."""
    return [change for change in changes(steps) if change.operation.startswith(("delete", "replace"))]


def pending_changes(steps: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return the resources that a preview would create or update."""
    custom = [step for step in steps if _state(step).get("custom")]
    return [change for change in changes(custom) if change.operation in ("create", "update")]


def foreign_keys(keys: Sequence[UserKey], steps: Sequence[Mapping[str, Any]]) -> list[UserKey]:
    """Return the keys that are not the stack's own."""
    states = [_state(step, "oldState") for step in steps]
    own = {str(state["id"]) for state in states if state.get("type") == ACCESS_KEY}
    return [key for key in keys if key.id not in own]


def keys_advice(
    stack: str, config: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], trusted: Account
) -> list[str]:
    """Return the lines about the keys that the user has and the stack does not; see ``key_advice``.

    Raises:
        StackError: AWS did not tell.
    """
    user_name = next((str(_inputs(step)["name"]) for step in steps if _state(step).get("type") == USER), "")
    new = sum(item.type == ACCESS_KEY for item in planned_resources(steps))
    try:
        keys = trusted.keys(user_name) if user_name else []
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"Cannot look at the access keys of {user_name}: {error}.") from None
    return list(key_advice(stack, user_name, foreign_keys(keys, steps), new, config))


def adopt(stack: str, *, yes: bool) -> int:
    """Look, show, ask and import; return the exit code.

    Args:
        stack: name of the stack.
        yes: import without asking.

    Raises:
        StackError: the stack or an account could not be read, or Pulumi refused the import.
    """
    config = read_config(stack)
    ahead = preview(stack)
    if lost := losses(ahead.steps):
        raise StackError(
            f"Other changes of stack {stack} are pending: {'; '.join(map(str, lost))}. Nothing was imported. "
            f"Deploy them first, or take them back: pulumi preview --diff --stack {stack} shows them. "
            "Then run this again."
        )
    planned = planned_resources(ahead.steps)
    accounts: dict[Side, Account] = {
        "trusting": open_account("trusting", config, ahead.steps),
        "trusted": open_account("trusted", config, ahead.steps),
    }
    found = find_all(planned, accounts)
    advice = keys_advice(stack, config, ahead.steps, accounts["trusted"])
    if not found:
        missing = [item for item in planned if item.type != ACCESS_KEY]
        _say(
            f"Nothing to adopt: nothing of what `pulumi up --stack {stack}` would create exists yet."
            if missing
            else f"Nothing to adopt: stack {stack} has the role, the user, and their policies.",
            *advice,
        )
        return 0
    _say(*report(planned, found, {side: str(config[side]["accountId"]) for side in accounts}))
    if any(item.obstacles for item in found):
        _say("Nothing was imported. Do what is said above, then run this again.")
        return 1
    if not yes and not agreed(len(found), stack):
        _say(f"Nothing was imported. To do so: python -m tools.adopt --stack {stack} --yes")
        return 0
    try:
        import_all(stack, import_document(ahead.import_file, found))
    except StackError as error:
        _complain(f"{error}\nWhat was imported stays imported. Run this again to go on.")
        return 1
    after = preview(stack).steps
    if lost := losses(after):
        _say(f"Imported, but the next `pulumi up` would: {'; '.join(map(str, lost))}. Look at it before you deploy:")
        _say(f"  pulumi preview --diff --stack {stack}")
        return 1
    _say(f"Adopted {len(found)} resources. Nothing in AWS was changed, and nothing will be replaced.")
    if pending := pending_changes(after):
        _say("The next `pulumi up` will:", *(f"  {change}" for change in pending))
    _say(*advice)
    return 0


def agreed(count: int, stack: str) -> bool:
    """Return whether the person at the terminal wants it; where there is none, nobody does."""
    if not sys.stdin.isatty():
        return False
    return input(f"Import these {count} into stack {stack}? [y/N] ").strip().lower() in ("y", "yes")


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a command


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 - a command


def main(arguments: Sequence[str] | None = None) -> int:
    """Adopt what exists under the configured names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.adopt", description="Adopt a relationship made by hand.")
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack that takes it over")
    parser.add_argument("--yes", action="store_true", help="import without asking")
    given = parser.parse_args(arguments)
    try:
        return adopt(given.stack, yes=given.yes)
    except StackError as error:
        _complain(str(error))
        return 2
    except (KeyboardInterrupt, EOFError):
        _complain("Stopped. What was imported stays imported. Run this again to go on.")
        return 3


if __name__ == "__main__":
    sys.exit(main())
