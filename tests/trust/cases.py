"""Cases of who gets in: what a user configured, who calls and how, and the right answer with what it follows from."""

import ipaddress
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from components.configuration import parse_settings
from components.relationship_args import RelationshipArgs

TRUSTING, TRUSTED = "111122223333", "444455556666"
FOLDER = Path(__file__).with_name("cases")


class Caller(BaseModel):
    """Who calls, and what AWS knows of the call. A case file says it in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    who: str  # the ARN of a user, or of a role of which it is a session
    may_assume: str = "this role"  # a name in judges.IDENTITY_POLICIES
    external_id: str | None = None  # what it sends
    session_tags: bool = False  # whether it sends a tag for the session
    session: bool = False  # a user calls with a session of its own, not with a key
    mfa_seconds_ago: int | None = None  # 0: the code is in the call itself
    organization_id: str | None = None  # of the caller's account
    address: str | None = "203.0.113.7"  # None: the call comes through a VPC endpoint

    @property
    def account(self) -> str:
        return self.who.split(":")[4]

    @property
    def name(self) -> str:
        return self.who.rpartition("/")[2]

    @property
    def path(self) -> str:
        return f"/{'/'.join(self.who.split('/')[1:-1])}/".replace("//", "/")

    @property
    def is_user(self) -> bool:
        return ":user/" in self.who

    @property
    def mfa_age(self) -> int | None:
        """How old the MFA sign-in is that AWS knows of; a role's session never has one, whoever began it.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
        """
        return self.mfa_seconds_ago if self.is_user else None


class Case(BaseModel):
    """One question, with the right answer and with the judges that cannot give it."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    shows: str  # a sentence
    settings: dict[str, Any] = {}  # as in Pulumi.<stack>.yaml, without the two account ids
    caller: Caller
    gets_in: bool
    blind: dict[str, list[str]] = {}  # what keeps a judge from judging it, by judge: names in judges.BLIND_SPOTS

    @property
    def trust(self) -> dict[str, Any]:
        return self.settings.get("trust", {})

    @cached_property
    def deployed(self) -> RelationshipArgs:
        """What the program makes of the settings."""
        sides = {"trusting": TRUSTING, "trusted": TRUSTED}
        accounts = {side: {"accountId": account, **self.settings.get(side, {})} for side, account in sides.items()}
        return parse_settings({**self.settings, **accounts})

    def seeing(self, *, trust: dict[str, Any] | None = None, **caller: object) -> "Case":
        """Return the case as somebody sees it who takes some things for others."""
        settings = {**self.settings, "trust": {**self.trust, **trust}} if trust else self.settings
        return self.model_copy(update={"settings": settings, "caller": self.caller.model_copy(update=caller)})


def rules(case: Case) -> dict[str, bool]:
    """Return which rules a call keeps, by the settings and never by a policy. It gets in if it keeps them all."""
    trust, caller = case.trust, case.caller
    age, oldest = caller.mfa_age, trust.get("mfaMaxAge")
    patterns, ranges = trust.get("principalArns", []), trust.get("sourceIps", [])
    return {
        "the account": caller.account == TRUSTED,
        "the caller's policy": caller.may_assume in ("this role", "any role", "any role, untagged")
        and not (caller.session_tags and caller.may_assume == "any role, untagged"),
        "sessionTags": not caller.session_tags or trust.get("sessionTags", False),
        "externalId": trust.get("externalId") in (None, caller.external_id),
        "requireMfa": not trust.get("requireMfa") or age is not None,
        "mfaMaxAge": oldest is None or (age is not None and age <= oldest),
        "principalArns": not patterns or any(_fits(pattern, caller) for pattern in patterns),
        "organizationId": trust.get("organizationId") in (None, caller.organization_id),
        "sourceIps": not ranges or any(_inside(caller.address, network) for network in ranges),
    }


def broken(case: Case) -> list[str]:
    return [rule for rule, kept in rules(case).items() if not kept]


def _fits(pattern: str, caller: Caller) -> bool:
    if caller.is_user:
        pattern = pattern.replace("${aws:username}", caller.name)
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), caller.who))


def _inside(address: str | None, network: str) -> bool:
    return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(network)


def cases() -> list[Case]:
    """Return the cases of all files."""
    files = sorted(FOLDER.glob("*.json"))
    return [Case.model_validate(case) for file in files for case in json.loads(file.read_text("utf-8"))["cases"]]
