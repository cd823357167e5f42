"""Checks of what must work: they call AWS with the key, then as the role."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import ClientError

from components.iam.arns import iam_arn
from components.iam.documents import source_addresses
from components.iam.limits import MAX_SESSION_SECONDS
from components.iam.permissions import ANYTHING, allowed_services, possibly_allowed, surely_allowed
from tools.aws.callers import aws_time, stored_key
from tools.aws.errors import MFA_FAILED, REFUSED, UNKNOWN_KEY, error_code, error_text
from tools.proof.case import SESSION_NAME, Case, Check, refused
from tools.proof.reads import READS, USERS_FIRST, Read
from tools.proof.report import Row, Verdict, disproven, not_checked, proven, unknown
from tools.proof.temporary import write_to_s3

NO_MFA_HERE = "An emulator has no MFA: only real AWS can prove this."
ASSUME = "assume role"
SESSION_TAGS = ({"Key": "verify", "Value": "true"},)


def key_check_name(label: str) -> str:
    """Return the name of the check of a key; without a label, of the row that no key is active."""
    return f"key {label}" if label else "active key"


def key_checks(case: Case) -> list[Check]:
    """Return the checks of the user's keys."""
    outputs = case.outputs
    advice = f"The key is inactive in account {outputs.trusted_account_id}, or its secret is wrong. {case.put_back}"
    checks: list[Check] = []
    if outputs.secret_location and outputs.access_key_id:
        expected = f"{outputs.access_key_id}, which is handed over"
        checks.append(Check("stored key", expected, _stored_key, administers=True))
    for label, key in outputs.access_keys.items():
        if key.deployed == "Active":
            works, expected = partial(_own_key, label=label), f"belongs to {outputs.user_arn}"
            checks.append(Check(key_check_name(label), expected, works, advice=advice))
        else:
            inactive = partial(_inactive_key, label=label)
            checks.append(Check(f"inactive key {label}", "refused", inactive, refuses=True))
    if outputs.access_key_id is None:
        checks.append(Check(key_check_name(""), "one key is active", _no_key))
    return checks


def _own_key(case: Case, *, label: str) -> Row:
    key = case.outputs.access_keys[label]
    if label not in case.secrets:
        if not key.encrypted_secret and not case.outputs.secret_location:
            return disproven(
                f"the stack has no secret of {key.id}, encrypted or not",
                "AWS returns a secret once, so nobody can use this key. Give it another label in accessKeys, and set a "
                f"pgpKeyFile that can be encrypted to, then:\n  make up STACK={case.stack}",
            )
        if label != case.current_label:
            return not_checked(f"the secret of {key.id} is not at hand", "It is not the key that is handed over.")
        lacking = f"the secret of {key.id} is not at hand"
        return unknown(lacking, _where_is_the_secret(case), needs_person=bool(key.encrypted_secret))
    identity = case.delay.retry(f"key {label}", case.holder(label).client("sts").get_caller_identity)
    # The partition is left out: an account is in one only, and an emulator has no other than its own.
    found, expected = (arn.partition(":iam:")[2] for arn in (identity["Arn"], case.outputs.user_arn))
    return (proven if found == expected else disproven)(f"{key.id} belongs to {identity['Arn']}")


def _where_is_the_secret(case: Case) -> str:
    verify = f"make verify STACK={case.stack} ARGS=--secret-stdin"
    if not case.outputs.encrypted_secret_access_key:
        return f"Give it on standard input:\n  {verify}"
    decrypt = f"make -s outputs STACK={case.stack} ARGS=encryptedSecretAccessKey | base64 -d | gpg --decrypt"
    return f"The stack has it encrypted only. Decrypt it and hand it over:\n  {decrypt} | {verify}"


def _stored_key(case: Case) -> Row:
    """Read the key pair from its store in the trusted account, and keep its secret for the checks that follow."""
    location = case.outputs.secret_location or ""
    try:
        key_id, secret = stored_key(location, case.administrator("trusted"))
    except ClientError as error:
        if error_code(error) in REFUSED:
            raise
        return disproven(error_text(error), f"{location} does not exist. {case.put_back}")
    if key_id != case.outputs.access_key_id:
        return disproven(key_id, f"{location} holds another key than the one that is handed over. {case.put_back}")
    case.secrets.setdefault(case.current_label, secret)
    return proven(f"{key_id}, in {location}")


def _inactive_key(case: Case, *, label: str) -> Row:
    key_id = case.outputs.access_keys[label].id
    if label not in case.secrets:
        return not_checked(f"the secret of {key_id} is not at hand", "See the row on the user's keys instead.")
    advice = f"{key_id} works though the stack says Inactive. {case.put_back}"
    return refused(case, case.holder(label).client("sts").get_caller_identity, advice=advice, codes=UNKNOWN_KEY)


def _no_key(case: Case) -> Row:
    if "user" not in case.outputs.managed:
        return not_checked("the other party's user", "The owner of its key proves it: make verify, in their stack.")
    if not case.outputs.access_keys:
        return not_checked("the user has no key (accessKeys is [])", "A principal that may assume the role tries it.")
    go_back = f"To go back, set a key's status to Active in accessKeys, then:\n  make up STACK={case.stack}"
    return unknown("every key is inactive", f"Nobody can get in, so nothing else can be proven. {go_back}")


def session_checks(case: Case) -> list[Check]:
    """Return the checks of what the role's session is and may do."""
    outputs = case.outputs
    closed = f"See the rows on the trust policy and the user's policies. {case.put_role_back}"
    too_long = (
        f"The role allows longer sessions than the stack says: see the row on the role's limits. {case.put_role_back}"
    )
    assumes, needs = f"the key assumes {outputs.role_arn}", (key_check_name(case.current_label),)
    of_role = f"of role {outputs.role_name} in account {outputs.trusting_account_id}"
    at_most = f"at most {outputs.terms.max_session_duration} s"
    checks = [
        Check(ASSUME, assumes, _assume, needs=needs, advice=closed),
        Check("session", of_role, _whose_session, needs=(ASSUME,)),
        Check("session length", at_most, _session_length, needs=(ASSUME,), advice=too_long, refuses=True),
        *_permission_checks(case),
    ]
    if outputs.terms.session_tags:
        checks.append(Check("session tags", "the key passes one", _session_tags, needs=(ASSUME,), advice=closed))
    if case.write:
        expected = "the session makes, writes, reads and removes a bucket; the key alone cannot read it"
        checks.append(Check("write to S3", expected, write_to_s3, needs=(ASSUME,), writes=True))
    return checks


def positive_checks(case: Case) -> list[Check]:
    """Return the checks of what must work: the holder of the key gets in, and may do what the policy says."""
    return [check for check in [*key_checks(case), *session_checks(case)] if not (check.refuses or check.writes)]


def _permission_checks(case: Case) -> list[Check]:
    policy, expected = case.outputs.terms.permission_policy, "the session may, as the policy says"
    allowed = [read for read in READS if surely_allowed(policy, read.action)]
    advice = f"The role may not do what its policy says: see the row on the role's policies. {case.put_role_back}"
    checks = [
        Check(f"allowed: {read.action}", expected, partial(_read_as_role, read=read), needs=(ASSUME,), advice=advice)
        for read in allowed
    ]
    untried = sorted(allowed_services(policy) - {ANYTHING} - {read.action.split(":")[0] for read in allowed})
    if case.outputs.terms.managed_policies:
        untried.append("what role.managedPolicies allow")
    if not policy and "role" not in case.outputs.managed:
        untried.append("what the other party allows the role")
    if untried:
        row = not_checked(f"not tried: {', '.join(untried)}", "No safe read-only call is known for these.")
        checks.append(Check("other permissions", expected, lambda _: row))
    left_out = "what the policy does not say is refused"
    return [*checks, Check("not allowed", left_out, _not_allowed, needs=(ASSUME,), refuses=True)]


def _assume(case: Case) -> Row:
    """Assume the role, and keep the session for the checks that follow."""
    terms = case.outputs.terms
    if terms.require_mfa and not case.mfa:
        return unknown("not tried: the role asks for MFA", _how_to_give_mfa(case), needs_person=True)
    try:
        answer = case.delay.retry("assuming the role", partial(case.assume_role, case.current_holder()))
    except ClientError as error:
        if advice := _why_refused(case, error):
            return unknown(error_text(error), advice)
        raise
    lasts = answer["Credentials"]["Expiration"] - (aws_time(answer) or datetime.now(UTC))
    case.session, case.session_seconds = case.in_session(answer), lasts.total_seconds()
    return proven("assumed")


def _session_tags(case: Case) -> Row:
    if case.outputs.terms.require_mfa:
        return not_checked("not tried: the role asks for MFA", "Each code works once.")
    try:
        case.delay.retry("session tags", partial(case.assume_role, case.current_holder(), Tags=SESSION_TAGS))
    except ClientError as error:
        if "role" in case.outputs.managed or error_code(error) not in REFUSED:
            raise
        return unknown(error_text(error))
    return proven("passed")


def _how_to_give_mfa(case: Case) -> str:
    terms = case.outputs.terms
    if terms.endpoint:
        return NO_MFA_HERE
    device = iam_arn("mfa", partition=terms.partition, account_id=case.outputs.trusted_account_id, name="NAME")
    give = f'ARGS="--mfa-serial {device} --mfa-code CODE"'
    return f"Give the user's device and the code it shows:\n  make verify STACK={case.stack} {give}"


def _why_refused(case: Case, error: ClientError) -> str:
    """Return why AWS may refuse the role though nothing is wrong with it; empty where there is no such reason."""
    terms = case.outputs.terms
    if case.mfa and terms.endpoint:
        return NO_MFA_HERE
    if error_code(error) in REFUSED and "role" not in case.outputs.managed:
        return f"The role is missing, or its trust policy differs. {case.put_role_back}"
    if MFA_FAILED in str(error):
        return "Check the device's ARN, and try with its next code: AWS takes each one once."
    if error_code(error) in REFUSED and (addresses := source_addresses(terms.trust_policy)):
        return f"Try it from one of the addresses that the role lets in: {', '.join(addresses)}"
    return ""


def _whose_session(case: Case) -> Row:
    outputs = case.outputs
    identity = case.delay.retry("session", case.role().client("sts").get_caller_identity)
    account = f"arn:{outputs.terms.partition}:sts::{outputs.trusting_account_id}"
    expected = f"{account}:assumed-role/{outputs.role_name}/{SESSION_NAME}"
    if (identity["Arn"], identity["Account"]) != (expected, outputs.trusting_account_id):
        advice = f"The session should be {expected}. Is the stack's role another one now?"
        return disproven(str(identity["Arn"]), advice)
    return proven(str(identity["Arn"]))


def _session_length(case: Case) -> Row:
    """Compare the length of the session, and on AWS ask for a longer one than allowed."""
    terms, lasts = case.outputs.terms, round(case.session_seconds)
    longest = terms.max_session_duration
    if lasts > longest:
        return disproven(f"{lasts} s")
    # An emulator grants any length, a code of MFA works once, and beyond AWS's limit every role refuses.
    if terms.endpoint or terms.require_mfa or longest >= MAX_SESSION_SECONDS:
        return proven(f"{lasts} s")
    longer = partial(case.assume_role, case.current_holder(), DurationSeconds=longest + 1)
    row = refused(case, longer, codes=frozenset({"ValidationError"}))
    return replace(row, observed=f"{lasts} s; {longest + 1} s {row.observed}") if row.verdict is Verdict.PROVEN else row


def _read_as_role(case: Case, *, read: Read) -> Row:
    try:
        case.delay.retry(read.action, read.of(case.role()))
    except ClientError as error:
        boundary = case.outputs.terms.permissions_boundaries.get("role")
        if error_code(error) in REFUSED and boundary:
            return not_checked("refused", f"The role's boundary {boundary} may be what forbids it.")
        raise
    return proven("allowed")


def _not_allowed(case: Case) -> Row:
    """Try what the policy does not say: listing users where it can be, else the first read that it leaves out."""
    policy = case.outputs.terms.permission_policy
    read = next((read for read in USERS_FIRST if not possibly_allowed(policy, read.action)), None)
    if read is None:
        return not_checked("the policy allows everything", "Narrow the policy to what the role is for.")
    allowed = f"the policy allows {USERS_FIRST[0].action}; " if read is not USERS_FIRST[0] else ""
    advice = f"The role may do more than its policy says: see the row on the role's policies. {case.put_role_back}"
    row = refused(case, read.of(case.role()), advice=advice)
    if row.verdict is Verdict.DISPROVEN and case.outputs.terms.managed_policies:
        return not_checked(f"{read.action} is allowed", "One of role.managedPolicies may allow it.")
    if row.verdict is Verdict.DISPROVEN and "role" not in case.outputs.managed:
        return not_checked(f"{read.action} is allowed", "The other party decides what the role may do.")
    return replace(row, observed=f"{allowed}{read.action} {row.observed}")
