"""`python -m tools adopt --stack NAME`: take over a relationship that was made by hand, under the configured names.

Pulumi imports it, then previews how it differs from the program. After a no, or before a replacement, the state is
restored.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from components.iam import NAMESPACE, Side
from components.iam.limits import MAX_ACCESS_KEYS
from tools.aws.callers import Caller, administrator
from tools.cli import pulumi
from tools.console import Exit, FailedError, agreed, say
from tools.engine import ENGINE_TIMEOUT_SECONDS, PulumiStep, changes, preview
from tools.recovery.existing import (
    POLICY,
    ROLE,
    USER,
    find,
    import_resources,
    read_plan,
    run_with_file,
    stack_owner,
    state_of,
    unknown_keys,
)
from tools.stack import managed_sides, read_config

# The setting of a property that cannot change in place. A policy's have none: only another name helps.
SETTINGS: Final[Mapping[str, str]] = {
    ROLE: f"{NAMESPACE}:role.{{}}",
    USER: f"{NAMESPACE}:user.{{}}",
    POLICY: f"{NAMESPACE}:role.policy.name or {NAMESPACE}:user.policyName",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside ``--stack``."""
    parser.add_argument("--yes", action="store_true", help="import without asking")


def run(options: argparse.Namespace) -> Exit:
    """Look up, import, show the difference, ask, and restore the state after a no."""
    stack: str = options.stack
    config = read_config(stack)
    steps, import_file = read_plan(stack)
    accounts: dict[Side, Caller] = {side: administrator(side, config) for side in managed_sides(config)}
    owner, existing = stack_owner(steps), list(find(steps, accounts))
    if foreign := [each for each in existing if each.owner not in (None, owner)]:
        reasons = (each.refusal(owner, stack) for each in foreign)
        raise FailedError("\n".join(["Nothing was imported.", *map(str, reasons)]))
    if not existing:
        say(f"Nothing to adopt: AWS has nothing that stack {stack} would create.")
        say(*_key_advice(stack, steps, accounts.get("trusted")))
        return Exit.DONE
    say(f"Importing into stack {stack}:", *(f"  {each}" for each in existing))
    sure = options.yes or options.accounts.emulated or all(each.owner or each.parts for each in existing)
    before, keep = pulumi(stack, "stack", "export"), False
    try:
        import_resources(stack, import_file, existing)
        say(pulumi(stack, "preview", "--diff", "--suppress-outputs", timeout=ENGINE_TIMEOUT_SECONDS))
        _refuse_losses(stack, steps)
        keep = sure or agreed("The next `pulumi up` makes the changes above. Keep the import?", yes=False)
    finally:
        if not keep:
            run_with_file(stack, json.loads(before), "stack", "import")
    if not keep:
        say(f"Nothing was imported. To import without a question: make adopt STACK={stack} YES=1")
        return Exit.CANNOT_TELL
    say(f"Adopted {len(existing)} resources. AWS is unchanged. Deploy the difference: make up STACK={stack}")
    say(*_key_advice(stack, steps, accounts.get("trusted")))
    return Exit.DONE


def _refuse_losses(stack: str, before: Sequence[PulumiStep]) -> None:
    """Raise FailedError if the import makes the next deployment delete or replace a resource."""
    known = {str(change) for change in changes(before)}
    lost = [change for change in changes(preview(stack)) if change.operation in ("delete", "replace")]
    if lost := [change for change in lost if str(change) not in known]:
        settings = {SETTINGS.get(change.type, "").format(of) for change in lost for of in change.properties}
        raise FailedError(
            f"The next `pulumi up` would {'; '.join(map(str, lost))}. Nothing was imported. Set "
            f"{', '.join(sorted(settings))} to what AWS has, as shown above, or choose another name. Then try again."
        )


def _key_advice(stack: str, steps: Sequence[PulumiStep], trusted: Caller | None) -> Iterator[str]:
    """Yield what to do with keys made by hand: AWS shows a secret only once, so none can be imported."""
    user = next((str(new["inputs"]["name"]) for new in map(state_of, steps) if new.get("type") == USER), "")
    known = {state_of(step, "oldState").get("id") for step in steps}
    keys = unknown_keys(trusted.client("iam"), user, known) if trusted and user else []
    if keys:
        yield f"Keys of user {user} that cannot be imported: {', '.join(f'{key.id} ({key.actual})' for key in keys)}."
        yield f"A user has at most {MAX_ACCESS_KEYS} keys. Deploy the stack's key, hand it over: make up STACK={stack}"
    for key in keys:
        yield f"When nobody uses it: aws iam delete-access-key --user-name {user} --access-key-id {key.id}"
