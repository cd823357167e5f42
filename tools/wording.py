"""What policy documents say, in words. Pure functions."""

import re
from typing import cast

from components.iam.documents import ACCOUNT_ROOT, Document, listed, statements

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
CONDITION_WORDS = {
    "sts:externalid": "external id",
    "aws:multifactorauthpresent": "MFA",
    "aws:multifactorauthage": "MFA age",
    "aws:principalarn": "principals",
    "aws:principalorgid": "organization",
    "aws:sourceip": "source IPs",
}


def sentences(document: Document) -> list[str]:
    """Return what an identity policy says, a sentence for each statement."""
    return [_sentence(statement) for statement in statements(document)]


def _sentence(statement: Document) -> str:
    verb = "may not use" if statement.get("Effect") == "Deny" else "may use"
    actions = ", ".join(map(_action, listed(statement.get("Action"))))
    if "NotAction" in statement:
        actions = f"everything except {', '.join(listed(statement['NotAction']))}"
    resources = ", ".join(listed(statement.get("Resource")))
    if "NotResource" in statement:
        resources = f"everything except {', '.join(listed(statement['NotResource']))}"
    where = "every resource" if resources == "*" else resources
    return f"{verb} {actions} on {where}{', under conditions' if statement.get('Condition') else ''}"


def _action(action: str) -> str:
    if action == "*":
        return "every action of every service"
    service, _, name = action.partition(":")
    return f"every action of {service}" if name == "*" else action


def conditions(trust_policy: Document) -> list[tuple[str, str]]:
    """Return the conditions of a trust policy as pairs of what must hold and its value."""
    return [
        _condition(key, value)
        for statement in statements(trust_policy)
        for comparisons in cast("dict[str, dict[str, object]]", statement.get("Condition", {})).values()
        for key, value in comparisons.items()
    ]


def _condition(key: str, value: object) -> tuple[str, str]:
    words = CONDITION_WORDS.get(key.lower(), key)
    text = ", ".join(listed(value))
    if words == "MFA":
        return words, "required" if text.lower() == "true" else f"must be {text}"
    if words == "MFA age" and text.isdigit():
        return words, f"at most {duration(int(text))}"
    return words, text


def principals(trust_policy: Document) -> list[str]:
    """Return whom a trust policy names, an account's root as the account."""
    named: list[str] = []
    for statement in statements(trust_policy):
        principal: object = statement.get("Principal", "*")
        kinds = cast("dict[str, object]", principal).values() if isinstance(principal, dict) else [principal]
        named.extend(arn for kind in kinds for arn in listed(kind))
    return [re.sub(f"^{ACCOUNT_ROOT.pattern}$", r"account \1", arn) for arn in named]


def duration(seconds: int) -> str:
    """Return a length of time in words: ``1 h``, ``1 h 30 min``, ``45 s``."""
    hours, rest = divmod(seconds, SECONDS_PER_HOUR)
    minutes, left = divmod(rest, SECONDS_PER_MINUTE)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
