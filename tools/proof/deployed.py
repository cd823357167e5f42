"""Checks of what is really deployed, against what the stack says: read-only calls of the accounts' administrators.

They find what no harmless call can: a policy that allows more than anybody tries, a second policy, a second key.
Whoever has no administrator's credentials at hand sees these rows as not checked.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from components.iam.arns import iam_arn
from components.iam.documents import Document, same_document
from components.iam.limits import MAX_ACCESS_KEY_DAYS
from components.iam.permissions import only_denies
from tools.callers import all_pages
from tools.error_codes import NO_SUCH_ENTITY, REFUSED, error_code, error_text
from tools.keys import AccessKey, last_used, read_keys
from tools.policies import attached_policies, has_password, holder, inline_policies
from tools.proof.case import Case, Check, Finding, as_deployed, disproven, not_checked, proven, warning
from tools.stack import Kind

TRUST_POLICY = "trust policy"
USER_POLICIES = "user's policies"
USER_KEYS = "user's keys"
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
        ("role's policies", "those of the stack and no other, as deployed", _role_policies, by_hand),
        ("role's limits", "session duration and boundary as deployed", _role_limits, repair),
        (USER_POLICIES, "the one that allows to assume the role, as deployed", _user_policies, by_hand),
        ("user's limits", "no group, boundary as deployed", _user_limits, by_hand),
        (USER_KEYS, "those of the stack and no other, with their status", _user_keys, by_hand),
        ("user's password", "none: the user has no console login", _user_password, remove_password),
        ("user's other credentials", "none", _user_credentials, "The stack makes none of these. Remove them by hand."),
        ("tags", "those of the stack and no other, on role and user", _tags, by_hand),
    )
    return [
        Check(name, expected, partial(_as_administrator, read=read), advice=advice)
        for name, expected, read, advice in table
    ]


def age_checks(case: Case) -> list[Check]:
    """Return a check of each key's age, which can warn but not fail."""
    expected = f"at most {MAX_ACCESS_KEY_DAYS} days"
    return [
        Check(f"age of key {label}", expected, partial(_as_administrator, read=partial(_age, label=label)))
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
    same = same_document(_described(case, "role")["AssumeRolePolicyDocument"], case.outputs.terms.trust_policy)
    return as_deployed([] if same else ["it lets in others, or under other conditions, than the stack says"])


def _role_policies(case: Case) -> Finding:
    terms = case.outputs.terms
    return _policies(case, "role", document=terms.permission_policy, managed=frozenset(terms.managed_policies.values()))


def _user_policies(case: Case) -> Finding:
    return _policies(case, "user", document=case.outputs.terms.assume_policy)


def _policies(case: Case, kind: Kind, *, document: Document, managed: frozenset[str] = frozenset()) -> Finding:
    """Judge all policies of the role or the user.

    Args:
        case: the case.
        kind: whose policies.
        document: what the stack's own policy says.
        managed: ARNs of the other policies that the stack attaches.
    """
    iam, name, terms = case.iam(kind), case.outputs.name_of(kind), case.outputs.terms
    attached = frozenset(attached_policies(iam, kind, name))
    faults = [f"{arn} is not attached" for arn in sorted(managed - attached)]
    if terms.policy_names:
        account_id = case.outputs.trusting_account_id if kind == "role" else case.outputs.trusted_account_id
        own = iam_arn("policy", partition=terms.partition, account_id=account_id, name=terms.policy_names[kind])
    else:  # the stack was deployed before it told: known by its document
        candidates = sorted(attached - managed)
        own = next((arn for arn in candidates if same_document(_says(case, iam, arn), document)), None)
    if own not in attached:
        faults.append(f"the stack's own policy{f' {own}' if own else ''} is not attached")
    elif not same_document(_says(case, iam, own), document):
        faults.append(f"{own} does not say what the stack says")
    faults += [f"{arn} is attached too" for arn in sorted(attached - managed - {own})]
    inline = sorted(inline_policies(iam, kind, name))
    denying = [policy for policy in inline if only_denies(_inline_says(iam, kind, name, policy))]
    faults += [f"inline policy {policy} grants more" for policy in inline if policy not in denying]
    if faults or not denying:
        return as_deployed(faults)
    return warning(
        f"as deployed, and inline policies that deny: {', '.join(denying)}",
        "They take away from what the stack allows, as after revoking sessions. Remove what is not needed.",
    )


def _inline_says(iam: Any, kind: Kind, name: str, policy: str) -> Document:  # noqa: ANN401 - a client of botocore
    return getattr(iam, f"get_{kind}_policy")(**holder(kind, name), PolicyName=policy)["PolicyDocument"]


def _says(case: Case, iam: Any, arn: str) -> Document:  # noqa: ANN401 - a client of botocore
    """Return what a policy says, after noting when its last version was made."""
    answer = iam.get_policy(PolicyArn=arn)
    case.window.hear(answer)
    case.window.changed(answer["Policy"].get("UpdateDate"), by_aws=True)
    version = answer["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _role_limits(case: Case) -> Finding:
    role, allowed = _described(case, "role"), case.outputs.terms.max_session_duration
    longest = int(role["MaxSessionDuration"])
    faults = [f"sessions may last {longest} s, and the stack says {allowed} s"] if longest != allowed else []
    return _with_boundary(faults, case, "role")


def _user_limits(case: Case) -> Finding:
    answer = all_pages(case.iam("user"), "list_groups_for_user", "Groups", UserName=case.outputs.user_name)
    groups = [group["GroupName"] for group in answer]
    faults = [f"the user is in the groups {', '.join(groups)}, whose policies are its too"] if groups else []
    return _with_boundary(faults, case, "user")


def _with_boundary(faults: list[str], case: Case, kind: Kind) -> Finding:
    """Return what the faults so far and the permissions boundary of the role or the user come to."""
    boundaries = case.outputs.terms.permissions_boundaries
    boundary = _described(case, kind).get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundaries is not None and boundary != (expected := boundaries.get(kind)):
        faults = [*faults, f"the permissions boundary is {boundary or 'none'}, and the stack says {expected or 'none'}"]
    if boundaries is None and not faults:
        return not_checked(f"all but the permissions boundary, which is {boundary or 'none'}", case.deploy_again)
    return as_deployed(faults)


def _read_user_keys(case: Case) -> list[AccessKey]:
    """Return the user's keys; the account is asked once for all rows about them."""
    if not case.keys:
        known = case.outputs.access_keys.values()
        case.keys = read_keys(case.iam("user"), case.outputs.user_name, known, with_use=False)
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
    used = last_used(case.iam("user"), key.id)
    aged = key.model_copy(update={"last_used": used})
    case.keys = [aged if each is key else each for each in case.keys]
    age = aged.age_days(datetime.now(UTC)) or 0
    observed = f"{age} {'day' if age == 1 else 'days'}, last used: {f'{used:%Y-%m-%d}' if used else 'not recorded'}"
    if age <= MAX_ACCESS_KEY_DAYS:
        return proven(observed)
    return warning(
        observed, f"An old key has had long to leak. Replace it without a gap: make rotate STACK={case.stack}"
    )


def _user_password(case: Case) -> Finding:
    found = has_password(case.iam("user"), case.outputs.user_name)
    return disproven("the user has a console password") if found else proven("none")


def _user_credentials(case: Case) -> Finding:
    iam, credentials, untold = case.iam("user"), list[str](), list[str]()
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
    kinds: tuple[Kind, ...] = ("role", "user")
    different = [
        f"{kind}'s tag {key}"
        for kind in kinds
        for key in sorted({key for key, _ in _tags_of(_described(case, kind)) ^ tags.items()})
    ]
    return warning(f"not as deployed: {', '.join(different)}") if different else proven("as deployed")


def _tags_of(principal: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tags of a role or a user but those that AWS itself gives, whose keys nobody else can use."""
    tags = {(str(tag["Key"]), str(tag["Value"])) for tag in principal.get("Tags", [])}
    return {(key, value) for key, value in tags if not key.lower().startswith("aws:")}


def _described(case: Case, kind: Kind) -> Mapping[str, Any]:
    """Return the role or the user as AWS describes it; AWS is asked once for all rows, and tells when it was made."""
    if kind not in case.answers:
        answer = getattr(case.iam(kind), f"get_{kind}")(**holder(kind, case.outputs.name_of(kind)))
        case.answers[kind] = answer[kind.title()]
        case.window.hear(answer)
        case.window.changed(case.answers[kind].get("CreateDate"), by_aws=True)
    return case.answers[kind]
