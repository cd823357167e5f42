"""Checks of what must not work, done by doing: as the key alone, without a condition met, or as somebody else."""

import json
import secrets
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tools.checks import ASSUME, NAME_BYTES, READS, Read, assume, key_check_name, remove
from tools.deployed import TRUST_POLICY, USER_POLICIES
from tools.proof import Caller, Case, Check, Finding, not_checked, refused


def refusal_checks(case: Case) -> list[Check]:
    """Return the checks of what must not work, which count only after what must has worked."""
    return [*_refusal_checks(case), *(_emulator_checks() if case.outputs.terms.endpoint else [])]


def _refusal_checks(case: Case) -> list[Check]:
    terms = case.outputs.terms
    found = [
        Check(
            name=f"key alone: {read.action}",
            expected="refused, without the role",
            run=partial(_key_alone, read=read),
            needs=(ASSUME,),
        )
        for read in sorted(READS, key=lambda read: read.client != "iam")
        if read.client in {"iam", "s3"}
    ]
    if terms.external_id is not None:
        advice = f"The trust policy does not ask for the stack's external id: see the row on it. {case.put_back}"
        wrong = f"wrong-{secrets.token_hex(NAME_BYTES)}"
        run = {"wrong external id": wrong, "no external id": None}
        found += [
            Check(
                name=name,
                expected="refused",
                run=partial(_external_id, external_id=external_id, advice=advice),
                needs=(ASSUME,),
            )
            for name, external_id in run.items()
        ]
    if terms.require_mfa:
        # Without a code nothing positive can pass. Then a refusal still proves it where all else is as deployed.
        else_right = (key_check_name(case.current_label), TRUST_POLICY, USER_POLICIES)
        found.append(
            Check(
                name="no MFA",
                expected="refused",
                run=_without_mfa,
                needs=(ASSUME,) if case.mfa and not terms.endpoint else else_right,
                advice=f"The trust policy does not ask for MFA: see the row on it. {case.put_back}",
            )
        )
    return found


def _key_alone(case: Case, *, read: Read) -> Finding:
    return refused(
        case,
        getattr(case.current_key().client(read.client), read.operation),
        advice="The user's own key should do nothing but assume the role: see the row on the user's policies, and "
        "detach the ones that the stack does not know.",
    )


def _external_id(case: Case, *, external_id: str | None, advice: str) -> Finding:
    if case.outputs.terms.require_mfa:
        return not_checked(
            "not tried: MFA is asked for too",
            "Each code works once, so a refusal would prove nothing. See the row on the trust policy.",
        )
    return refused(case, lambda: assume(case.current_key(), case, external_id=external_id), advice=advice)


def _without_mfa(case: Case) -> Finding:
    right = case.outputs.terms.external_id
    return refused(case, lambda: assume(case.current_key(), case, external_id=right, mfa=False), advice="")


def _emulator_checks() -> list[Check]:
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
            advice=let_in,
        ),
        Check(
            name="another role",
            expected="one of the trusting account that trusts the same account is refused",
            run=_another_role,
            needs=(ASSUME,),
            advice="The user may assume other roles than the stack's: see the row on the user's policies.",
        ),
    ]


def _another_account(case: Case) -> Finding:
    taken = {case.outputs.trusting_account_id, case.outputs.trusted_account_id}
    account = next(number for number in _random_accounts() if number not in taken)
    root = case.caller(account, "embedded", side="trusted")
    return refused(case, lambda: assume(root, case, external_id=case.outputs.terms.external_id), advice="")


def _random_accounts() -> Iterator[str]:
    while True:
        yield f"{secrets.randbelow(10**12):012}"


def _another_user(case: Case) -> Finding:
    with _temporary_user(case) as user:
        return refused(case, lambda: assume(user, case, external_id=case.outputs.terms.external_id), advice="")


def _another_role(case: Case) -> Finding:
    terms = case.outputs.terms
    with _temporary_role(case) as arn:
        call = partial(assume, case.current_key(), case, external_id=terms.external_id, role_arn=arn)
        return refused(case, call, advice="")


@contextmanager
def _temporary_user(case: Case) -> Generator[Caller]:
    """Make a user without any policy in the trusted account, and remove it whatever happens."""
    iam, name = case.administrator("trusted").client("iam"), f"verify-{secrets.token_hex(NAME_BYTES)}"
    with ExitStack() as removal:
        removal.callback(remove, f"user {name}", partial(iam.delete_user, UserName=name))
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        delete = partial(iam.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
        removal.callback(remove, f"the key of user {name}", delete)
        yield case.caller(key["AccessKeyId"], key["SecretAccessKey"], side="trusted")


@contextmanager
def _temporary_role(case: Case) -> Generator[str]:
    """Make a role in the trusting account with the stack's trust policy, and remove it whatever happens."""
    iam, name = case.administrator("trusting").client("iam"), f"verify-{secrets.token_hex(NAME_BYTES)}"
    with ExitStack() as removal:
        removal.callback(remove, f"role {name}", partial(iam.delete_role, RoleName=name))
        trust = json.dumps(case.outputs.terms.trust_policy)
        yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
