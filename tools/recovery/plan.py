"""What a stack would create next, and which of it AWS has already: the look-up, the owner, and the import."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from botocore.exceptions import ClientError

from components.iam import NAMESPACE, Side
from components.iam.owner import OWNER_TAG
from tools.aws.callers import Caller, administrator, all_pages
from tools.aws.errors import NOT_FOUND, error_code
from tools.aws.keys import AccessKey, read_keys
from tools.aws.policies import attached_policies
from tools.cli import pulumi
from tools.console import StackError
from tools.engine import ENGINE_TIMEOUT_SECONDS, PulumiStep, preview
from tools.stack import Kind, managed_sides, read_config

ROLE: Final = "aws:iam/role:Role"
USER: Final = "aws:iam/user:User"
POLICY: Final = "aws:iam/policy:Policy"
SECRET: Final = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a resource type
PARAMETER: Final = "aws:ssm/parameter:Parameter"
ATTACHMENTS: Final[Mapping[str, Kind]] = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "role",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "user",
}
LARGE_PAGES: Final = {"PageSize": 1000}  # the largest page of ListPolicies: an account may hold 5,000 policies
Found = tuple[str, list[dict[str, str]]]  # the id, as ``pulumi import`` takes it, and the tags


@dataclass(frozen=True, kw_only=True)
class Existing:
    """A resource in AWS with the identity of one that the next deployment would create."""

    urn: str  # of the planned resource
    type: str
    side: Side
    id: str
    owner: str | None  # the value of its owner tag

    def __str__(self) -> str:
        return f"{self.type.rpartition(':')[2]} {self.id} ({self.side} account)"

    @property
    def ends(self) -> list[str]:
        """The role or the user, and the policy, of an attachment, which takes no tags; else nothing."""
        return self.id.split("/", 1) if self.type in ATTACHMENTS else []


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The next `pulumi up` of a stack, and the accounts in which it makes its half."""

    stack: str
    steps: Sequence[PulumiStep]
    import_file: Mapping[str, Any]  # Pulumi's own list of what it would create
    accounts: Mapping[Side, Caller]

    @property
    def owner(self) -> str:
        """The value of the owner tag that the stack's providers put on everything."""
        for new in map(planned, self.steps):
            if new.get("type") == "pulumi:providers:aws" and "defaultTags" in new["inputs"]:
                return str(json.loads(new["inputs"]["defaultTags"])["tags"][OWNER_TAG])
        raise StackError(
            "The program sets no owner tag. Run this in the project's own folder, with its own components."
        )

    def existing(self, *operations: str) -> Iterator[Existing]:
        """Yield the resources in AWS that steps with these operations would create.

        Raises:
            ClientError: AWS refused a look-up.
            StackError: a secret of that name waits for its deletion.
        """
        for step in self.steps:
            new = planned(step)
            if step["op"] not in operations or "provider" not in new:
                continue
            # A provider reference is a URN that ends in the provider's name, then its id.
            side: Side = "trusting" if "trusting" in str(new["provider"]).split("::")[-2] else "trusted"
            try:
                found = _look_up(self.accounts[side], str(new["type"]), new["inputs"])
            except ClientError as error:
                if error_code(error) not in NOT_FOUND:
                    raise
                continue
            if found:
                owner = next((tag["Value"] for tag in found[1] if tag["Key"] == OWNER_TAG), None)
                yield Existing(urn=step["urn"], type=new["type"], side=side, id=found[0], owner=owner)

    def refusal(self, found: Existing) -> str | None:
        """Return why the stack must not take over a resource; None where it is its own, or an attachment."""
        if found.owner == self.owner or found.ends:
            return None
        other_names = f"choose other names: pulumi config set {NAMESPACE}:name NAME --stack {self.stack}"
        if found.owner:
            return f"{found} belongs to stack {found.owner}. For this stack, {other_names}"
        return (
            f"{found} exists and has no owner tag. If it is this relationship, made by hand, take it over: "
            f"make adopt STACK={self.stack}. If it is something else, {other_names}"
        )

    def take(self, existing: Sequence[Existing]) -> None:
        """Import resources into the stack, with their components and providers.

        Raises:
            StackError: Pulumi refused; a part may be imported.
        """
        ids = {(each.type, each.urn.rpartition("::")[2]): {"id": each.id} for each in existing}
        resources: list[dict[str, Any]] = self.import_file.get("resources") or []
        named = [resource | ids.get((resource["type"], _name(resource)), {}) for resource in resources]
        # A component or a provider has no id; of a resource that is not there it is a placeholder.
        wanted = [each for each in named if "id" not in each or (each["type"], _name(each)) in ids]
        flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
        with TemporaryDirectory() as folder:
            file = Path(folder) / "import.json"
            file.write_text(json.dumps({**self.import_file, "resources": wanted}), encoding="utf-8")
            pulumi(self.stack, "import", "--file", str(file), *flags, timeout=ENGINE_TIMEOUT_SECONDS)

    def unknown_keys(self, user: str, known: Collection[object]) -> list[AccessKey]:
        """Return the access keys of the user but those with the known ids; none without a user of the stack's own."""
        if not user or "trusted" not in self.accounts:
            return []
        iam = self.accounts["trusted"].client("iam")
        try:
            return [key for key in read_keys(iam, user, with_use=True) if key.id not in known]
        except iam.exceptions.NoSuchEntityException:
            return []


def _name(resource: Mapping[str, str]) -> str:
    """Return the logical name of a resource in an import file."""
    return resource.get("logicalName") or resource["name"]


def read_plan(stack: str) -> Plan:
    """Return the next `pulumi up` of a stack, and sign in to its accounts.

    Raises:
        StackError: the preview failed, with its words in the message, or nobody is signed in to an account.
    """
    with ThreadPoolExecutor() as pool, TemporaryDirectory() as folder:
        reading = pool.submit(read_config, stack)
        file = Path(folder) / "import.json"
        steps = preview(stack, "--show-sames", "--import-file", str(file))
        config = reading.result()
        accounts: dict[Side, Caller] = {side: administrator(side, config) for side in managed_sides(config)}
        return Plan(stack=stack, steps=steps, import_file=json.loads(file.read_bytes()), accounts=accounts)


def planned(step: PulumiStep) -> Mapping[str, Any]:
    """Return the resource of a step as it is planned; empty where it is to be deleted."""
    return step.get("newState") or {}


def _look_up(account: Caller, kind: str, inputs: Mapping[str, Any]) -> Found | None:
    """Return the resource in AWS that these inputs identify."""
    iam, name = account.client("iam"), str(inputs.get("name"))
    if kind == ROLE:
        return name, iam.get_role(RoleName=name)["Role"].get("Tags", [])
    if kind == USER:
        return name, iam.get_user(UserName=name)["User"].get("Tags", [])
    if kind == POLICY:  # names are unique in an account, whatever the path
        policies = all_pages(iam, "list_policies", "Policies", Scope="Local", PaginationConfig=LARGE_PAGES)
        arn = next((each["Arn"] for each in policies if each["PolicyName"].casefold() == name.casefold()), None)
        return (arn, iam.get_policy(PolicyArn=arn)["Policy"].get("Tags", [])) if arn else None
    if kind == SECRET:
        secret = account.client("secretsmanager").describe_secret(SecretId=name)
        if "DeletedDate" in secret:
            raise StackError(
                f"Secret {name} is scheduled for deletion, so its name is still taken. Restore it, then deploy again: "
                f"aws secretsmanager restore-secret --secret-id {name}"
            )
        return secret["ARN"], secret.get("Tags", [])
    if kind == PARAMETER:
        return name, account.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    if kind in ATTACHMENTS:
        holder, arn = str(inputs[ATTACHMENTS[kind]]), str(inputs["policyArn"])
        return (f"{holder}/{arn}", []) if arn in attached_policies(iam, ATTACHMENTS[kind], holder) else None
    return None
