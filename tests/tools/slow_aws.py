"""A model of AWS for proofs: a change reaches each of its servers after a delay of its own, in no order.

Only sleeping and calling take time. Any server of a service answers a call, with what it knows.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretStr

from components.iam.documents import assume_policy, trust_policy
from components.iam.owner import OWNER_TAG
from tests import factories
from tools.aws.propagation import Delay
from tools.proof.case import Case
from tools.stack import Outputs

TRUSTING, TRUSTED = factories.TRUSTING, factories.TRUSTED
ROLE = f"arn:aws:iam::{TRUSTING}:role/Assume-Role-1"
USER = f"arn:aws:iam::{TRUSTED}:user/user-1"
POLICIES = {"role": f"arn:aws:iam::{TRUSTING}:policy/Role", "user": f"arn:aws:iam::{TRUSTED}:policy/User"}
OWNER = "organization/assume-role/test/assume-role"
TAGS = [{"Key": OWNER_TAG, "Value": OWNER}]
EXTERNAL_ID = "for-verify-1"
KEY, SESSION = "AKIAONE", "ASIAONE"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = -86_400.0  # seconds
SERVERS = 3
LONGEST_DELAY = 60.0  # seconds
LONGEST_CALL = 0.2


def allow(*actions: str) -> dict[str, Any]:
    return factories.policy(Action=list(actions), Resource="*")


# What there is, and everything that each may be: first what the stack says.
DOCUMENTS: dict[str, dict[str, Any]] = {
    "right trust": dict(trust_policy(partition="aws", trusted_account_id=TRUSTED, external_id=EXTERNAL_ID)),
    "without external id": dict(trust_policy(partition="aws", trusted_account_id=TRUSTED)),
    "another account": dict(trust_policy(partition="aws", trusted_account_id="9" * 12, external_id=EXTERNAL_ID)),
    "s3": allow("s3:*"),
    "s3 and iam": allow("s3:*", "iam:*"),
    "sqs": allow("sqs:*"),
    "this role": dict(assume_policy(ROLE)),
    "any role": allow("sts:AssumeRole"),
    "another role": dict(assume_policy(f"{ROLE}-other")),
    "inline": allow("s3:*"),
}
FACTS: dict[str, tuple[Any, ...]] = {
    "role": (True, False),
    "trust": ("right trust", "without external id", "another account"),
    "role's policy": ("s3", "s3 and iam", "sqs"),
    "role's attachment": (True, False),
    "user's policy": ("this role", "any role", "another role"),
    "user's attachment": (True, False),
    "user's inline policy": (False, True),
    KEY: ("Active", "Inactive", "deleted"),
}
# What may be changed by hand, as AWS tells when it was: it has no date for a role that is gone.
DATED = {"role": (True,), "role's policy": FACTS["role's policy"], "user's policy": FACTS["user's policy"]}
RIGHT = {name: values[0] for name, values in FACTS.items()}
PRINTED: dict[str, Any] = factories.printed_outputs(
    accessKeyId=KEY,
    secretAccessKey=None,
    accessKeys={"1": {"id": KEY, "status": "Active"}},
    terms={
        "trustingRegion": "eu-west-1",
        "trustedRegion": "us-east-1",
        "externalId": EXTERNAL_ID,
        "maxSessionDuration": 3600,
        "trustPolicy": DOCUMENTS["right trust"],
        "permissionPolicy": DOCUMENTS["s3"],
        "assumePolicy": DOCUMENTS["this role"],
        "policyNames": {"role": "Role", "user": "User"},
        "tags": {OWNER_TAG: OWNER},
    },
)
OUTPUTS = Outputs.model_validate(PRINTED)


def fails(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")


@dataclass
class Change:
    """A fact became something else; each server hears of it in its own time."""

    at: float
    value: Any
    heard: tuple[float, ...]  # when, by server; the last is the administrators'


@dataclass
class SlowAws:
    """All of AWS, and the clock."""

    random: Random
    now: float = 0.0
    longest_delay: float = LONGEST_DELAY
    one_administrator: bool = True  # whether one server answers all administrators
    keys: dict[str, float] = field(default_factory=lambda: {KEY: LONG_AGO})  # when each was made; deleted ones too
    facts: dict[str, list[Change]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def change(self, name: str, value: Any, at: float, *, administrators_know: bool = False) -> None:
        heard = [at + self.random.uniform(0, self.longest_delay) for _ in range(SERVERS + 1)]
        if administrators_know:
            heard[-1] = at
        self.facts.setdefault(name, []).append(Change(at, value, tuple(heard)))

    def truth(self) -> dict[str, Any]:
        """Return what each fact is once every change has propagated."""
        return {name: changes[-1].value for name, changes in self.facts.items()}

    @classmethod
    def settled(cls, truth: dict[str, Any]) -> "SlowAws":
        """Return an AWS where every change has propagated long ago."""
        aws = cls(Random(0))  # noqa: S311 - no secret
        for name, value in truth.items():
            aws.change(name, value, -1e6)
        return aws

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def today(self) -> datetime:
        return self.date(self.now)

    @staticmethod
    def date(second: float) -> datetime:
        """Return the date of a moment of the fake clock."""
        return EPOCH + timedelta(seconds=second)

    def ask(self, *, administrator: bool = False) -> Callable[[str], Any]:
        """Begin a call, and return how its server sees each fact."""
        self.sleep(self.random.random() * LONGEST_CALL)
        alone = administrator and self.one_administrator
        server = SERVERS if alone else int(self.random.random() * SERVERS)
        return lambda name: self.known(name, server)

    def known(self, name: str, server: int) -> Any:
        """Return a fact as a server sees it now."""
        for change in reversed(self.facts[name]):
            if change.heard[server] <= self.now:
                return change.value
        raise AssertionError(name)

    def changed(self, name: str) -> datetime:
        """Return when AWS says that a fact last changed."""
        return self.date(self.facts[name][-1].at)


@dataclass(kw_only=True)
class SlowCase(Case):
    """A case whose callers call the model."""

    aws: SlowAws

    def caller(self, key_id: str, *_: Any, **__: Any) -> Any:
        return ModelCaller(RoleClient(self.aws) if key_id == SESSION else HolderClient(self.aws, key=key_id))

    def administrator(self, *_: Any, **__: Any) -> Any:
        return ModelCaller(AdministratorClient(self.aws))


def case_of(aws: SlowAws, delay: Delay) -> SlowCase:
    secrets = {"1": SecretStr("s")}
    return SlowCase(stack="test", outputs=OUTPUTS, config={}, delay=delay, secrets=secrets, aws=aws)


@dataclass
class ModelCaller:
    own: Any

    def client(self, service: str, **_: Any) -> Any:
        self.own.service = service
        return self.own


@dataclass
class Paginator:
    call: Callable[..., Any]

    def paginate(self, **names: Any) -> list[Any]:
        return [self.call(**names)]


@dataclass
class Client:
    aws: SlowAws
    service: str = ""

    def get_paginator(self, operation: str) -> "Paginator":
        return Paginator(getattr(self, operation))


@dataclass
class HolderClient(Client):
    """What the holder of a key may do."""

    key: str = KEY

    def _known(self) -> Callable[[str], Any]:
        known = self.aws.ask()
        if known(self.key) != "Active":
            raise fails("InvalidAccessKeyId" if self.service == "s3" else "InvalidClientTokenId")
        return known

    def get_caller_identity(self) -> Any:
        self._known()
        return {"Arn": USER, "Account": TRUSTED}

    def list_users(self) -> Any:
        self._known()
        raise fails("AccessDenied")

    def list_buckets(self) -> Any:
        if not self._known()("user's inline policy"):
            raise fails("AccessDenied")

    def assume_role(self, *, ExternalId: str | None = None, DurationSeconds: int = 3600, **others: Any) -> Any:  # noqa: N803
        known = self._known()
        may_ask = known("user's attachment") and known("user's policy") != "another role"
        trust = known("trust")
        let_in = trust == "without external id" or (trust == "right trust" and ExternalId == EXTERNAL_ID)
        if not (may_ask and known("role") and let_in) or "Tags" in others:
            raise fails("AccessDenied")
        if DurationSeconds > 3600:
            raise fails("ValidationError")
        end = self.aws.today().replace(microsecond=0) + timedelta(seconds=DurationSeconds)
        key = {"AccessKeyId": SESSION, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": end}
        date = f"{self.aws.today():%a, %d %b %Y %H:%M:%S} GMT"
        return {"Credentials": key, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}


class RoleClient(Client):
    """What a session of the role may do."""

    def get_caller_identity(self) -> Any:
        self.aws.ask()
        return {"Arn": f"arn:aws:sts::{TRUSTING}:assumed-role/Assume-Role-1/verify", "Account": TRUSTING}

    def list_buckets(self) -> Any:
        self._must_be(self.aws.ask(), "s3", "s3 and iam")

    def list_users(self) -> Any:
        self._must_be(self.aws.ask(), "s3 and iam")

    def _must_be(self, known: Callable[[str], Any], *policies: str) -> None:
        if not (known("role's attachment") and known("role's policy") in policies):
            raise fails("AccessDenied")


# What no change of a fact changes.
CONSTANT: dict[str, dict[str, Any]] = {
    "get_user": {"User": {"CreateDate": EPOCH - timedelta(days=1), "Tags": TAGS}},
    "get_user_policy": {"PolicyDocument": DOCUMENTS["inline"]},
    "get_access_key_last_used": {"AccessKeyLastUsed": {}},
    "list_role_policies": {"PolicyNames": []},
    "list_groups_for_user": {"Groups": []},
    "list_ssh_public_keys": {"SSHPublicKeys": []},
    "list_signing_certificates": {"Certificates": []},
    "list_service_specific_credentials": {"ServiceSpecificCredentials": []},
}


class AdministratorClient(Client):
    """What IAM tells the administrators of both accounts."""

    def _known(self, name: str) -> Any:
        return self.aws.ask(administrator=True)(name)

    def get_role(self, **_: Any) -> Any:
        if not self._known("role"):
            raise fails("NoSuchEntity")
        trust = DOCUMENTS[self._known("trust")]
        dates = {"CreateDate": self.aws.changed("role")}
        return {"Role": {"AssumeRolePolicyDocument": trust, "MaxSessionDuration": 3600, "Tags": TAGS, **dates}}

    def list_attached_role_policies(self, **_: Any) -> Any:
        attached = self._known("role") and self._known("role's attachment")
        return {"AttachedPolicies": [{"PolicyArn": POLICIES["role"]}] if attached else []}

    def list_attached_user_policies(self, **_: Any) -> Any:
        return {"AttachedPolicies": [{"PolicyArn": POLICIES["user"]}] if self._known("user's attachment") else []}

    def list_user_policies(self, **_: Any) -> Any:
        return {"PolicyNames": ["inline"] if self._known("user's inline policy") else []}

    def get_policy(self, *, PolicyArn: str) -> Any:  # noqa: N803 - AWS's name
        return {"Policy": {"DefaultVersionId": "v1", "UpdateDate": self.aws.changed(_fact(PolicyArn))}}

    def get_policy_version(self, *, PolicyArn: str, **_: Any) -> Any:  # noqa: N803 - as above
        return {"PolicyVersion": {"Document": DOCUMENTS[self._known(_fact(PolicyArn))]}}

    def list_access_keys(self, **_: Any) -> Any:
        known = self.aws.ask(administrator=True)
        keys = [
            {"AccessKeyId": key, "Status": known(key), "CreateDate": self.aws.date(made)}
            for key, made in self.aws.keys.items()
        ]
        return {"AccessKeyMetadata": [key for key in keys if key["Status"] != "deleted"]}

    def get_login_profile(self, **_: Any) -> Any:
        raise fails("NoSuchEntity")

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **_: CONSTANT[operation]


def _fact(policy_arn: str) -> str:
    return "role's policy" if policy_arn == POLICIES["role"] else "user's policy"


def in_text(facts: dict[str, Any]) -> str:
    """Return what is not as the stack says, for the message of a failed test."""
    return json.dumps({name: value for name, value in facts.items() if value != RIGHT[name]})
