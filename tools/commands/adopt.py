"""`python -m tools adopt --stack NAME`: take over a relationship that was made by hand, under the configured names.

Pulumi imports it, then previews how it differs from the program. After a no, or before a replacement, the state is
restored.
"""

import argparse
from collections.abc import Iterator, Mapping
from tempfile import TemporaryDirectory
from typing import Final

from components.iam import NAMESPACE
from components.iam.limits import MAX_ACCESS_KEYS
from tools.cli import pulumi
from tools.console import Exit, FailedError, agreed, say
from tools.engine import ACCESS_KEY, ENGINE_TIMEOUT_SECONDS, changes, preview
from tools.recovery.plan import POLICY, ROLE, USER, Plan, planned, read_plan

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
    plan = read_plan(stack)
    existing = list(plan.existing("create"))
    if foreign := [each for each in existing if each.owner not in (None, plan.owner)]:
        raise FailedError("\n".join(["Nothing was imported.", *map(str, map(plan.refusal, foreign))]))
    if not existing:
        say(f"Nothing to adopt: AWS has nothing that stack {stack} would create.", *_key_advice(plan))
        return Exit.DONE
    say(f"Importing into stack {stack}:", *(f"  {each}" for each in existing))
    keep = False
    with TemporaryDirectory() as folder:
        state = f"{folder}/state.json"
        pulumi(stack, "stack", "export", "--file", state)
        try:
            plan.take(existing)
            say(pulumi(stack, "preview", "--diff", "--suppress-outputs", timeout=ENGINE_TIMEOUT_SECONDS))
            _refuse_losses(plan)
            sure = options.yes or options.accounts.emulated or all(each.owner or each.ends for each in existing)
            keep = sure or agreed("The next `pulumi up` makes the changes above. Keep the import?", yes=False)
        finally:
            if not keep:
                pulumi(stack, "stack", "import", "--file", state)
    if not keep:
        say(f"Nothing was imported. To import without a question: make adopt STACK={stack} YES=1")
        return Exit.CANNOT_TELL
    say(f"Adopted {len(existing)} resources. AWS is unchanged. Deploy the difference: make up STACK={stack}")
    say(*_key_advice(plan))
    return Exit.DONE


def _refuse_losses(before: Plan) -> None:
    """Raise FailedError if the import makes the next deployment delete or replace a resource."""
    known = {str(change) for change in changes(before.steps)}
    lost = [change for change in changes(preview(before.stack)) if change.operation in ("delete", "replace")]
    if lost := [change for change in lost if str(change) not in known]:
        settings = {SETTINGS.get(change.type, "").format(of) for change in lost for of in change.properties}
        raise FailedError(
            f"The next `pulumi up` would {'; '.join(map(str, lost))}. Nothing was imported. Set "
            f"{', '.join(sorted(settings))} to what AWS has, as shown above, or choose another name. Then try again."
        )


def _key_advice(plan: Plan) -> Iterator[str]:
    """Yield what to do with keys made by hand: AWS shows a secret only once, so none can be imported."""
    user = next((str(new["inputs"]["name"]) for new in map(planned, plan.steps) if new.get("type") == USER), "")
    known = {old.get("id") for old in (step.get("oldState", {}) for step in plan.steps)}
    keys = plan.unknown_keys(user, known)
    if keys:
        yield f"Keys of user {user} that cannot be imported: {', '.join(f'{key.id} ({key.actual})' for key in keys)}."
    if keys and any(new.get("type") == ACCESS_KEY for new in map(planned, plan.steps)):
        yield f"A user has at most {MAX_ACCESS_KEYS} keys. Deploy the stack's key and hand it over:"
        yield f"  make up STACK={plan.stack}"
    for key in keys:
        yield f"When nobody uses it: aws iam delete-access-key --user-name {user} --access-key-id {key.id}"
