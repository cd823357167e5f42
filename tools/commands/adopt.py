"""`python -m tools adopt --stack NAME`: what was made by hand under the configured names becomes the stack's own.

It looks for the role, the user, their policies and attachments in both accounts, shows how they differ from what the
program would make, and imports them through Pulumi's own import. Nothing in AWS is changed. What would have to be
replaced afterwards is not imported; the message says what to configure instead.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.iam import Side
from tools.adoption import (
    POLICY,
    ROLE,
    ROLE_ATTACHMENT,
    USER,
    USER_ATTACHMENT,
    Existing,
    Planned,
    existing_policy,
    existing_role,
    existing_user,
    import_document,
    inputs_of,
    key_advice,
    losses,
    pending_changes,
    planned_resources,
    report,
    state_of,
)
from tools.callers import administrator, all_pages
from tools.console import agreed, say
from tools.engine import ACCESS_KEY, ENGINE_TIMEOUT_SECONDS, PulumiStep, preview
from tools.errors import Exit, FailedError, StackError
from tools.keys import AccessKey, read_keys
from tools.policies import attached_policies, inline_policies
from tools.stack import Kind, pulumi, read_config

SIDES: Final[tuple[Side, ...]] = ("trusting", "trusted")
LARGE_PAGES: Final = {"PageSize": 1000}  # the most that ListPolicies takes: an account may hold 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="import without asking")


def run(options: argparse.Namespace) -> Exit:
    """Look, show, ask and import."""
    stack: str = options.stack
    config = read_config(stack)
    steps, import_file = preview_to_import(stack)
    if lost := losses(steps):
        raise StackError(
            f"Other changes of stack {stack} are pending: {'; '.join(map(str, lost))}. Nothing was imported. "
            f"Deploy them first, or take them back: pulumi preview --diff --stack {stack} shows them. "
            "Then run this again."
        )
    planned = planned_resources(steps)
    accounts = {side: open_account(side, config, steps) for side in SIDES}
    existing = [there for item in planned if (there := accounts[item.side].find(item))]
    advice = _advice_on_keys(stack, config, steps, accounts["trusted"])
    if not existing:
        missing = [item for item in planned if item.type != ACCESS_KEY]
        say(
            f"Nothing to adopt: nothing of what `pulumi up --stack {stack}` would create exists yet."
            if missing
            else f"Nothing to adopt: stack {stack} has the role, the user, and their policies.",
            *advice,
        )
        return Exit.DONE
    say(*report(planned, existing, {side: str(config[side]["accountId"]) for side in SIDES}))
    if any(item.obstacles for item in existing):
        raise FailedError("Nothing was imported. Do what is said above, then run this again.")
    if not agreed(f"Import these {len(existing)} into stack {stack}?", yes=options.yes):
        say(f"Nothing was imported. To do so: python -m tools adopt --stack {stack} --yes")
        return Exit.DONE
    import_resources(stack, import_document(import_file, existing))
    _tell_what_is_left(stack, len(existing))
    say(*advice)
    return Exit.DONE


def preview_to_import(stack: str) -> tuple[list[PulumiStep], dict[str, Any]]:
    """Return the steps of the next ``pulumi up``, and what it creates in the form that ``pulumi import`` reads.

    Raises:
        StackError: the preview failed; the message has its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        steps = preview(stack, "--show-sames", "--import-file", str(file))
        return steps, json.loads(file.read_text(encoding="utf-8"))


def import_resources(stack: str, document: Mapping[str, Any]) -> None:
    """Import resources into the stack.

    Raises:
        FailedError: Pulumi refused some.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false")
        try:
            pulumi(stack, "import", "--file", str(file), *flags, timeout=ENGINE_TIMEOUT_SECONDS)
        except StackError as error:
            raise FailedError(f"{error}\nWhat was imported stays imported. Run this again to go on.") from None


def _tell_what_is_left(stack: str, count: int) -> None:
    """Say what the next deployment does to what was imported."""
    steps = preview(stack)
    if lost := losses(steps):
        raise FailedError(
            f"Imported, but the next `pulumi up` would: {'; '.join(map(str, lost))}. Look at it before you deploy: "
            f"pulumi preview --diff --stack {stack}"
        )
    say(f"Adopted {count} resources. Nothing in AWS was changed, and nothing will be replaced.")
    if pending := pending_changes(steps):
        say("The next `pulumi up` will:", *(f"  {change}" for change in pending))


@dataclass(frozen=True, kw_only=True)
class Account:
    """One of the two accounts, as its administrator sees it."""

    iam: Any  # a client of botocore
    tags: Mapping[str, str]  # that the stack puts on everything
    own_policies: frozenset[str]  # ARNs of the policies that the stack attaches itself

    def find(self, planned: Planned) -> Existing | None:
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
        find = finders.get(planned.type)
        try:
            return find(planned) if find else None
        except self.iam.exceptions.NoSuchEntityException:
            return None

    def _role(self, planned: Planned) -> Existing:
        name = str(planned.inputs["name"])
        role = self.iam.get_role(RoleName=name)["Role"]
        return existing_role(planned, role, tags=self.tags, extras=self._extras("role", name))

    def _user(self, planned: Planned) -> Existing:
        name = str(planned.inputs["name"])
        user = self.iam.get_user(UserName=name)["User"]
        groups = all_pages(self.iam, "list_groups_for_user", "Groups", UserName=name)
        extras = [*self._extras("user", name), *(f"membership in group {group['GroupName']}" for group in groups)]
        return existing_user(planned, user, tags=self.tags, extras=extras)

    def _policy(self, planned: Planned) -> Existing | None:
        # The account's own policy of that name: names are unique whatever the path.
        policies = all_pages(self.iam, "list_policies", "Policies", Scope="Local", PaginationConfig=LARGE_PAGES)
        arn = next((each["Arn"] for each in policies if each["PolicyName"] == planned.inputs["name"]), None)
        if arn is None:
            return None
        policy = self.iam.get_policy(PolicyArn=arn)["Policy"]
        version = self.iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        return existing_policy(planned, policy, version["Document"], tags=self.tags)

    def _attachment(self, planned: Planned) -> Existing | None:
        kind = "role" if planned.type == ROLE_ATTACHMENT else "user"
        holder, arn = str(planned.inputs[kind]), str(planned.inputs["policyArn"])
        if arn not in attached_policies(self.iam, kind, holder):
            return None
        title = f"attachment of {arn.rpartition('/')[2]} to {holder}"
        return Existing(planned=planned, title=title, id=f"{holder}/{arn}")

    def _extras(self, kind: Kind, name: str) -> list[str]:
        attached = [arn for arn in attached_policies(self.iam, kind, name) if arn not in self.own_policies]
        inline = inline_policies(self.iam, kind, name)
        return [*(f"attached policy {arn}" for arn in attached), *(f"inline policy {policy}" for policy in inline)]

    def keys(self, user_name: str) -> list[AccessKey]:
        """Return the user's access keys; none where there is no such user."""
        try:
            return read_keys(self.iam, user_name, with_use=False)
        except self.iam.exceptions.NoSuchEntityException:
            return []


def open_account(side: Side, config: Mapping[str, Any], steps: Sequence[PulumiStep]) -> Account:
    """Return one of the two accounts, open to whoever administers the stack.

    Raises:
        StackError: there are no credentials for it.
    """
    return Account(
        iam=administrator(side, config).client("iam"),
        tags=next((inputs["tagsAll"] for inputs in map(inputs_of, steps) if "tagsAll" in inputs), dict[str, str]()),
        own_policies=frozenset(str(inputs["policyArn"]) for inputs in map(inputs_of, steps) if "policyArn" in inputs),
    )


def _advice_on_keys(
    stack: str, config: Mapping[str, Any], steps: Sequence[PulumiStep], trusted: Account
) -> Iterator[str]:
    """Return the lines about the keys that the user has and the stack does not."""
    user_name = next((str(inputs_of(step)["name"]) for step in steps if state_of(step).get("type") == USER), "")
    own = {state_of(step, "oldState").get("id") for step in steps}
    strange = [key for key in trusted.keys(user_name) if key.id not in own] if user_name else []
    new = sum(item.type == ACCESS_KEY for item in planned_resources(steps))
    return key_advice(stack, user_name, strange, new, config)
