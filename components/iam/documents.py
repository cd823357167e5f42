"""Policy documents, as pure functions: what this project writes, and how any two are compared and measured.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from .arns import account_root

Condition: TypeAlias = dict[str, dict[str, str | list[str]]]
Document: TypeAlias = Mapping[str, Any]
"""A policy document."""

POLICY_VERSION = "2012-10-17"
TAG_SESSION = "sts:TagSession"
ACCOUNT = re.compile(r"[0-9]{12}")
ACCOUNT_ROOT = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):root")


def trust_policy(
    *,
    partition: str,
    trusted_account_id: str,
    external_id: str | None = None,
    require_mfa: bool = False,
    mfa_max_age: int | None = None,
    principal_arns: Sequence[str] = (),
    organization_id: str | None = None,
    source_ips: Sequence[str] = (),
    session_tags: bool = False,
) -> dict[str, Any]:
    """Return the document that says who may assume the role: the trusted account, under the given conditions.

    The principal is the account's root, never a user: AWS turns a user's ARN into that user's unique id, so a user
    that is deleted and made again would be locked out, and a new user is often refused because it has not propagated
    yet. ``principal_arns`` narrows by condition instead, and has neither problem.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html

    To tag a session alone lets nobody in, so the statement on that has no conditions: the external id is none of those
    that AWS documents for ``sts:TagSession``.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
    """
    condition: Condition = {}
    if external_id is not None:
        condition.setdefault("StringEquals", {})["sts:ExternalId"] = external_id
    if organization_id is not None:
        condition.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = organization_id
    if require_mfa:
        condition["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    if mfa_max_age is not None:
        condition["NumericLessThanEquals"] = {"aws:MultiFactorAuthAge": str(mfa_max_age)}
    if principal_arns:
        condition["ArnLike"] = {"aws:PrincipalArn": list(principal_arns)}
    if source_ips:
        condition["IpAddress"] = {"aws:SourceIp": list(source_ips)}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": account_root(partition=partition, account_id=trusted_account_id)},
        "Action": "sts:AssumeRole",
    }
    allowed = [{**statement, "Condition": condition} if condition else statement]
    if session_tags:
        allowed.append({**statement, "Action": TAG_SESSION})
    return {"Version": POLICY_VERSION, "Statement": allowed}


def assume_policy(role_arn: str, *, session_tags: bool = False) -> dict[str, Any]:
    """Return the document that lets a user assume exactly one role, with tags on the session or not; nothing else."""
    action = ["sts:AssumeRole", TAG_SESSION] if session_tags else "sts:AssumeRole"
    return {"Version": POLICY_VERSION, "Statement": [{"Effect": "Allow", "Action": action, "Resource": role_arn}]}


def deny_older_sessions(began_before: datetime) -> dict[str, Any]:
    """Return the document that denies everything to sessions that began before a time, and nothing to a key itself.

    A request signed with a long-term key has no ``aws:TokenIssueTime``, so the condition does not hold for it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
    """
    time = f"{began_before.astimezone(UTC):%FT%TZ}"
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": time}},
            }
        ],
    }


def revoked_before(document: Document) -> datetime | None:
    """Return before when sessions must have begun to be denied, if a document says that and nothing else."""
    try:
        (statement,) = statements(document)
        (time,) = listed(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
        began_before = datetime.fromisoformat(time)
        same = same_document({**statement, "Sid": ""}, {**deny_older_sessions(began_before)["Statement"][0], "Sid": ""})
    except (KeyError, TypeError, ValueError):
        return None
    return began_before if same else None


def statements(document: Document) -> Iterator[Document]:
    """Yield the statements of a document, which may be one object or a list."""
    yield from cast("list[Document]", items(document.get("Statement")))


def items(value: object) -> list[object]:
    """Return the items of an element that may be absent, one value, or a list."""
    if value is None:
        return []
    return cast("list[object]", value) if isinstance(value, list) else [value]


def listed(value: object) -> list[str]:
    """Return the items of an element that may be absent, one text, or a list of texts."""
    return [str(item) for item in items(value)]


def source_addresses(document: Document) -> list[str]:
    """Return the addresses that a trust policy lets in, if it asks for any."""
    conditions = (statement.get("Condition", {}) for statement in statements(document))
    return [text for each in conditions for text in listed(each.get("IpAddress", {}).get("aws:SourceIp"))]


def matches(pattern: str, text: str) -> bool:
    """Return whether a text fits IAM's wildcards: ``*`` for any characters, ``?`` for one; upper and lower case differ.

    It goes back to the last ``*`` only, so that many of them cost no more than a few.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    at, star, resume = 0, -1, 0  # in the pattern; its last `*`; where in the text that one's match ends
    position = 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, position, at + 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            at, resume = star + 1, resume + 1
            position = resume
        else:
            return False
    return not pattern[at:].strip("*")


def size(document: Document) -> int:
    """Return how many characters AWS counts: as it is sent, where one outside ASCII is six, without white space."""
    return len("".join(json.dumps(document).split()))


def same_document(one: Document, other: Document, *, partition: str = "aws") -> bool:
    """Return whether two documents mean the same to AWS.

    Order, repetition and lists of one do not matter, nor do AWS's shorthands: an account's id for its root in
    ``partition``, ``*`` for ``{"AWS": "*"}``, true for ``"true"``, and no condition for an empty one. The case files of
    the tests have an example of each.
    """
    return _meaning(one, partition) == _meaning(other, partition)


def without_sids(document: Document) -> Document:
    """Return a document without its statements' Sids, which AWS does not evaluate."""
    kept = [{key: value for key, value in each.items() if key != "Sid"} for each in statements(document)]
    return {**document, "Statement": kept}


def _meaning(value: object, partition: str, key: str = "") -> object:
    """Return a canonical form: every value a sorted list without repetitions, AWS's shorthands written out."""
    if key in ("Principal", "NotPrincipal") and value == "*":
        return _meaning({"AWS": "*"}, partition)
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        kept = [name for name in sorted(entries) if name != "Condition" or entries[name]]  # {} says nothing
        return [{name: _meaning(entries[name], partition, name) for name in kept}]
    if isinstance(value, list):
        parts = cast("list[object]", value)
        items = [item for part in parts for item in cast("list[object]", _meaning(part, partition, key))]
        return sorted({json.dumps(item, sort_keys=True): item for item in items}.values(), key=json.dumps)
    if isinstance(value, bool):
        return [str(value).lower()]
    is_account = key == "AWS" and ACCOUNT.fullmatch(str(value))
    return [account_root(partition=partition, account_id=str(value)) if is_account else str(value)]
