"""What a policy document allows, as far as the text alone can tell. Pure functions.

They are for choosing which calls prove something, not for standing in for AWS: whatever depends on a condition, a
policy variable or a boundary is neither surely allowed nor surely refused, and is then not used as a proof.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

ANYTHING = "*"


def surely_allowed(document: Mapping[str, Any], action: str, resource: str = ANYTHING) -> bool:
    """Return whether the document allows the action without any condition, and denies it under none.

    Args:
        document: an identity policy.
        action: as ``s3:ListAllMyBuckets``.
        resource: an ARN; ``*`` for actions that take none, which only the resource ``*`` allows.
    """
    touching = [statement for statement in statements(document) if _names_action(statement, action)]
    if any(statement["Effect"] == "Deny" for statement in touching):
        return False
    return any(
        "Condition" not in statement and any(_matches(p, resource) for p in _texts(statement.get("Resource")))
        for statement in touching
    )


def possibly_allowed(document: Mapping[str, Any], action: str) -> bool:
    """Return whether the document allows the action on some resource or under some condition."""
    return any(
        statement["Effect"] == "Allow" and _names_action(statement, action) for statement in statements(document)
    )


def allowed_services(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the service prefixes of the allowed actions, as ``s3``; ``*`` stands for any service."""
    found: set[str] = set()
    for statement in statements(document):
        if statement["Effect"] != "Allow":
            continue
        patterns = [ANYTHING] if "NotAction" in statement else _texts(statement.get("Action"))
        found.update(pattern.split(":")[0].lower() for pattern in patterns)
    return frozenset(found)


def only_denies(document: Mapping[str, Any]) -> bool:
    """Return whether the document can only take away, as the one that revokes a role's older sessions."""
    return all(statement["Effect"] == "Deny" for statement in statements(document))


def same_document(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two documents say the same, whatever the order and whether single values stand in lists."""
    return _canonical(one) == _canonical(other)


def statements(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a document, which may be one object or a list."""
    found = document.get("Statement", [])
    yield from cast("list[Mapping[str, Any]]", found if isinstance(found, list) else [found])


def source_addresses(document: Mapping[str, Any]) -> list[str]:
    """Return the addresses that a trust policy lets in, if it asks for any."""
    conditions = (statement.get("Condition", {}) for statement in statements(document))
    return [text for each in conditions for text in _texts(each.get("IpAddress", {}).get("aws:SourceIp"))]


def _names_action(statement: Mapping[str, Any], action: str) -> bool:
    element = "NotAction" if "NotAction" in statement else "Action"
    named = any(_matches(pattern.lower(), action.lower()) for pattern in _texts(statement.get(element)))
    return named is (element == "Action")


def _matches(pattern: str, text: str) -> bool:
    """Return whether the text fits IAM's wildcards: ``*`` for any characters, ``?`` for one.

    Only the last ``*`` is ever given more to eat, so many of them take no longer than the two lengths multiplied.
    """
    at = position = 0  # in the pattern, in the text
    star, eaten = -1, 0  # where the last * is, and up to where in the text it has eaten
    while position < len(text):
        if pattern[at : at + 1] == "*":
            star, eaten, at = at, position, at + 1
        elif pattern[at : at + 1] in ("?", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            eaten += 1
            at, position = star + 1, eaten
        else:
            return False
    return not pattern[at:].strip("*")


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in cast("list[object]", value)] if isinstance(value, list) else [str(value)]


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {key: _canonical(entries[key]) for key in sorted(entries)}
    if isinstance(value, list):
        parts = sorted((_canonical(part) for part in cast("list[object]", value)), key=json.dumps)
        return parts[0] if len(parts) == 1 else parts
    return str(value).lower() if isinstance(value, bool) else str(value)
