"""Everything there is to prove about a relationship, also while a revocation or a rotation is under way."""

from collections.abc import Callable
from dataclasses import replace

from tools.aws.keys import read_keys
from tools.aws.policies import revocation
from tools.console import StackError
from tools.proof.case import STATE, Case, Check
from tools.proof.deployed import (
    OWNER,
    ROLE_POLICIES,
    USER_KEYS,
    USER_POLICIES,
    age_checks,
    deployed_checks,
    read_user_keys,
)
from tools.proof.refused import refusal_checks
from tools.proof.report import Row, disproven, not_checked, unknown, warning
from tools.proof.works import ASSUME, key_checks, session_checks
from tools.stack import declared_keys

EMULATED_PARTITION = "aws"
# Checks that need the ARN of a policy, which an emulator has in its own partition.
IN_PARTITION = frozenset({ROLE_POLICIES, USER_POLICIES, OWNER, ASSUME})


def all_checks(case: Case) -> list[Check]:
    """Return everything there is to prove, in order."""
    state, terms = _state(case), case.outputs.terms
    if state is _closed:  # no key can be tried
        checks = [check for check in deployed_checks(case) if check.name != USER_KEYS]
    elif not case.outputs.access_keys:  # there is none to try
        checks = [*key_checks(case), *deployed_checks(case)]
    else:
        parts = (key_checks, deployed_checks, session_checks, refusal_checks, age_checks)
        checks = [check for part in parts for check in part(case)]
    if terms.endpoint and terms.partition != EMULATED_PARTITION:
        checks = [replace(check, run=_no_partition) if check.name in IN_PARTITION else check for check in checks]
    return [Check(STATE, "no revocation or rotation is under way", state), *checks] if state else checks


def _no_partition(case: Case) -> Row:
    lacking = f"the emulator has no partition {case.outputs.terms.partition}"
    return not_checked(lacking, "Only real AWS shows what stands in its ARNs.")


def _state(case: Case) -> Callable[[Case], Row] | None:
    """Return what changes the relationship just now, if something does. From then on nothing may be put back."""
    if "user" not in case.outputs.managed:
        return None
    try:
        declared = declared_keys(case.config)
    except StackError:  # what is configured now says nothing about what is deployed
        return None
    if not declared:  # there is no key to revoke or to rotate
        return None
    case.under_way = declared != {label: key.deployed for label, key in case.outputs.access_keys.items()}
    if "Active" not in declared.values():
        return _closed
    if not case.under_way and _is_revoked_elsewhere(case):
        case.under_way = True
        return _closed
    return _rotating if case.under_way else None


def _is_revoked_elsewhere(case: Case) -> bool:
    """Return whether the keys were revoked with another copy of the stack's file, or in the console."""
    try:
        iam, user = case.iam("user"), case.outputs.user_name
        # Not kept for the rows: AWS may not list a new key yet.
        keys = read_keys(iam, user, case.outputs.access_keys.values(), with_use=False)
        closed = all(key.actual == "Inactive" for key in keys if key.deployed == "Active")
        return closed and revocation(iam, "user", user) is not None
    except Exception:  # noqa: BLE001 - the rows on the account say why it cannot be read
        return False


def _closed(case: Case) -> Row:
    active = [key.id for key in read_user_keys(case) if key.actual == "Active"]
    if active:
        again = f"It was not completed, or a key was made active again:\n  make revoke STACK={case.stack}"
        return disproven(f"revoked, but {', '.join(active)} is active", again)
    refused = revocation(case.iam("user"), "user", case.outputs.user_name)
    word = "revoked: every key is inactive, and older sessions are refused" if refused else "every key is inactive"
    return unknown(
        word,
        "No key gets in, so nothing that needs one is tried. Do not deploy with a stack file that says Active: it "
        f"activates the keys again. For a new key, once nobody misuses the old ones:\n  make rotate STACK={case.stack}",
    )


def _rotating(case: Case) -> Row:
    return warning(
        "accessKeys changed since the last deployment: a rotation is under way",
        f"Rows on keys may differ until it has ended. Go on with it:\n  make rotate STACK={case.stack}",
    )
