"""Checks of what is really deployed, against what the stack says: read-only calls of the accounts' administrators.

They find what no harmless call can: a policy that allows more than anybody tries, a second policy, a second key.
Whoever has no administrator's credentials at hand sees these rows as not checked.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from iam.documents import same_document
from iam.limits import MAX_ACCESS_KEY_DAYS
from tools.answers import NO_SUCH_ENTITY, REFUSED, error_code, error_text
from tools.callers import all_pages
from tools.keys import AccessKey, last_used, read_keys
from tools.policies import role_policies, user_policies
from tools.proof import Case, Check, Finding, Verdict, as_deployed, disproven, not_checked, proven

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
        (ROLE_POLICIES, "those of the stack and no other, as deployed", role_policies, by_hand),
        (ROLE_LIMITS, "session duration and boundary as deployed", _role_limits, repair),
        (USER_POLICIES, "the one that allows to assume the role, as deployed", user_policies, by_hand),
        (USER_LIMITS, "no group, boundary as deployed", _user_limits, by_hand),
        (USER_KEYS, "those of the stack and no other, with their status", _user_keys, by_hand),
        (USER_PASSWORD, "none: the user has no console login", _user_password, remove_password),
        (USER_CREDENTIALS, "none", _user_credentials, "The stack makes none of these. Remove them by hand."),
        (TAGS, "those of the stack and no other, on role and user", _tags, by_hand),
    )
    return [
        Check(name=name, expected=expected, run=partial(_as_administrator, read=read), advice=advice)
        for name, expected, read, advice in table
    ]


def age_checks(case: Case) -> list[Check]:
    """Return a check of each key's age, which can warn but not fail."""
    return [
        Check(
            name=f"age of key {label}",
            expected=f"at most {MAX_ACCESS_KEY_DAYS} days",
            run=partial(_as_administrator, read=partial(_age, label=label)),
        )
        for label in case.outputs.access_keys
    ]


def _as_administrator(case: Case, *, read: Callable[[Case], Finding]) -> Finding:
    """Return what a check observed; what IAM answers to an administrator has a meaning of its own."""
    try:
        return read(case)
    except ClientError as error:
        if error_code(error) == NO_SUCH_ENTITY:
            return disproven(error_text(error))
        if error_code(error) in REFUSED:
            return not_checked(
                error_text(error),
                "The credentials of trusting.profile and trusted.profile must be allowed to read IAM for this row.",
            )
        raise


def _trust_policy(case: Case) -> Finding:
    same = same_document(_role(case)["AssumeRolePolicyDocument"], case.outputs.terms.trust_policy)
    return as_deployed([] if same else ["it lets in others, or under other conditions, than the stack says"])


def _role_limits(case: Case) -> Finding:
    role, allowed = _role(case), case.outputs.terms.max_session_duration
    longest = int(role["MaxSessionDuration"])
    faults = [f"sessions may last {longest} s, and the stack says {allowed} s"] if longest != allowed else []
    return _with_boundary(faults, case, "role", role)


def _user_limits(case: Case) -> Finding:
    iam, name = case.administrator("trusted").client("iam"), case.outputs.user_name
    groups = [group["GroupName"] for group in all_pages(iam, "list_groups_for_user", "Groups", UserName=name)]
    faults = [f"the user is in the groups {', '.join(groups)}, whose policies are its too"] if groups else []
    return _with_boundary(faults, case, "user", _user(case))


def _with_boundary(faults: list[str], case: Case, name: str, principal: Mapping[str, Any]) -> Finding:
    """Return what the faults so far and the permissions boundary of a role or a user come to."""
    boundaries = case.outputs.terms.permissions_boundaries
    boundary = principal.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundaries is not None and boundary != (expected := boundaries.get(name)):
        faults = [*faults, f"the permissions boundary is {boundary or 'none'}, and the stack says {expected or 'none'}"]
    if boundaries is None and not faults:
        return not_checked(f"all but the permissions boundary, which is {boundary or 'none'}", case.deploy_again)
    return as_deployed(faults)


def _read_user_keys(case: Case) -> list[AccessKey]:
    """Return the user's keys; the account is asked once for all rows about them."""
    if not case.keys:
        iam, known = case.administrator("trusted").client("iam"), case.outputs.access_keys.values()
        case.keys = read_keys(iam, case.outputs.user_name, known, with_use=False)
        for key in case.keys:
            case.window.changed(key.created, by_aws=True)
    return case.keys


def _user_keys(case: Case) -> Finding:
    return as_deployed([fault for key in _read_user_keys(case) if (fault := _key_fault(key))])


def _key_fault(key: AccessKey) -> str:
    """Return what is wrong with a key, which is nothing where the stack and the account say the same of it."""
    if key.label is None:
        return f"{key.id} is not the stack's"
    if key.actual is None:
        return f"{key.id} is gone"
    return f"{key.id} is {key.actual}, and the stack says {key.deployed}" if key.actual != key.deployed else ""


def _age(case: Case, *, label: str) -> Finding:
    key = next(key for key in _read_user_keys(case) if key.label == label)
    if key.created is None:
        return not_checked(f"{key.id} is gone", f"See the row on the {USER_KEYS}.")
    used = last_used(case.administrator("trusted").client("iam"), key.id)
    aged = key.model_copy(update={"last_used": used})
    case.keys = [aged if each is key else each for each in case.keys]
    age = aged.age_days(datetime.now(UTC)) or 0
    observed = f"{age} {'day' if age == 1 else 'days'}, last used: {f'{used:%Y-%m-%d}' if used else 'not recorded'}"
    if age <= MAX_ACCESS_KEY_DAYS:
        return proven(observed)
    return Finding(
        verdict=Verdict.WARNING,
        observed=observed,
        advice=f"An old key has had long to leak. Replace it without a gap: make rotate STACK={case.stack}",
    )


def _user_password(case: Case) -> Finding:
    try:
        case.administrator("trusted").client("iam").get_login_profile(UserName=case.outputs.user_name)
    except ClientError as error:
        if error_code(error) == NO_SUCH_ENTITY:
            return proven("none")
        raise
    return disproven("the user has a console password")


def _user_credentials(case: Case) -> Finding:
    iam, credentials, untold = case.administrator("trusted").client("iam"), list[str](), list[str]()
    for what, operation, key, identifier in CREDENTIALS:
        try:
            answer = getattr(iam, operation)(UserName=case.outputs.user_name)
        except ClientError as error:
            if error_code(error) != "InvalidAction":
                raise
            untold.append(f"{what}s")
        else:
            credentials += [f"{what} {entry[identifier]}" for entry in answer[key]]
    if credentials:
        return disproven("; ".join(credentials))
    if untold:
        return not_checked(f"not told: {', '.join(untold)}", "Only real AWS can: emulators lack the calls.")
    return proven("none")


def _tags(case: Case) -> Finding:
    """Compare tags, which can decide who gets in (``aws:PrincipalTag``) but mostly do not: a warning at most."""
    tags = case.outputs.terms.tags
    if tags is None:
        return not_checked("not compared", case.deploy_again)
    different = [
        f"{what}'s tag {key}"
        for what, principal in (("role", _role(case)), ("user", _user(case)))
        for key in sorted({key for key, _ in _tags_of(principal) ^ tags.items()})
    ]
    if different:
        return Finding(verdict=Verdict.WARNING, observed=f"not as deployed: {', '.join(different)}")
    return proven("as deployed")


def _tags_of(principal: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tags of a role or a user but those that AWS itself gives, whose keys nobody else can use."""
    tags = {(str(tag["Key"]), str(tag["Value"])) for tag in principal.get("Tags", [])}
    return {(key, value) for key, value in tags if not key.lower().startswith("aws:")}


def _role(case: Case) -> Mapping[str, Any]:
    if "role" not in case.answers:
        answer = case.administrator("trusting").client("iam").get_role(RoleName=case.outputs.role_name)
        case.answers["role"] = _dated(case, answer, "Role")
    return case.answers["role"]


def _user(case: Case) -> Mapping[str, Any]:
    if "user" not in case.answers:
        answer = case.administrator("trusted").client("iam").get_user(UserName=case.outputs.user_name)
        case.answers["user"] = _dated(case, answer, "User")
    return case.answers["user"]


def _dated(case: Case, answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the role or user that AWS answered with, after noting when it was made."""
    case.window.hear(answer)
    case.window.changed(answer[key].get("CreateDate"), by_aws=True)
    return answer[key]
