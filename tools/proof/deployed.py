"""Checks of what is deployed against what the stack says: read-only calls of the accounts' administrators.

They find what no harmless call can: a policy that allows more than is tried, a second policy, a second key.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from components.iam.arns import iam_arn
from components.iam.documents import Document, revoked_before, same_document, without_sids
from components.iam.limits import MAX_ACCESS_KEY_DAYS
from components.iam.owner import OWNER_TAG
from tools.aws.callers import MAX_SKEW_SECONDS, all_pages
from tools.aws.errors import error_code
from tools.aws.keys import AccessKey, last_used, moment, read_keys
from tools.aws.policies import attached_policies, has_password, holder, inline_document, inline_policies
from tools.proof.case import Case, Check, as_deployed
from tools.proof.report import Row, disproven, not_checked, proven, warning
from tools.stack import Kind

TRUST_POLICY = "trust policy"
ROLE_POLICIES = "role's policies"
USER_POLICIES = "user's policies"
USER_KEYS = "user's keys"
OWNER = "owner"
SERVICE_CREDENTIAL = "ServiceSpecificCredentialId"
# Other credentials of a user: the call that lists it, where the list is in the answer, and what names each.
CREDENTIALS = (
    ("SSH public key", "list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId"),
    ("signing certificate", "list_signing_certificates", "Certificates", "CertificateId"),
    ("service credential", "list_service_specific_credentials", "ServiceSpecificCredentials", SERVICE_CREDENTIAL),
)


def deployed_checks(case: Case) -> list[Check]:
    """Return the checks of what is deployed."""
    repair = f"It was changed outside the stack, or the last deployment failed half-way. {case.put_back}"
    by_hand = f"Remove by hand what the stack does not know. {repair}"
    remove_password = (
        "A person with it signs in to the console, and no revoked key stops them. The stack creates none, so remove "
        f"it:\n  aws iam delete-login-profile --user-name {case.outputs.user_name}"
    )
    owned = f"Another stack owns it. Set another `name` in this stack's file, then:\n  make up STACK={case.stack}"
    table: tuple[tuple[str, str, Callable[[Case], Row], str], ...] = (
        (TRUST_POLICY, "as deployed", _trust_policy, repair),
        (ROLE_POLICIES, "those of the stack and no other, as deployed", _role_policies, by_hand),
        ("role's limits", "session duration and boundary as deployed", _role_limits, repair),
        (USER_POLICIES, "the one that allows to assume the role, as deployed", _user_policies, by_hand),
        ("user's limits", "no group, boundary as deployed", _user_limits, by_hand),
        (USER_KEYS, "those of the stack and no other, with their status", _user_keys, by_hand),
        ("user's password", "none: the user has no console login", _user_password, remove_password),
        ("user's other credentials", "none", _user_credentials, "The stack creates none. Remove them by hand."),
        (OWNER, "this stack, by the tags of role, user and policies", _owner, owned),
        ("tags", "those of the stack and no other, on role and user", _tags, by_hand),
    )
    return [Check(name, expected, run, advice=advice, administers=True) for name, expected, run, advice in table]


def age_checks(case: Case) -> list[Check]:
    """Return a check of each key's age, which can warn but not fail."""
    expected = f"at most {MAX_ACCESS_KEY_DAYS} days"
    return [
        Check(f"age of key {label}", expected, partial(_age, label=label), administers=True)
        for label in case.outputs.access_keys
    ]


def _trust_policy(case: Case) -> Row:
    actual, expected = _described(case, "role")["AssumeRolePolicyDocument"], case.outputs.terms.trust_policy
    partition = case.outputs.terms.partition
    if same_document(actual, expected, partition=partition):
        return proven("as deployed")
    if same_document(without_sids(actual), without_sids(expected), partition=partition):
        return warning("as deployed but for a Sid", f"A difference in text only: AWS ignores it. {case.put_back}")
    return disproven("the trust policy differs from the deployed one")


def _role_policies(case: Case) -> Row:
    terms = case.outputs.terms
    return _policies(case, "role", document=terms.permission_policy, managed=frozenset(terms.managed_policies.values()))


def _user_policies(case: Case) -> Row:
    return _policies(case, "user", document=case.outputs.terms.assume_policy)


def _policies(case: Case, kind: Kind, *, document: Document, managed: frozenset[str] = frozenset()) -> Row:
    """Judge all policies: the stack's own one, if any, by its document as deployed, and the ARNs that it attaches."""
    iam, name, own = case.iam(kind), case.outputs.name_of(kind), _own_policy(case, kind)
    expected, notes = managed | frozenset([own] if own else []), list[str]()
    attached = frozenset(attached_policies(iam, kind, name))
    differences = [f"{arn} is not attached" for arn in sorted(expected - attached)]
    differences += [f"{arn} is attached too" for arn in sorted(attached - expected)]
    if own in attached and not same_document(actual := _document(case, iam, own), document):
        if same_document(without_sids(actual), without_sids(document)):
            notes.append(f"{own} differs in a Sid, which AWS ignores")
        else:
            differences.append(f"{own} differs from the deployed one")
    # A revocation ends with the next full second of AWS's clock, from which this machine's may differ.
    latest = datetime.now(UTC) + timedelta(seconds=MAX_SKEW_SECONDS)
    for inline in sorted(inline_policies(iam, kind, name)):
        if (before := revoked_before(inline_document(iam, kind, name, inline))) and before <= latest:
            notes.append(f"{inline} refuses sessions that began before {moment(before)}")
        else:
            differences.append(f"inline policy {inline} is not the stack's")
    if differences or not notes:
        return as_deployed(differences)
    advice = "A revocation does that. Once those sessions have expired, its policy may go: see what make revoke said."
    return warning(f"as deployed, and {'; '.join(notes)}", advice)


def _own_policy(case: Case, kind: Kind) -> str | None:
    outputs, terms = case.outputs, case.outputs.terms
    account_id, name = outputs.trusting_account_id, terms.policy_names.get(kind)
    if kind == "user":
        account_id = outputs.trusted_account_id
    return iam_arn("policy", partition=terms.partition, account_id=account_id, name=name) if name else None


def _document(case: Case, iam: Any, arn: str) -> Document:  # noqa: ANN401 - a client of botocore
    version = _policy(case, iam, arn)["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _policy(case: Case, iam: Any, arn: str) -> Mapping[str, Any]:  # noqa: ANN401 - a client of botocore
    return _remembered(case, arn, lambda: iam.get_policy(PolicyArn=arn), "Policy", "UpdateDate")


def _described(case: Case, kind: Kind) -> Mapping[str, Any]:
    """Return the role or the user as AWS describes it."""
    call = partial(getattr(case.iam(kind), f"get_{kind}"), **holder(kind, case.outputs.name_of(kind)))
    return _remembered(case, kind, call, kind.title(), "CreateDate")


def _remembered(case: Case, name: str, call: Callable[[], Any], what: str, date: str) -> Mapping[str, Any]:
    """Return what a call describes: it is made once for all rows, and its date is that of a change."""
    if name not in case.answers:
        answer = call()
        case.answers[name] = answer[what]
        case.delay.read_clock(answer)
        case.delay.changed(answer[what].get(date), by_aws=True)
    return case.answers[name]


def _owner(case: Case) -> Row:
    """Look for the owner tag of another stack; a tag that is missing is the row on tags."""
    if (own := case.outputs.terms.tags.get(OWNER_TAG)) is None:
        return not_checked("not recorded", f"Deploy again:\n  make up STACK={case.stack}")
    tagged = [(f"{kind} {case.outputs.name_of(kind)}", _described(case, kind)) for kind in case.outputs.managed]
    for kind in case.outputs.managed:
        iam, arn = case.iam(kind), _own_policy(case, kind)
        if arn and arn in attached_policies(iam, kind, case.outputs.name_of(kind)):
            tagged.append((f"policy {arn}", _policy(case, iam, arn)))
    owners = [(what, dict(_tags_of(described)).get(OWNER_TAG)) for what, described in tagged]
    others = [f"{what} belongs to {owner}" for what, owner in owners if owner not in (own, None)]
    return disproven("; ".join(others)) if others else proven(own)


def _tags(case: Case) -> Row:
    """Compare tags, which can decide who gets in (``aws:PrincipalTag``) but mostly do not: a warning at most."""
    different = [
        f"{kind}'s tag {key}"
        for kind in case.outputs.managed
        for key in sorted({key for key, _ in _tags_of(_described(case, kind)) ^ case.outputs.terms.tags.items()})
    ]
    return warning(f"not as deployed: {', '.join(different)}") if different else proven("as deployed")


def _tags_of(described: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tags of a resource without AWS's own, whose keys nobody else can use."""
    tags = {(str(tag["Key"]), str(tag["Value"])) for tag in described.get("Tags", [])}
    return {(key, value) for key, value in tags if not key.lower().startswith("aws:")}


def _role_limits(case: Case) -> Row:
    role, allowed = _described(case, "role"), case.outputs.terms.max_session_duration
    longest = int(role["MaxSessionDuration"])
    differences = [f"sessions may last {longest} s, and the stack says {allowed} s"] if longest != allowed else []
    return as_deployed([*differences, *_boundary_differences(case, "role")])


def _user_limits(case: Case) -> Row:
    answer = all_pages(case.iam("user"), "list_groups_for_user", "Groups", UserName=case.outputs.user_name)
    groups = [group["GroupName"] for group in answer]
    differences = [f"the user is in the groups {', '.join(groups)} and has their policies"] if groups else []
    return as_deployed([*differences, *_boundary_differences(case, "user")])


def _boundary_differences(case: Case, kind: Kind) -> list[str]:
    expected = case.outputs.terms.permissions_boundaries.get(kind)
    boundary = _described(case, kind).get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    differs = f"the permissions boundary is {boundary or 'none'}, and the stack says {expected or 'none'}"
    return [differs] if boundary != expected else []


def read_user_keys(case: Case) -> list[AccessKey]:
    """Return the user's keys; one query serves all rows about them."""
    if not case.keys:
        known = case.outputs.access_keys.values()
        case.keys = read_keys(case.iam("user"), case.outputs.user_name, known, with_use=False)
        for key in case.keys:
            case.delay.changed(key.created, by_aws=True)
    return case.keys


def _user_keys(case: Case) -> Row:
    return as_deployed([text for key in read_user_keys(case) if (text := _difference(key))])


def _difference(key: AccessKey) -> str:
    """Return in what the account differs from the stack about a key; empty if in nothing."""
    if key.label is None:
        return f"{key.id} is not the stack's"
    if key.actual is None:
        return f"{key.id} is gone"
    return f"{key.id} is {key.actual}, and the stack says {key.deployed}" if key.actual != key.deployed else ""


def _age(case: Case, *, label: str) -> Row:
    key = next(key for key in read_user_keys(case) if key.label == label)
    if key.created is None:
        return not_checked(f"{key.id} is gone", f"See the row on the {USER_KEYS}.")
    aged = key.model_copy(update={"last_used": last_used(case.iam("user"), key.id)})
    case.keys = [aged if each is key else each for each in case.keys]
    age = aged.age_days(datetime.now(UTC)) or 0
    used = f"{aged.last_used:%Y-%m-%d}" if aged.last_used else "not recorded"
    observed = f"{age} {'day' if age == 1 else 'days'}, last used: {used}"
    if age <= MAX_ACCESS_KEY_DAYS:
        return proven(observed)
    advice = f"An old key has had long to leak. Replace it without a gap:\n  make rotate STACK={case.stack}"
    return warning(observed, advice)


def _user_password(case: Case) -> Row:
    found = has_password(case.iam("user"), case.outputs.user_name)
    return disproven("the user has a console password") if found else proven("none")


def _user_credentials(case: Case) -> Row:
    iam, credentials, unlisted = case.iam("user"), list[str](), list[str]()
    for what, operation, key, identifier in CREDENTIALS:
        try:
            answer = getattr(iam, operation)(UserName=case.outputs.user_name)
        except ClientError as error:
            if error_code(error) != "InvalidAction":
                raise
            unlisted.append(f"{what}s")
        else:
            credentials += [f"{what} {entry[identifier]}" for entry in answer[key]]
    if credentials:
        return disproven("; ".join(credentials))
    if unlisted:
        return not_checked(f"not listed: {', '.join(unlisted)}", "Only real AWS lists them: emulators lack the calls.")
    return proven("none")
