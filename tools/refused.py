"""Checks of what must not work, done by doing: as the key alone, without a condition met, or as somebody else."""

import secrets
from functools import partial

from tools.deployed import TRUST_POLICY, USER_POLICIES
from tools.proof import Case, Check, Finding, not_checked, refused
from tools.reads import USERS_FIRST, Read
from tools.temporary import temporary_name, temporary_role, temporary_user
from tools.works import ASSUME, key_check_name


def refusal_checks(case: Case) -> list[Check]:
    """Return the checks of what must not work, which count only after what must has worked."""
    checks = [*_key_alone_checks(), *_external_id_checks(case), *_mfa_checks(case)]
    return [*checks, *_other_people_checks()] if case.outputs.terms.endpoint else checks


def _key_alone_checks() -> list[Check]:
    return [
        Check(
            name=f"key alone: {read.action}",
            expected="refused, without the role",
            run=partial(_key_alone, read=read),
            needs=(ASSUME,),
        )
        for read in USERS_FIRST
        if read.client in {"iam", "s3"}
    ]


def _key_alone(case: Case, *, read: Read) -> Finding:
    return refused(
        case,
        read.of(case.current_holder()),
        advice="The user's own key should do nothing but assume the role: see the row on the user's policies, and "
        "detach the ones that the stack does not know.",
    )


def _external_id_checks(case: Case) -> list[Check]:
    if case.outputs.terms.external_id is None:
        return []
    advice = f"The trust policy does not ask for the stack's external id: see the row on it. {case.put_back}"
    return [
        Check(
            name=name,
            expected="refused",
            run=partial(_external_id, external_id=external_id, advice=advice),
            needs=(ASSUME,),
        )
        for name, external_id in (("wrong external id", temporary_name("wrong")), ("no external id", None))
    ]


def _external_id(case: Case, *, external_id: str | None, advice: str) -> Finding:
    if case.outputs.terms.require_mfa:
        return not_checked(
            "not tried: MFA is asked for too",
            "Each code works once, so a refusal would prove nothing. See the row on the trust policy.",
        )
    return refused(case, partial(case.assume_role, case.current_holder(), external_id=external_id), advice=advice)


def _mfa_checks(case: Case) -> list[Check]:
    terms = case.outputs.terms
    if not terms.require_mfa:
        return []
    # Without a code nothing positive can pass. Then a refusal still proves it where all else is as deployed.
    all_else = (key_check_name(case.current_label), TRUST_POLICY, USER_POLICIES)
    return [
        Check(
            name="no MFA",
            expected="refused",
            run=_without_mfa,
            needs=(ASSUME,) if case.mfa and not terms.endpoint else all_else,
            advice=f"The trust policy does not ask for MFA: see the row on it. {case.put_back}",
        )
    ]


def _without_mfa(case: Case) -> Finding:
    right = case.outputs.terms.external_id
    return refused(case, partial(case.assume_role, case.current_holder(), external_id=right, mfa=False), advice="")


def _other_people_checks() -> list[Check]:
    """Return the checks that need other people: on an emulator they are made for a moment, on AWS that is too much."""
    let_in = "The role lets in more than the stack says: see the row on the trust policy."
    return [
        Check(
            name="another account", expected="its root is refused", run=_another_account, needs=(ASSUME,), advice=let_in
        ),
        Check(
            name="another user",
            expected="one of the trusted account without the policy is refused",
            run=_another_user,
            needs=(ASSUME,),
            writes=True,
            advice=let_in,
        ),
        Check(
            name="another role",
            expected="one of the trusting account that trusts the same account is refused",
            run=_another_role,
            needs=(ASSUME,),
            writes=True,
            advice="The user may assume other roles than the stack's: see the row on the user's policies.",
        ),
    ]


def _another_account(case: Case) -> Finding:
    taken = {case.outputs.trusting_account_id, case.outputs.trusted_account_id}
    random_ids = iter(lambda: f"{secrets.randbelow(10**12):012}", "")
    root = case.caller(next(number for number in random_ids if number not in taken), "embedded", side="trusted")
    return refused(case, partial(case.assume_role, root, external_id=case.outputs.terms.external_id), advice="")


def _another_user(case: Case) -> Finding:
    with temporary_user(case.administrator("trusted").client("iam")) as (key_id, secret):
        user = case.caller(key_id, secret, side="trusted")
        return refused(case, partial(case.assume_role, user, external_id=case.outputs.terms.external_id), advice="")


def _another_role(case: Case) -> Finding:
    terms = case.outputs.terms
    with temporary_role(case.administrator("trusting").client("iam"), terms.trust_policy) as arn:
        as_user = partial(case.assume_role, case.current_holder(), external_id=terms.external_id, role_arn=arn)
        return refused(case, as_user, advice="")
