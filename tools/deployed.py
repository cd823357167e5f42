"""Checks of what is really deployed, against what the stack says: read-only calls of the accounts' administrators.

They find what no harmless call can: a policy that allows more than anybody tries, a second policy, a second key.
Whoever has no administrator's credentials at hand sees these rows as not checked.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from tools.keys import last_used, list_keys
from tools.permissions import only_denies, same_document
from tools.proof import (
    REFUSED,
    Case,
    Check,
    Finding,
    KeyFact,
    Verdict,
    disproven,
    error_code,
    error_message,
    not_checked,
    proven,
)

TRUST_POLICY = "trust policy"
ROLE_POLICIES = "role's policies"
ROLE_LIMITS = "role's limits"
USER_POLICIES = "user's policies"
USER_LIMITS = "user's limits"
USER_KEYS = "user's keys"
OLDEST_KEY_DAYS = 90  # CIS AWS Foundations Benchmark v3 1.14


def deployed_checks(case: Case) -> list[Check]:
    """Return the checks of what is deployed."""
    repair = f"Somebody changed it, or the last deployment failed half-way. {case.put_back}"
    by_hand = f"{repair}. What the stack does not know, remove by hand."
    table: tuple[tuple[str, str, Callable[[Case], Finding], str], ...] = (
        (TRUST_POLICY, "as deployed", _trust_policy, repair),
        (ROLE_POLICIES, "those of the stack and no other, as deployed", _role_policies, by_hand),
        (ROLE_LIMITS, "session duration and boundary as deployed", _role_limits, repair),
        (USER_POLICIES, "the one that allows to assume the role, as deployed", _user_policies, by_hand),
        (USER_LIMITS, "no group, boundary as deployed", _user_limits, by_hand),
        (USER_KEYS, "those of the stack and no other, with their status", _user_keys, by_hand),
    )
    return [
        Check(name=name, expected=expected, run=_reading(read), advice=advice) for name, expected, read, advice in table
    ]


def age_checks(case: Case) -> list[Check]:
    """Return a check of each key's age, which can warn but not fail."""
    return [
        Check(
            name=f"age of key {label}",
            expected=f"at most {OLDEST_KEY_DAYS} days",
            run=_reading(lambda case, label=label: _age(case, label)),
        )
        for label in case.outputs.access_keys
    ]


def key_facts(case: Case) -> list[KeyFact]:
    """Return what the run has learned of the stack's keys; their dates only where AWS told them."""
    return [
        case.facts.get(label) or KeyFact(label=label, id=key.id, status=key.status)
        for label, key in case.outputs.access_keys.items()
    ]


def _reading(read: Callable[[Case], Finding]) -> Callable[[Case], Finding]:
    """Return the check with its own meaning for what IAM answers to an administrator."""

    def run(case: Case) -> Finding:
        try:
            return read(case)
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return disproven(error_message(error))
            if error_code(error) in REFUSED:
                return not_checked(
                    f"{error_code(error)}: {error_message(error)}",
                    "The credentials of trusting.profile and trusted.profile must be allowed to read IAM for this row.",
                )
            raise

    return run


def _trust_policy(case: Case) -> Finding:
    deployed = _role(case)["AssumeRolePolicyDocument"]
    if same_document(deployed, case.outputs.terms.trust_policy):
        return proven("as deployed")
    return disproven("it lets in others, or under other conditions, than the stack says")


def _role_policies(case: Case) -> Finding:
    iam, name = case.administrator("trusting").client("iam"), case.outputs.role_name
    attached = _listed(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    inline = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in _listed(iam, "list_role_policies", "PolicyNames", RoleName=name)
    }
    managed = frozenset(case.outputs.terms.managed_policies.values())
    return _compare_policies(
        iam, attached=attached, inline=inline, managed=managed, document=case.outputs.terms.permission_policy
    )


def _user_policies(case: Case) -> Finding:
    iam, name = case.administrator("trusted").client("iam"), case.outputs.user_name
    attached = _listed(iam, "list_attached_user_policies", "AttachedPolicies", UserName=name)
    inline = {
        policy: iam.get_user_policy(UserName=name, PolicyName=policy)["PolicyDocument"]
        for policy in _listed(iam, "list_user_policies", "PolicyNames", UserName=name)
    }
    return _compare_policies(
        iam, attached=attached, inline=inline, managed=frozenset(), document=case.outputs.terms.assume_policy
    )


def _compare_policies(
    iam: Any,  # noqa: ANN401 - a boto3 client
    *,
    attached: list[Any],
    inline: Mapping[str, Mapping[str, Any]],
    managed: frozenset[str],
    document: Mapping[str, Any],
) -> Finding:
    """Return whether the stack's document and the managed policies are all there is.

    The stack's own policy is known by its document: every further policy, and every one that is missing, is named.
    """
    arns = {str(policy["PolicyArn"]) for policy in attached}
    own = arns - managed
    same = {arn for arn in own if same_document(_default_version(iam, arn), document)}
    wrong = [f"{arn} is not attached" for arn in sorted(managed - arns)]
    if not own:
        wrong.append("the stack's own policy is not attached")
    elif not same:
        wrong.append(f"{', '.join(sorted(own))} does not say what the stack says")
    else:
        wrong += [f"{arn} is attached too" for arn in sorted(own - same)]
    wrong += [f"inline policy {name} grants more" for name, text in sorted(inline.items()) if not only_denies(text)]
    if wrong:
        return disproven("; ".join(wrong))
    if inline:
        return Finding(
            verdict=Verdict.WARNING,
            observed=f"as deployed, and inline policies that deny: {', '.join(sorted(inline))}",
            advice="They take away from what the stack allows, as after revoking sessions. Remove what is not needed.",
        )
    return proven("as deployed")


def _default_version(iam: Any, arn: str) -> Mapping[str, Any]:  # noqa: ANN401 - a boto3 client
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _role_limits(case: Case) -> Finding:
    role, allowed = _role(case), case.outputs.terms.max_session_duration
    if (longest := int(role["MaxSessionDuration"])) != allowed:
        return disproven(f"sessions may last {longest} s, and the stack says {allowed} s")
    return _compare_boundary(role, case.section("role").get("permissionsBoundary"))


def _user_limits(case: Case) -> Finding:
    iam, name = case.administrator("trusted").client("iam"), case.outputs.user_name
    groups = [group["GroupName"] for group in _listed(iam, "list_groups_for_user", "Groups", UserName=name)]
    if groups:
        return disproven(f"the user is in the groups {', '.join(groups)}, whose policies are its too")
    return _compare_boundary(iam.get_user(UserName=name)["User"], case.section("user").get("permissionsBoundary"))


def _compare_boundary(principal: Mapping[str, Any], expected: object) -> Finding:
    found = principal.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if found != (expected or None):
        return disproven(f"the permissions boundary is {found or 'none'}, and the stack says {expected or 'none'}")
    return proven("as deployed")


def _user_keys(case: Case) -> Finding:
    found: dict[str, str] = {
        key.id: key.status for key in list_keys(case.administrator("trusted").client("iam"), case.outputs.user_name)
    }
    expected = {key.id: key.status for key in case.outputs.access_keys.values()}
    wrong = [
        f"{key} is {found[key]}, and the stack says {expected[key]}"
        for key in sorted(found.keys() & expected)
        if found[key] != expected[key]
    ]
    wrong += [f"{key} is gone" for key in sorted(expected.keys() - found)]
    wrong += [f"{key} is not the stack's" for key in sorted(found.keys() - expected)]
    return disproven("; ".join(wrong)) if wrong else proven("as deployed")


def _age(case: Case, label: str) -> Finding:
    key, now = case.outputs.access_keys[label], datetime.now(UTC)
    iam = case.administrator("trusted").client("iam")
    created = next((each.created for each in list_keys(iam, case.outputs.user_name) if each.id == key.id), None)
    if created is None:
        return not_checked(f"{key.id} is gone", f"See the row on the {USER_KEYS}.")
    used = last_used(iam, key.id)
    fact = KeyFact(label=label, id=key.id, status=key.status, created=created, last_used=used)
    case.facts[label] = fact
    age = fact.age_days(now) or 0
    observed = f"{age} {'day' if age == 1 else 'days'}, last used: {f'{used:%Y-%m-%d}' if used else 'not recorded'}"
    if age <= OLDEST_KEY_DAYS:
        return proven(observed)
    return Finding(
        verdict=Verdict.WARNING,
        observed=observed,
        advice=f"An old key has had long to leak. Replace it without a gap: make rotate STACK={case.stack}",
    )


def _role(case: Case) -> Mapping[str, Any]:
    return case.administrator("trusting").client("iam").get_role(RoleName=case.outputs.role_name)["Role"]


def _listed(iam: Any, operation: str, key: str, **parameters: str) -> list[Any]:  # noqa: ANN401 - a boto3 client
    return [entry for page in iam.get_paginator(operation).paginate(**parameters) for entry in page[key]]
