"""The row on what changes the relationship just now: a revocation, a rotation, an adoption."""

from collections.abc import Sequence

from tools.aws.keys import read_keys
from tools.aws.policies import revocation
from tools.console import StackError
from tools.proof.case import STATE, Case, Check, Finding, disproven, unknown, warning
from tools.proof.deployed import USER_KEYS, deployed_checks, read_user_keys
from tools.stack import declared_keys

IN_USE = "no revocation or rotation is under way"


def state_checks(case: Case) -> list[Check]:
    """Return the row on the state, if something is under way. From then on nothing may be put back."""
    if "user" not in case.outputs.managed:
        return []
    try:
        declared = declared_keys(case.config)
    except StackError:  # what is configured now says nothing about what is deployed
        return []
    if declared == {label: key.deployed for label, key in case.outputs.access_keys.items()}:
        if declared and ("Active" not in declared.values() or _is_revoked_elsewhere(case)):
            return [Check(STATE, IN_USE, _closed)]
        return []
    case.under_way = STATE
    return [Check(STATE, IN_USE, _rotating if "Active" in declared.values() else _closed)]


def closed_checks(case: Case) -> list[Check]:
    """Return what there is to prove where every key is declared inactive: no key can be tried."""
    return [check for check in deployed_checks(case) if check.name != USER_KEYS]


def is_closed(state: Sequence[Check]) -> bool:
    """Return whether every key is declared inactive, as after a revocation."""
    return any(check.run is _closed for check in state)


def _is_revoked_elsewhere(case: Case) -> bool:
    """Return whether the keys were revoked with another copy of the stack's file, or in the console."""
    try:
        iam, user = case.iam("user"), case.outputs.user_name
        # Not kept for the rows: AWS may not list a new key yet.
        keys = read_keys(iam, user, case.outputs.access_keys.values(), with_use=False)
        active = [key for key in keys if key.deployed == "Active"]
        closed = active and all(key.actual == "Inactive" for key in active)
        return bool(closed and revocation(iam, "user", user))
    except Exception:  # noqa: BLE001 - the rows on the account say why it cannot be read
        return False


def _closed(case: Case) -> Finding:
    active = [key.id for key in read_user_keys(case) if key.actual == "Active"]
    if active:
        again = f"It was not completed, or somebody made a key active again:\n  make revoke STACK={case.stack}"
        return disproven(f"revoked, but {', '.join(active)} is active", again)
    refused = revocation(case.iam("user"), "user", case.outputs.user_name)
    word = "revoked: every key is inactive, and older sessions are refused" if refused else "every key is inactive"
    return unknown(
        word,
        "Nobody can get in, so nothing that needs a key is tried. Do not deploy with a stack file that says Active: it "
        f"activates the keys again. For a new key, once nobody misuses the old ones:\n  make rotate STACK={case.stack}",
    )


def _rotating(case: Case) -> Finding:
    return warning(
        "accessKeys changed since the last deployment: a rotation is under way",
        f"Rows on keys may differ until it has ended. Go on with it:\n  make rotate STACK={case.stack}",
    )
