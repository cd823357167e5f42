"""What an identity policy allows, as far as its text alone can tell. Pure functions.

They choose which calls prove something, and do not stand in for AWS: whatever depends on a condition, a policy
variable or a boundary is neither surely allowed nor surely refused, and is then not used as a proof.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from .documents import Document, listed, matches, statements

ANYTHING = "*"


def surely_allowed(document: Document, action: str, resource: str = ANYTHING) -> bool:
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
        "Condition" not in statement and any(matches(p, resource) for p in listed(statement.get("Resource")))
        for statement in touching
    )


def possibly_allowed(document: Document, action: str) -> bool:
    """Return whether the document allows the action on some resource or under some condition."""
    return any(
        statement["Effect"] == "Allow" and _names_action(statement, action) for statement in statements(document)
    )


def allowed_services(document: Document) -> frozenset[str]:
    """Return the service prefixes of the allowed actions, as ``s3``; ``*`` stands for any service."""
    services: set[str] = set()
    for statement in statements(document):
        if statement["Effect"] != "Allow":
            continue
        patterns = [ANYTHING] if "NotAction" in statement else listed(statement.get("Action"))
        services.update(pattern.split(":")[0].lower() for pattern in patterns)
    return frozenset(services)


def _names_action(statement: Document, action: str) -> bool:
    """Return whether a statement is about an action; AWS ignores the case of actions."""
    element = "NotAction" if "NotAction" in statement else "Action"
    named = any(matches(pattern.lower(), action.lower()) for pattern in listed(statement.get(element)))
    return named is (element == "Action")
