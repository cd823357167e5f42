"""Two judges of who gets in, and what each is blind to. Both judge the documents that the program deploys."""

import functools
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from components.iam.documents import POLICY_VERSION, assume_policy
from tests.trust.cases import TRUSTING, Caller, Case, rules

ASSUME = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}
UNTAGGED = {**ASSUME, "Action": "sts:AssumeRole"}
IDENTITY_POLICIES: dict[str, Callable[[str], Any]] = {
    "another role": lambda role_arn: assume_policy(f"{role_arn}-2"),
    "any role": lambda _: {"Version": POLICY_VERSION, "Statement": [ASSUME]},
    "any role, untagged": lambda _: {"Version": POLICY_VERSION, "Statement": [UNTAGGED]},
    "any role but this one": lambda role_arn: {
        "Version": POLICY_VERSION,
        "Statement": [ASSUME, {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": role_arn}],
    },
    "no role": lambda _: {
        "Version": POLICY_VERSION,
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    },
}
TAG = {"Key": "team", "Value": "audit"}
ROLE_SESSION = "arn:aws:sts::{}:assumed-role/{}/test"
# What a judge takes a case for that it does not see as it is. The tests demand that it answers just that.
BLIND_SPOTS: dict[str, dict[str, Callable[[Case], Case]]] = {
    "emulator": {
        "no MFA": lambda case: case.seeing(mfa_seconds_ago=None),
        "no organizations": lambda case: case.seeing(organization_id=None),
        "one address": lambda case: case.seeing(address="127.0.0.1"),
        # AWS compares aws:PrincipalArn of a role's session with the role's ARN, the emulator with the session's.
        "a role's session is not its role": lambda case: case if case.caller.is_user else case.seeing(
            who=ROLE_SESSION.format(case.caller.account, case.caller.name)
        ),
        "no policy variables": lambda case: case if "principalArns" not in case.trust else case.seeing(
            trust={"principalArns": [arn.replace("${", "${literally ") for arn in case.trust["principalArns"]]}
        ),
        # It asks the trust policy alone for sts:TagSession.
        "tags that the caller's account forbids": lambda case: case.seeing(
            may_assume=case.caller.may_assume.removesuffix(", untagged")
        ),
        "one partition": lambda case: case.seeing(who=case.caller.who.replace("arn:aws-cn:", "arn:aws:")),
    },
    "second opinion": {
        # JavaScript shifts by 32 bits as by none, so that this range is the one address 0.0.0.0.
        "0.0.0.0/0": lambda case: case if "sourceIps" not in case.trust else case.seeing(
            trust={"sourceIps": [each.replace("0.0.0.0/0", "0.0.0.0/32") for each in case.trust["sourceIps"]]}
        ),
    },
}  # fmt: skip


def blind(judge: str, case: Case) -> list[str]:
    """Return the blind spots of a judge that make it judge some rule of a case wrongly."""
    return [name for name, seen in BLIND_SPOTS[judge].items() if rules(seen(case)) != rules(case)]


def answer(judge: str, case: Case) -> bool:
    """Return what a judge must answer: the right answer to the case as it sees it."""
    return all(rules(functools.reduce(lambda seen, spot: spot(seen), BLIND_SPOTS[judge].values(), case)).values())


def unexplained(judge: str, asked: Sequence[Case], answers: Sequence[bool]) -> list[Case]:
    """Return the cases that a judge answered otherwise than it must."""
    return [case for case, given in zip(asked, answers, strict=True) if given is not answer(judge, case)]


def identity_policy(case: Case) -> Any:
    """Return what the caller's account lets it do: what the program lets the user do, if the case names no other."""
    user, made = case.deployed.trusted_user, IDENTITY_POLICIES.get(case.caller.may_assume)
    return made(user.role_arn) if made else assume_policy(user.role_arn, session_tags=user.session_tags)


class Emulator:
    """The emulator, queried by calling AssumeRole as the caller. In its accounts no other test may have a role."""

    def __init__(self, endpoint: str, administrator: Callable[[str, str], Any]) -> None:
        self._endpoint = endpoint
        self._client = functools.cache(administrator)
        self._user = functools.cache(self._new_user)
        self._caller = functools.cache(self._sign_in)
        self._documents: dict[tuple[str, ...], str] = {}  # what roles trust and callers may

    def lets_in(self, case: Case) -> bool:
        """Deploy a case, call as its caller, and return whether that gets in."""
        caller, args = case.caller, case.deployed
        role_arn = args.trusted_user.role_arn
        self._role(TRUSTING, args.role.name, args.role.path, args.trusting_role.trust_policy)
        sts = self._caller(caller.who, session=caller.session, code=caller.mfa_seconds_ago is not None)
        self._may(caller, identity_policy(case))
        sent = {"ExternalId": caller.external_id} if caller.external_id else {}
        tags = {"Tags": [TAG]} if caller.session_tags else {}
        try:
            sts.assume_role(RoleArn=role_arn, RoleSessionName="test", **sent, **tags)
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == "AccessDenied", refusal  # noqa: PT017 - either way is an answer
            return False
        return True

    def _role(self, account: str, name: str, path: str, trust: Any) -> None:
        iam, document, before = self._client(account, "iam"), json.dumps(trust), self._documents.get((account, name))
        if before is None:
            iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)
        elif before != document:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
        self._documents[account, name] = document

    def _may(self, caller: Caller, policy: Any) -> None:
        kind, document = "User" if caller.is_user else "Role", json.dumps(policy)
        key = (caller.account, kind, caller.name)
        if self._documents.get(key) != document:
            iam = self._client(caller.account, "iam")
            put = iam.put_user_policy if caller.is_user else iam.put_role_policy
            put(**{f"{kind}Name": caller.name}, PolicyName="assume", PolicyDocument=document)
            self._documents[key] = document

    def _sign_in(self, who: str, *, session: bool, code: bool) -> Any:
        """Return STS as a user by key or by session, or as a role's session."""
        caller = Caller(who=who)
        if not caller.is_user:
            own = {"Effect": "Allow", "Principal": {"AWS": caller.account}, "Action": "sts:AssumeRole"}
            self._role(caller.account, caller.name, caller.path, {"Version": POLICY_VERSION, "Statement": [own]})
            role = f"arn:aws:iam::{caller.account}:role{caller.path}{caller.name}"
            return self._sts(self._client(caller.account, "sts").assume_role(RoleArn=role, RoleSessionName="test"))
        sts = self._user(caller.account, caller.name, caller.path)
        mfa = (
            {"SerialNumber": f"arn:aws:iam::{caller.account}:mfa/{caller.name}", "TokenCode": "123456"} if code else {}
        )
        return self._sts(sts.get_session_token(**mfa)) if session or code else sts

    def _new_user(self, account: str, name: str, path: str) -> Any:
        iam = self._client(account, "iam")
        iam.create_user(UserName=name, Path=path)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self._sts({"Credentials": key})

    def _sts(self, answer: Any) -> Any:
        credentials = answer["Credentials"]
        return boto3.client(
            "sts",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            region_name="us-east-1",
            endpoint_url=self._endpoint,
            config=Config(retries={"total_max_attempts": 1}),
        )


def second_opinion(folder: Path, asked: Sequence[tuple[Case, Any]]) -> list[bool]:
    """Return whether the evaluator that is installed in a folder lets each caller in; one process judges all.

    Args:
        folder: where it is installed.
        asked: the cases, each with the trust policy that decides.
    """
    # AWS judges a call that sends tags twice, and lets in whom both actions are allowed.
    actions = [("sts:AssumeRole", *(["sts:TagSession"] if case.caller.session_tags else [])) for case, _ in asked]
    asks = [_simulation(*each, action) for each, both in zip(asked, actions, strict=True) for action in both]
    done = subprocess.run(
        ["node", Path(__file__).with_name("second_opinion.cjs"), folder],
        input=json.dumps(asks),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = iter(json.loads(done.stdout))
    return [all([next(answers) for _ in both]) for both in actions]  # noqa: C419 - each has to be taken


def _simulation(case: Case, trust: Any, action: str) -> dict[str, Any]:
    """Return a case as the evaluator takes it.

    It knows no callers, only facts: those that AWS has of such a caller.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    caller, role_arn = case.caller, case.deployed.trusted_user.role_arn
    partition = caller.who.split(":")[1]
    session = ROLE_SESSION.replace("arn:aws:", f"arn:{partition}:").format(caller.account, caller.name)
    signed_in = caller.session or caller.mfa_seconds_ago is not None or not caller.is_user
    context = {
        "aws:PrincipalArn": caller.who,
        "aws:PrincipalAccount": caller.account,
        "aws:username": caller.name if caller.is_user else None,
        "aws:SourceIp": caller.address,
        "aws:PrincipalOrgID": caller.organization_id,
        "aws:MultiFactorAuthPresent": str(caller.mfa_age is not None).lower() if signed_in else None,
        "aws:MultiFactorAuthAge": str(caller.mfa_age) if caller.mfa_age is not None else None,
        "sts:ExternalId": caller.external_id if action == "sts:AssumeRole" else None,  # AWS names no other
        f"aws:RequestTag/{TAG['Key']}": TAG["Value"] if caller.session_tags else None,
    }
    return {
        "request": {
            "principal": caller.who if caller.is_user else session,
            "action": action,
            "resource": {"resource": role_arn, "accountId": TRUSTING},
            "contextVariables": {key: value for key, value in context.items() if value is not None},
        },
        "identityPolicies": [{"name": "own", "policy": identity_policy(case)}],
        "resourcePolicy": trust,
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }
