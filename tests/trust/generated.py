"""Cases by chance: settings that a user may make, callers that keep each of them more often than not."""

import random
from typing import Any

from tests.trust.cases import TRUSTED, TRUSTING, Caller, Case, broken

USERS = ({}, {"name": "alice", "path": "/people/"})
EXTERNAL_IDS = ("customer-42", "a+b=c,d.e@f:g/h-i_j", "42")
ORGANIZATIONS = ("o-a1b2c3d4e5", "o-a1b2c3d4e5f6", "o-zzzzzzzzzz")
AGES = (1, 899, 900, 901, 3600, 129600)
# Each name stands at one path only: AWS, and so the embedded one, has a name once in an account.
WHO = tuple(
    f"arn:aws:iam::{account}"
    for account in (
        *(f"{TRUSTED}:user/{name}" for name in ("user-1", "user-12", "people/alice", "people/bob")),
        *(f"{TRUSTED}:role/{name}" for name in ("Ops", "team/Deploy")),
        f"{TRUSTING}:user/user-1",
        *(f"777788889999:{name}" for name in ("user/user-1", "user/people/alice", "role/Ops")),
    )
)
PATTERNS = tuple(
    f"arn:aws:iam::{TRUSTED}:{name}"
    for name in (
        "user/*",
        "user/user-?",
        "user/people/*",
        "user/*/b?b",
        "role/Ops",
        "role/team/*",
        "role/*",
        "user/nobody",
    )
)
# Without 0.0.0.0/0, of which the case files have what there is to say.
RANGES = {
    "203.0.113.0/24": ("203.0.113.0", "203.0.113.7", "203.0.113.255"),
    "198.51.100.128/25": ("198.51.100.128", "198.51.100.255"),
    "192.0.2.7": ("192.0.2.7",),
    "128.0.0.0/1": ("203.0.113.7", "128.0.0.0", "255.255.255.254"),
    "2001:db8::/32": ("2001:db8::7", "2001:db8:ffff::1"),
    "::/0": ("2001:db9::7", "2600::1"),
}
ADDRESSES = ("198.51.100.127", "192.0.2.70", "8.8.8.8", "203.0.114.0", "2001:db9::7", None)
SET, AGED = 0.4, 0.5  # how often a setting is made, and how often MFA gets an age
OWN, KEPT = 0.75, 0.85  # how often a caller is the stack's own user, and how often it keeps a setting on purpose


def generate(seed: int, count: int) -> list[Case]:
    """Return as many cases, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [_case(chance, f"case {number} of seed {seed}") for number in range(1, count + 1)]


def _case(chance: random.Random, name: str) -> Case:
    user = chance.choice(USERS)
    own = f"arn:aws:iam::{TRUSTED}:user/{'people/alice' if user else 'user-1'}"
    trust = _trust(chance, own)
    asked = Case(
        shows=name,
        settings={key: value for key, value in {"user": user, "trust": trust}.items() if value},
        caller=_caller(chance, own, trust),
        gets_in=False,
    )
    return asked.model_copy(update={"gets_in": not broken(asked)})


def _trust(chance: random.Random, own: str) -> dict[str, Any]:
    values = {
        "externalId": chance.choice(EXTERNAL_IDS),
        "requireMfa": True,
        "principalArns": [own, *chance.sample(PATTERNS, chance.randint(0, 2))],
        "organizationId": chance.choice(ORGANIZATIONS),
        "sourceIps": chance.sample(list(RANGES), chance.randint(1, 3)),
    }
    trust = {key: value for key, value in values.items() if chance.random() < SET}
    if "requireMfa" in trust and chance.random() < AGED:
        trust["mfaMaxAge"] = chance.choice(AGES)
    return trust


def _caller(chance: random.Random, own: str, trust: dict[str, Any]) -> Caller:
    def kept(right: object, *others: object) -> Any:
        return right if chance.random() < KEPT else chance.choice(others)

    oldest = trust.get("mfaMaxAge", AGES[-1])
    right = chance.choice(RANGES[chance.choice(trust.get("sourceIps", list(RANGES)))])
    return Caller(
        who=own if chance.random() < OWN else chance.choice(WHO),
        may_assume=kept(chance.choice(("this role", "any role")), "no role", "another role", "any role but this one"),
        external_id=kept(trust.get("externalId"), None, "Customer-42", *EXTERNAL_IDS),
        session=chance.random() < SET,
        mfa_seconds_ago=kept(chance.choice((0, oldest - 1, oldest)), None, oldest + 1),
        organization_id=kept(trust.get("organizationId"), None, *ORGANIZATIONS),
        address=kept(right, *ADDRESSES),
    )
