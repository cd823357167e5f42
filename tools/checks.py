"""Checks of what must work, done by doing: as the person with the key, then as the role."""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tools.aws import stored_key
from tools.permissions import ANYTHING, allowed_services, possibly_allowed, source_addresses, surely_allowed
from tools.proof import (
    MFA_FAILED,
    REFUSED,
    UNKNOWN_KEY,
    Caller,
    Case,
    Check,
    Finding,
    Granted,
    LeftBehindError,
    Verdict,
    disproven,
    error_code,
    error_message,
    not_checked,
    proven,
    refused,
    unknown,
)

NO_MFA_HERE = "An emulator has no MFA: only real AWS can prove this."
SESSION_NAME = "verify"  # what CloudTrail shows for these calls
ASSUME = "assume role"
STORED_KEY = "stored key"
LONGEST_SESSION_SECONDS = 43200  # AWS's own limit: no role can be asked for more
NAME_BYTES = 6  # of randomness, in the names of what is made for a moment


@dataclass(frozen=True, kw_only=True)
class Read:
    """A harmless read that needs no resource to exist."""

    action: str  # as policies name it
    client: str
    operation: str


# One per service, each on all resources or none: https://docs.aws.amazon.com/service-authorization/latest/reference/
READS = (
    Read(action="s3:ListAllMyBuckets", client="s3", operation="list_buckets"),
    Read(action="iam:ListUsers", client="iam", operation="list_users"),
    Read(action="sqs:ListQueues", client="sqs", operation="list_queues"),
    Read(action="sns:ListTopics", client="sns", operation="list_topics"),
    Read(action="dynamodb:ListTables", client="dynamodb", operation="list_tables"),
    Read(action="lambda:ListFunctions", client="lambda", operation="list_functions"),
    Read(action="logs:DescribeLogGroups", client="logs", operation="describe_log_groups"),
    Read(action="ssm:DescribeParameters", client="ssm", operation="describe_parameters"),
    Read(action="secretsmanager:ListSecrets", client="secretsmanager", operation="list_secrets"),
    Read(action="kms:ListAliases", client="kms", operation="list_aliases"),
    Read(action="cloudwatch:ListMetrics", client="cloudwatch", operation="list_metrics"),
    Read(action="ec2:DescribeRegions", client="ec2", operation="describe_regions"),
)
BUCKET_ACTIONS = ("s3:CreateBucket", "s3:DeleteBucket")
OBJECT_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")


def key_check_name(label: str | None) -> str:
    """Return the name of the check of a key; without a label, of the key that is not there."""
    return f"key {label}" if label else "active key"


def key_checks(case: Case) -> list[Check]:
    """Return the checks of the user's keys."""
    outputs = case.outputs
    advice = (
        f"The key is not active in account {outputs.trusted_account_id}, or its secret is another one. {case.put_back}"
    )
    found: list[Check] = []
    if outputs.secret_location and outputs.access_key_id:
        expected = f"{outputs.access_key_id}, which is handed over"
        found.append(Check(name=STORED_KEY, expected=expected, run=_stored_key))
    found += [
        Check(
            name=key_check_name(label),
            expected=f"belongs to {outputs.user_arn}",
            run=partial(_own_key, label=label),
            advice=advice,
        )
        if key.status == "Active"
        else Check(name=f"inactive key {label}", expected="refused", run=partial(_inactive_key, label=label))
        for label, key in outputs.access_keys.items()
    ]
    if outputs.access_key_id is None:
        found.append(Check(name=key_check_name(None), expected="one key is active", run=_no_key))
    return found


def _own_key(case: Case, *, label: str) -> Finding:
    key = case.outputs.access_keys[label]
    if label not in case.secrets:
        if not key.encrypted_secret and not case.outputs.secret_location:
            return disproven(f"the stack has no secret of {key.id}, encrypted or not", _lost_secret(case))
        if label != case.current_label:
            return not_checked(f"the secret of {key.id} is not at hand", "It is not the key that is handed over.")
        return unknown(f"the secret of {key.id} is not at hand", _where_is_the_secret(case))
    sts = case.key(label).client("sts")
    caller = case.patience.insist(f"key {label}", sts.get_caller_identity)
    if (caller["Arn"], caller["Account"]) != (case.outputs.user_arn, case.outputs.trusted_account_id):
        return disproven(f"{key.id} belongs to {caller['Arn']}")
    return proven(f"{key.id} belongs to {caller['Arn']}")


def _lost_secret(case: Case) -> str:
    return (
        "AWS tells a secret once, so this key works and nobody can use it. Give the key another label in the "
        f"configuration (accessKeys), and a pgpKeyFile that can be encrypted to, then: make up STACK={case.stack}. "
        f"Whoever does have the secret proves it with: python -m tools.verify --stack {case.stack} --secret-stdin"
    )


def _where_is_the_secret(case: Case) -> str:
    if case.outputs.encrypted_secret_access_key:
        return (
            "The stack has it encrypted only. Decrypt it and hand it over: pulumi stack output "
            f"encryptedSecretAccessKey --stack {case.stack} | base64 -d | gpg --decrypt | "
            f"python -m tools.verify --stack {case.stack} --secret-stdin"
        )
    return f"Hand it over on standard input: python -m tools.verify --stack {case.stack} --secret-stdin"


def _stored_key(case: Case) -> Finding:
    """Read the key pair from its store in the trusted account, and keep its secret for the checks that follow."""
    location = case.outputs.secret_location or ""
    try:
        key_id, secret = stored_key(location, case.administrator("trusted").session, case.outputs.terms.endpoint)
    except ClientError as error:
        if error_code(error) in REFUSED:
            return not_checked(
                f"{error_code(error)}: {error_message(error)}", "Whoever verifies must be allowed to read the store."
            )
        return disproven(f"{error_code(error)}: {error_message(error)}", f"{location} is not there. {case.put_back}")
    if key_id != case.outputs.access_key_id:
        return disproven(key_id, f"{location} holds another key than the one that is handed over. {case.put_back}")
    case.secrets.setdefault(case.current_label or "", secret)
    return proven(f"{key_id}, in {location}")


def _inactive_key(case: Case, *, label: str) -> Finding:
    key_id = case.outputs.access_keys[label].id
    if label not in case.secrets:
        return not_checked(f"the secret of {key_id} is not at hand", "See the row on the user's keys instead.")
    advice = f"{key_id} works though the stack says Inactive. {case.put_back}"
    return refused(case, case.key(label).client("sts").get_caller_identity, advice=advice, codes=UNKNOWN_KEY)


def _no_key(case: Case) -> Finding:
    return unknown(
        "every key is inactive",
        "Nobody can get in, so nothing else can be proven. To go back, set a key's status to Active in the "
        f"configuration (accessKeys), then make up STACK={case.stack}",
    )


def assume(
    caller: Caller,
    case: Case,
    *,
    external_id: str | None,
    mfa: bool = True,
    role_arn: str | None = None,
    seconds: int | None = None,
) -> Any:  # noqa: ANN401 - boto3's own answer
    """Call AssumeRole, once, and return AWS's answer.

    Args:
        caller: who wants to get in.
        case: names the role and the MFA code, if there is one.
        external_id: what to send as ``ExternalId``; ``None`` sends none.
        mfa: whether to send the MFA code.
        role_arn: another role than the stack's.
        seconds: how long the session should last; ``None`` leaves it to AWS, which makes it an hour.
    """
    optional: dict[str, object] = {"ExternalId": external_id, "DurationSeconds": seconds}
    if mfa and case.mfa:
        optional |= {"SerialNumber": case.mfa.serial, "TokenCode": case.mfa.code}
    return caller.client("sts").assume_role(
        RoleArn=role_arn or case.outputs.role_arn,
        RoleSessionName=SESSION_NAME,
        **{name: value for name, value in optional.items() if value is not None},
    )


def session_checks(case: Case) -> list[Check]:
    """Return the checks of what the role's session is and may do."""
    outputs, policy = case.outputs, case.outputs.terms.permission_policy
    widest = f"{outputs.terms.max_session_duration} s"
    found = [
        Check(
            name=ASSUME,
            expected=f"the key assumes {outputs.role_arn}",
            run=_assume,
            needs=(key_check_name(case.current_label),),
            advice="The role does not let the user in, or the user may not ask: see the rows on the trust policy and "
            f"on the user's policies. {case.put_back}",
        ),
        Check(
            name="session",
            expected=f"of role {outputs.role_name} in account {outputs.trusting_account_id}",
            run=_whose_session,
            needs=(ASSUME,),
        ),
        Check(
            name="session length",
            expected=f"at most {widest}",
            run=_session_length,
            needs=(ASSUME,),
            advice="The role allows longer sessions than the stack says: see the row on the role's limits. "
            f"{case.put_back}",
        ),
    ]
    allowed = [read for read in READS if surely_allowed(policy, read.action)]
    found += [
        Check(
            name=f"allowed: {read.action}",
            expected="the session may, as the policy says",
            run=partial(_read_as_role, read=read),
            needs=(ASSUME,),
            advice=f"The role may not do what its policy says: see the row on the role's policies. {case.put_back}",
        )
        for read in allowed
    ]
    untried = sorted(allowed_services(policy) - {ANYTHING} - {read.action.split(":")[0] for read in allowed})
    if untried:
        found.append(
            Check(
                name="other permissions",
                expected="the session may, as the policy says",
                run=partial(_untried, services=untried),
            )
        )
    found.append(
        Check(name="not allowed", expected="what the policy does not say is refused", run=_not_allowed, needs=(ASSUME,))
    )
    if case.write:
        found.append(
            Check(
                name="write to S3",
                expected="the session makes, writes, reads and removes a bucket; the key alone cannot read it",
                run=_write,
                needs=(ASSUME,),
            )
        )
    return found


def _assume(case: Case) -> Finding:
    """Assume the role, and keep the session for the checks that follow."""
    terms = case.outputs.terms
    if terms.require_mfa and not case.mfa:
        if terms.endpoint:
            return unknown("not tried: the role asks for MFA", NO_MFA_HERE)
        return unknown(
            "not tried: the role asks for MFA",
            "Give the user's device and the code it shows: --mfa-serial "
            f"arn:{terms.partition}:iam::{case.outputs.trusted_account_id}:mfa/NAME --mfa-code CODE",
        )
    caller = case.current_key()
    try:
        answer = case.patience.insist("assuming the role", lambda: assume(caller, case, external_id=terms.external_id))
    except ClientError as error:
        observed = f"{error_code(error)}: {error_message(error)}"
        if case.mfa and terms.endpoint:
            return unknown(observed, NO_MFA_HERE)
        if MFA_FAILED in observed:
            return unknown(observed, "Check the device's ARN, and try with its next code: AWS takes each one once.")
        if error_code(error) in REFUSED and (addresses := source_addresses(terms.trust_policy)):
            return unknown(observed, f"Try it from one of the addresses that the role lets in: {', '.join(addresses)}")
        raise
    given = answer["Credentials"]
    case.granted = Granted(
        caller=case.caller(
            given["AccessKeyId"], given["SecretAccessKey"], token=given["SessionToken"], side="trusting"
        ),
        seconds=(given["Expiration"] - _aws_time(answer)).total_seconds(),
    )
    return proven("assumed")


def _aws_time(answer: Any) -> datetime:  # noqa: ANN401 - boto3's own answer
    """Return when AWS answered, by its own clock: this machine's may be wrong."""
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(stated) if stated else datetime.now(UTC)


def _whose_session(case: Case) -> Finding:
    outputs = case.outputs
    caller = case.patience.insist("session", case.session().client("sts").get_caller_identity)
    expected = (
        f"arn:{outputs.terms.partition}:sts::{outputs.trusting_account_id}:assumed-role/"
        f"{outputs.role_name}/{SESSION_NAME}"
    )
    if (caller["Arn"], caller["Account"]) != (expected, outputs.trusting_account_id):
        return disproven(str(caller["Arn"]), f"The session should be {expected}. Is the stack's role another one now?")
    return proven(str(caller["Arn"]))


def _session_length(case: Case) -> Finding:
    """Compare the length of the session, and on AWS ask for a longer one than allowed."""
    longest, lasts = case.outputs.terms.max_session_duration, round(case.granted.seconds if case.granted else 0)
    if lasts > longest:
        return disproven(f"{lasts} s")
    terms = case.outputs.terms
    # An emulator grants any length, a code of MFA works once, and beyond AWS's limit every role refuses.
    if terms.endpoint or terms.require_mfa or longest >= LONGEST_SESSION_SECONDS:
        return proven(f"{lasts} s")
    longer = partial(assume, case.current_key(), case, external_id=terms.external_id, seconds=longest + 1)
    finding = refused(case, longer, advice="", codes=frozenset({"ValidationError"}))
    if finding.verdict is not Verdict.PROVEN:
        return finding
    return proven(f"{lasts} s; {longest + 1} s {finding.observed}")


def _read_as_role(case: Case, *, read: Read) -> Finding:
    try:
        case.patience.insist(read.action, getattr(case.session().client(read.client), read.operation))
    except ClientError as error:
        boundaries = case.outputs.terms.permissions_boundaries
        if error_code(error) in REFUSED and boundaries is None:
            return not_checked("refused", f"A permissions boundary may be what forbids it. {case.deploy_again}")
        if error_code(error) in REFUSED and boundaries and "role" in boundaries:
            return not_checked("refused", f"The role's boundary {boundaries['role']} may be what forbids it.")
        raise
    return proven("allowed")


def _untried(_case: Case, *, services: list[str]) -> Finding:
    return not_checked(
        f"not tried: {', '.join(services)}", "No harmless read of theirs is known here that the policy surely allows."
    )


def _not_allowed(case: Case) -> Finding:
    """Try what the policy does not say: listing users where it can be, else the first read that it leaves out."""
    policy = case.outputs.terms.permission_policy
    by_choice = sorted(READS, key=lambda read: read.client != "iam")
    read = next((read for read in by_choice if not possibly_allowed(policy, read.action)), None)
    if read is None:
        return not_checked("the policy allows everything", "Narrow the policy to what the role is for.")
    allowed = f"the policy allows {by_choice[0].action}; " if read is not by_choice[0] else ""
    finding = refused(
        case,
        getattr(case.session().client(read.client), read.operation),
        advice=f"The role may do more than its policy says: see the row on the role's policies. {case.put_back}",
    )
    if finding.verdict is Verdict.DISPROVEN and case.outputs.terms.managed_policies:
        return not_checked(f"{read.action} is allowed", "One of role.managedPolicies may allow it.")
    return Finding(
        verdict=finding.verdict, observed=f"{allowed}{read.action} {finding.observed}", advice=finding.advice
    )


def _write(case: Case) -> Finding:
    policy, partition = case.outputs.terms.permission_policy, case.outputs.terms.partition
    bucket, name = f"assume-role-verify-{secrets.token_hex(NAME_BYTES)}", "proof"
    arn = f"arn:{partition}:s3:::{bucket}"
    lacking = [action for action in BUCKET_ACTIONS if not surely_allowed(policy, action, arn)]
    lacking += [action for action in OBJECT_ACTIONS if not surely_allowed(policy, action, f"{arn}/{name}")]
    if lacking:
        return not_checked(f"the policy does not surely allow {', '.join(lacking)}", "So there is nothing to write.")
    s3, content = case.session().client("s3"), secrets.token_bytes(16)
    region = case.outputs.terms.trusting_region
    # us-east-1 is the one region that S3 does not take as a location.
    place: dict[str, Any] = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    with ExitStack() as removal:
        removal.callback(remove, f"bucket {bucket}", partial(s3.delete_bucket, Bucket=bucket))
        case.patience.insist("making a bucket", lambda: s3.create_bucket(Bucket=bucket, **place))
        removal.callback(remove, f"object {name} of {bucket}", partial(s3.delete_object, Bucket=bucket, Key=name))
        case.patience.insist("writing", lambda: s3.put_object(Bucket=bucket, Key=name, Body=content))
        if case.patience.insist("reading", lambda: s3.get_object(Bucket=bucket, Key=name))["Body"].read() != content:
            return disproven("what was read is not what was written", "S3 answered with other content. Try again.")
        alone = refused(
            case,
            lambda: case.current_key().client("s3").get_object(Bucket=bucket, Key=name),
            advice="The user may read the trusting account's buckets without the role: see the user's policies.",
        )
    if alone.verdict is not Verdict.PROVEN:
        return Finding(verdict=alone.verdict, observed=f"the key alone: {alone.observed}", advice=alone.advice)
    return proven(f"{bucket} made, written, read and removed; the key alone {alone.observed}")


def remove(what: str, call: Callable[[], object]) -> None:
    """Remove what a check has made, or say what is left.

    Raises:
        LeftBehindError: it is still there, or may be.
    """
    try:
        call()
    except ClientError as error:
        if error_code(error) not in {"NoSuchBucket", "NoSuchKey", "NoSuchEntity", "404"}:
            raise LeftBehindError(f"Remove {what} by hand: {error_code(error)}: {error_message(error)}.") from error
