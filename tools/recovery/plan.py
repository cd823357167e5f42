"""Resources in AWS that a stack would create: the look-up, their owner, and their import into the stack."""

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from botocore.exceptions import ClientError

from components.iam import NAMESPACE, Side
from components.iam.owner import OWNER_TAG
from tools.aws.callers import Caller, all_pages
from tools.aws.errors import NOT_FOUND, error_code
from tools.aws.keys import AccessKey, read_keys
from tools.aws.policies import attached_policies
from tools.cli import pulumi
from tools.console import StackError
from tools.engine import ENGINE_TIMEOUT_SECONDS, PulumiStep, preview
from tools.stack import Kind

ROLE: Final = "aws:iam/role:Role"
USER: Final = "aws:iam/user:User"
POLICY: Final = "aws:iam/policy:Policy"
SECRET: Final = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a resource type
PARAMETER: Final = "aws:ssm/parameter:Parameter"
HOLDERS: Final[Mapping[str, Kind]] = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "role",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "user",
}
LARGE_PAGES: Final = {"PageSize": 1000}  # the largest page of ListPolicies: an account may hold 5,000 policies


@dataclass(frozen=True, kw_only=True)
class Existing:
    """A resource in AWS with the identity of one that the next deployment would create."""

    urn: str  # of the planned resource
    type: str
    side: Side
    id: str  # as ``pulumi import`` takes it
    tags: Mapping[str, str] | None = None  # None: an attachment, which takes none
    parts: frozenset[str] = frozenset()  # of an attachment: the name of its role or user, and the policy's ARN

    def __str__(self) -> str:
        return f"{self.type.rpartition(':')[2]} {self.id} ({self.side} account)"

    @property
    def owner(self) -> str | None:
        """The value of its owner tag; None without one."""
        return (self.tags or {}).get(OWNER_TAG)

    def refusal(self, owner: str, stack: str) -> str | None:
        """Return why stack ``stack`` must not take it over; None where ``owner``, its own, is the owner."""
        other_names = f"choose other names: pulumi config set {NAMESPACE}:name NAME --stack {stack}"
        if self.owner is None:
            return (
                f"{self} exists and has no owner tag. If it is this relationship, made by hand, take it over: "
                f"make adopt STACK={stack}. If it is something else, {other_names}"
            )
        return None if self.owner == owner else f"{self} belongs to stack {self.owner}. For this stack, {other_names}"


def read_plan(stack: str) -> tuple[list[PulumiStep], dict[str, Any]]:
    """Return the steps of the next ``pulumi up``, and the import file that lists what it creates.

    Raises:
        StackError: the preview failed; the message has its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        steps = preview(stack, "--show-sames", "--import-file", str(file))
        return steps, json.loads(file.read_text(encoding="utf-8"))


def stack_owner(steps: Sequence[PulumiStep]) -> str:
    """Return the value of the owner tag that the stack's providers put on everything."""
    for step in steps:
        new = state_of(step)
        if new.get("type") == "pulumi:providers:aws" and "defaultTags" in new["inputs"]:
            return str(json.loads(new["inputs"]["defaultTags"])["tags"][OWNER_TAG])
    raise StackError("The program sets no owner tag. Run this in the project's own folder, with its own components.")


def find(
    steps: Sequence[PulumiStep], accounts: Mapping[Side, Caller], operations: Collection[str] = ("create",)
) -> Iterator[Existing]:
    """Yield the resources in AWS that have the identity of those that these steps would create.

    Raises:
        ClientError: AWS refused a look-up.
        StackError: a secret of that name waits for its deletion.
    """
    for step in steps:
        new = state_of(step)
        if step["op"] not in operations or "provider" not in new:
            continue
        # A provider reference is a URN that ends in the provider's name, then its id.
        side: Side = "trusting" if "trusting" in str(new["provider"]).split("::")[-2] else "trusted"
        kind = str(new["type"])
        try:
            found = _look_up(accounts[side], kind, new["inputs"])
        except ClientError as error:
            if error_code(error) not in NOT_FOUND:
                raise
            continue
        if found:
            yield Existing(urn=str(step["urn"]), type=kind, side=side, **found)


def _look_up(account: Caller, kind: str, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the id, tags and parts of the resource in AWS that these inputs identify."""
    iam, name = account.client("iam"), str(inputs.get("name"))
    if kind == ROLE:
        return _described(name, iam.get_role(RoleName=name)["Role"])
    if kind == USER:
        return _described(name, iam.get_user(UserName=name)["User"])
    if kind == POLICY:  # names are unique in an account, whatever the path
        policies = all_pages(iam, "list_policies", "Policies", Scope="Local", PaginationConfig=LARGE_PAGES)
        arn = next((each["Arn"] for each in policies if each["PolicyName"].casefold() == name.casefold()), None)
        return _described(arn, iam.get_policy(PolicyArn=arn)["Policy"]) if arn else None
    if kind == SECRET:
        secret = account.client("secretsmanager").describe_secret(SecretId=name)
        if "DeletedDate" in secret:
            raise StackError(
                f"Secret {name} is scheduled for deletion, so its name is still taken. Restore it, then deploy again: "
                f"aws secretsmanager restore-secret --secret-id {name}"
            )
        return _described(secret["ARN"], secret)
    if kind == PARAMETER:
        tags = account.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        return _described(name, {"Tags": tags["TagList"]})
    if kind in HOLDERS:
        holder, arn = str(inputs[HOLDERS[kind]]), str(inputs["policyArn"])
        if arn in attached_policies(iam, HOLDERS[kind], holder):
            return {"id": f"{holder}/{arn}", "parts": frozenset({holder, arn})}
    return None


def _described(id: str, answer: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - Pulumi's word
    return {"id": id, "tags": {tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])}}


def unknown_keys(iam: Any, user: str, known: Collection[object]) -> list[AccessKey]:  # noqa: ANN401 - a client of botocore
    """Return the access keys of a user but those with the known ids; none where there is no such user."""
    try:
        return [key for key in read_keys(iam, user, with_use=True) if key.id not in known]
    except iam.exceptions.NoSuchEntityException:
        return []


def import_resources(stack: str, import_file: Mapping[str, Any], existing: Sequence[Existing]) -> None:
    """Import resources into the stack, with their components and providers.

    Raises:
        StackError: Pulumi refused; a part may be imported.
    """
    ids = {(item.type, item.urn.rpartition("::")[2]): item.id for item in existing}
    resources: list[dict[str, Any]] = []
    for resource in cast("list[dict[str, Any]]", import_file.get("resources") or []):
        key = (str(resource["type"]), str(resource.get("logicalName") or resource["name"]))
        if key in ids:
            resources.append(resource | {"id": ids[key]})
        elif "id" not in resource:  # a component or a provider
            resources.append(resource)
    flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
    run_with_file(stack, {**import_file, "resources": resources}, "import", *flags)


def run_with_file(stack: str, content: Mapping[str, Any], *command: str) -> None:
    """Run a command of ``pulumi`` that reads JSON from a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "content.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        pulumi(stack, *command, "--file", str(file), timeout=ENGINE_TIMEOUT_SECONDS)


def state_of(step: PulumiStep, key: Literal["newState", "oldState"] = "newState") -> Mapping[str, Any]:
    """Return the resource of a step as it is planned, or as the state has it."""
    return cast("Mapping[str, Any]", step.get(key) or {})
