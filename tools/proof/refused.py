"""Checks of what must not work: as the key alone, without a condition met, or as another principal."""

import secrets
from functools import partial

from components.iam.endpoints import EMULATOR_SECRET
from tools.aws.callers import Caller
from tools.proof.case import Case, Check, refused
from tools.proof.deployed import TRUST_POLICY, USER_POLICIES
from tools.proof.reads import USERS_FIRST, Read
from tools.proof.report import Row, not_checked
from tools.proof.temporary import temporary_name, temporary_role, temporary_user
from tools.proof.works import ASSUME, SESSION_TAGS, key_check_name


def refusal_checks(case: Case) -> list[Check]:
    """Return the checks of what must not work. They count only if the positive checks passed."""
    checks = [*_key_alone_checks(), *_external_id_checks(case), *_mfa_checks(case)]
    if not case.outputs.terms.session_tags:
        refused_tags = partial(_one_condition, Tags=SESSION_TAGS)
        advice = f"Both policies allow sts:TagSession, and trust.sessionTags is not set. {case.put_role_back}"
        checks.append(Check("session tags", "refused", refused_tags, needs=(ASSUME,), advice=advice))
    return [*checks, *_other_principals()] if case.outputs.terms.endpoint else checks


def _role_refuses(case: Case, caller: Caller | None = None, **changed: object) -> Row:
    """Return whether AWS refuses the role to the holder of the key, or to another caller."""
    return refused(case, partial(case.assume_role, caller or case.current_holder(), **changed))


def _key_alone_checks() -> list[Check]:
    advice = "The user's own key should do nothing but assume the role: see the row on the user's policies."
    return [
        Check(
            f"key alone: {read.action}",
            "refused, without the role",
            partial(_key_alone, read=read),
            needs=(ASSUME,),
            advice=advice,
        )
        for read in USERS_FIRST
        if read.client in {"iam", "s3"}
    ]


def _key_alone(case: Case, *, read: Read) -> Row:
    return refused(case, read.of(case.current_holder()))


def _external_id_checks(case: Case) -> list[Check]:
    if case.outputs.terms.external_id is None:
        return []
    advice = f"The trust policy does not ask for the stack's external id: see the row on it. {case.put_role_back}"
    return [
        Check(name, "refused", partial(_one_condition, ExternalId=external_id), needs=(ASSUME,), advice=advice)
        for name, external_id in (("wrong external id", temporary_name("wrong")), ("no external id", None))
    ]


def _one_condition(case: Case, **changed: object) -> Row:
    if case.outputs.terms.require_mfa:
        return not_checked(
            "not tried: the role asks for MFA too",
            "Each code works once, so a refusal would prove nothing. See the row on the trust policy.",
        )
    return refused(case, partial(case.assume_role, case.current_holder(), **changed))


def _mfa_checks(case: Case) -> list[Check]:
    terms = case.outputs.terms
    if not terms.require_mfa:
        return []
    # Without a code nothing positive can pass. Then a refusal still proves it where all else is as deployed.
    all_else = (key_check_name(case.current_label), TRUST_POLICY, USER_POLICIES)
    needs = (ASSUME,) if case.mfa and not terms.endpoint else all_else
    advice = f"The trust policy does not ask for MFA: see the row on it. {case.put_role_back}"
    without_code = partial(_role_refuses, SerialNumber=None, TokenCode=None)
    return [Check("no MFA", "refused", without_code, needs=needs, advice=advice)]


def _other_principals() -> list[Check]:
    """Return the checks that create temporary users and roles: on an emulator only."""
    let_in = "The role lets in others than the stack says: see the row on the trust policy."
    too_far = "The user may assume other roles than the stack's: see the row on the user's policies."
    other_user = "one of the trusted account without the policy is refused"
    other_role = "one of the trusting account that trusts the same account is refused"
    needs = (ASSUME,)
    return [
        Check("another account", "its root is refused", _another_account, needs=needs, advice=let_in),
        Check("another user", other_user, _another_user, needs=needs, advice=let_in, administers=True, writes=True),
        Check("another role", other_role, _another_role, needs=needs, advice=too_far, administers=True, writes=True),
    ]


def _another_account(case: Case) -> Row:
    root = f"{secrets.randbelow(10**12):012}"
    return _role_refuses(case, case.caller(root, EMULATOR_SECRET, side="trusted"))


def _another_user(case: Case) -> Row:
    with temporary_user(case.iam("user")) as (key_id, secret):
        return _role_refuses(case, case.caller(key_id, secret, side="trusted"))


def _another_role(case: Case) -> Row:
    with temporary_role(case.iam("role"), case.outputs.terms.trust_policy) as arn:
        return _role_refuses(case, RoleArn=arn)
