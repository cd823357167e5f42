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
USER_PASSWORD = "user's password"  # noqa: S105 - the name of a row
USER_CREDENTIALS = "user's other credentials"
TAGS = "tags"
# What else a user can show to AWS: the call that lists it, where the list is in the answer, and what names each.
CREDENTIALS = (
    ("SSH public key", "list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId"),
    ("signing certificate", "list_signing_certificates", "Certificates", "CertificateId"),
    (
        "service-specific credential",
        "list_service_specific_credentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
    ),
)
OLDEST_KEY_DAYS = 90  # CIS AWS Foundations Benchmark v3 1.14


def deployed_checks(case: Case) -> list[Check]:
    """Return the checks of what is deployed."""
    repair = f"Somebody changed it, or the last deployment failed half-way. {case.put_back}"
    by_hand = f"{repair}. What the stack does not know, remove by hand."
    remove_password = (
        "Whoever knows it gets in by the console, and no revoked key stops them. The stack makes none, so remove it: "
        f"aws iam delete-login-profile --user-name {case.outputs.user_name}"
    )
    table: tuple[tuple[str, str, Callable[[Case], Finding], str], ...] = (
        (TRUST_POLICY, "as deployed", _trust_policy, repair),
        (ROLE_POLICIES, "those of the stack and no other, as deployed", _role_policies, by_hand),
        (ROLE_LIMITS, "session duration and boundary as deployed", _role_limits, repair),
        (USER_POLICIES, "the one that allows to assume the role, as deployed", _user_policies, by_hand),
        (USER_LIMITS, "no group, boundary as deployed", _user_limits, by_hand),
        (USER_KEYS, "those of the stack and no other, with their status", _user_keys, by_hand),
        (USER_PASSWORD, "none: the user has no console login", _user_password, remove_password),
        (USER_CREDENTIALS, "none", _user_credentials, "The stack makes none of these. Remove them by hand."),
        (TAGS, "those of the stack and no other, on role and user", _tags, by_hand),
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
    managed, document = frozenset(case.outputs.terms.managed_policies.values()), case.outputs.terms.permission_policy
    own = _own_policy(case, "role", case.outputs.trusting_account_id)
    return _compare_policies(iam, attached=attached, inline=inline, own=own, managed=managed, document=document)


def _user_policies(case: Case) -> Finding:
    iam, name = case.administrator("trusted").client("iam"), case.outputs.user_name
    attached = _listed(iam, "list_attached_user_policies", "AttachedPolicies", UserName=name)
    inline = {
        policy: iam.get_user_policy(UserName=name, PolicyName=policy)["PolicyDocument"]
        for policy in _listed(iam, "list_user_policies", "PolicyNames", UserName=name)
    }
    own, document = _own_policy(case, "user", case.outputs.trusted_account_id), case.outputs.terms.assume_policy
    return _compare_policies(iam, attached=attached, inline=inline, own=own, managed=frozenset(), document=document)


def _own_policy(case: Case, principal: str, account_id: str) -> str | None:
    """Return the ARN of the policy that the stack made for the role or the user; None where its terms do not say."""
    names = case.outputs.terms.policy_names
    return f"arn:{case.outputs.terms.partition}:iam::{account_id}:policy/{names[principal]}" if names else None


def _compare_policies(
    iam: Any,  # noqa: ANN401 - a boto3 client
    *,
    attached: list[Any],
    inline: Mapping[str, Mapping[str, Any]],
    own: str | None,
    managed: frozenset[str],
    document: Mapping[str, Any],
) -> Finding:
    """Return whether the stack's own policy and the managed policies are all there is.

    Every further policy, and every one that is missing, is named. Where the terms do not name the stack's own policy,
    it is known by its document.
    """
    arns = {str(policy["PolicyArn"]) for policy in attached}
    wrong = [f"{arn} is not attached" for arn in sorted(managed - arns)]
    if own is None:
        strangers = sorted(arns - managed)
        own = next((arn for arn in strangers if same_document(_default_version(iam, arn), document)), None)
    if own not in arns:
        wrong.append(f"the stack's own policy{f' {own}' if own else ''} is not attached")
    elif not same_document(_default_version(iam, own), document):
        wrong.append(f"{own} does not say what the stack says")
    wrong += [f"{arn} is attached too" for arn in sorted(arns - managed - {own})]
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
    longest = int(role["MaxSessionDuration"])
    wrong = [f"sessions may last {longest} s, and the stack says {allowed} s"] if longest != allowed else []
    return _compare_limits(case, "role", role, wrong)


def _user_limits(case: Case) -> Finding:
    iam, name = case.administrator("trusted").client("iam"), case.outputs.user_name
    groups = [group["GroupName"] for group in _listed(iam, "list_groups_for_user", "Groups", UserName=name)]
    wrong = [f"the user is in the groups {', '.join(groups)}, whose policies are its too"] if groups else []
    return _compare_limits(case, "user", _user(case), wrong)


def _compare_limits(case: Case, name: str, principal: Mapping[str, Any], wrong: list[str]) -> Finding:
    """Return what is wrong with a role or a user: what was found so far, and its permissions boundary."""
    boundaries = case.outputs.terms.permissions_boundaries
    boundary = principal.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundaries is not None and boundary != (expected := boundaries.get(name)):
        wrong = [*wrong, f"the permissions boundary is {boundary or 'none'}, and the stack says {expected or 'none'}"]
    if wrong:
        return disproven("; ".join(wrong))
    if boundaries is None:
        return not_checked(f"all but the permissions boundary, which is {boundary or 'none'}", case.deploy_again)
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


def _user_password(case: Case) -> Finding:
    try:
        case.administrator("trusted").client("iam").get_login_profile(UserName=case.outputs.user_name)
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return proven("none")
        raise
    return disproven("the user has a console password")


def _user_credentials(case: Case) -> Finding:
    iam, found, untold = case.administrator("trusted").client("iam"), list[str](), list[str]()
    for what, operation, key, identifier in CREDENTIALS:
        try:
            answer = getattr(iam, operation)(UserName=case.outputs.user_name)
        except ClientError as error:
            if error_code(error) != "InvalidAction":
                raise
            untold.append(f"{what}s")
        else:
            found += [f"{what} {entry[identifier]}" for entry in answer[key]]
    if found:
        return disproven("; ".join(found))
    if untold:
        return not_checked(f"not told: {', '.join(untold)}", "Only real AWS can: emulators lack the calls.")
    return proven("none")


def _tags(case: Case) -> Finding:
    """Compare tags, which can decide who gets in (``aws:PrincipalTag``) but mostly do not: a warning at most."""
    tags = case.outputs.terms.tags
    if tags is None:
        return not_checked("not compared", case.deploy_again)
    wrong = [
        f"{what}'s tag {key}"
        for what, principal in (("role", _role(case)), ("user", _user(case)))
        for key in sorted({key for key, _ in _tags_of(principal) ^ tags.items()})
    ]
    if wrong:
        return Finding(verdict=Verdict.WARNING, observed=f"not as deployed: {', '.join(wrong)}")
    return proven("as deployed")


def _tags_of(principal: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tags of a role or a user but those that AWS itself gives, whose keys nobody else can use."""
    tags = {(str(tag["Key"]), str(tag["Value"])) for tag in principal.get("Tags", [])}
    return {(key, value) for key, value in tags if not key.lower().startswith("aws:")}


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


def _user(case: Case) -> Mapping[str, Any]:
    return case.administrator("trusted").client("iam").get_user(UserName=case.outputs.user_name)["User"]


def _listed(iam: Any, operation: str, key: str, **parameters: str) -> list[Any]:  # noqa: ANN401 - a boto3 client
    return [entry for page in iam.get_paginator(operation).paginate(**parameters) for entry in page[key]]
