"""AWS's own limits on the inputs of resources, and when two policy documents mean the same.

A rule takes a known value and returns None, or what is wrong with the value, as the end of a sentence.
Quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
Patterns: https://docs.aws.amazon.com/IAM/latest/APIReference/ (API_CreateRole, API_CreateUser, API_CreatePolicy)
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final, cast

Rule = Callable[[Any], str | None]

MAX_TAGS: Final = 50
MAX_TAG_KEY: Final = 128
MAX_TAG_VALUE: Final = 256
MAX_PATH: Final = 512
# White space does not count towards either size.
MAX_POLICY_SIZE: Final = 6144
MAX_TRUST_POLICY_SIZE: Final = 2048

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_+=,.@-]+")
PATH_PATTERN: Final = re.compile(r"/|/[!-~]+/")
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
ROLE_DESCRIPTION_PATTERN: Final = re.compile(r"[\t\n\r -~¡-ÿ]*")
ARN_PATTERN: Final = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:(\d{12}|aws)?:.+")
ACCOUNT_ROOT_PATTERN: Final = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")


def text(low: int, high: int, pattern: re.Pattern[str] | None = None) -> Rule:
    """Rule: a string of `low` to `high` characters that matches `pattern` as a whole."""

    def rule(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
        if not isinstance(value, str):
            return "must be a string"
        if not low <= len(value) <= high:
            return f"has {len(value)} characters; AWS allows {low} to {high}"
        if pattern and not pattern.fullmatch(value):
            return f"is {value!r}; AWS allows only what matches {pattern.pattern}"
        return None

    return rule


def number(low: int, high: int) -> Rule:
    """Rule: a whole number from `low` to `high`."""

    def rule(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"is {value!r}; AWS allows a whole number from {low} to {high}"
        return None

    return rule


def choice(*allowed: str) -> Rule:
    """Rule: one of the strings `allowed`."""

    def rule(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
        return None if value in allowed else f"is {value!r}; AWS allows {' or '.join(allowed)}"

    return rule


def document(limit: int) -> Rule:
    """Rule: a JSON policy document of at most `limit` characters, white space not counted."""

    def rule(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
        if not isinstance(value, str):
            return "must be a string that holds a JSON document"
        try:
            parsed: object = json.loads(value)
        except ValueError as error:
            return f"contains an invalid JSON policy: {error}"
        if not isinstance(parsed, dict) or "Statement" not in parsed:
            return "contains an invalid JSON policy: it must be an object with a Statement"
        if (size := len(re.sub(r"\s", "", value))) > limit:
            return f"has {size} characters without white space; AWS allows {limit}"
        return None

    return rule


def flag(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
    """Rule: true or false."""
    return None if isinstance(value, bool) else f"is {value!r}; it must be true or false"


def pgp_key(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
    """Rule: not a Keybase name. As with the official plugin, a bad key is noticed only when it is used."""
    if isinstance(value, str) and not value.startswith("keybase:"):
        return None
    return "must be a base64-encoded public key: the stand-in AWS plugin does not cover keys from keybase.io"


def tags(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
    """Rule: at most 50 tags with AWS's key and value lengths, none in AWS's own name space."""
    if not isinstance(value, dict):
        return "must be a map of strings"
    pairs = cast("dict[str, object]", value)
    if len(pairs) > MAX_TAGS:
        return f"has {len(pairs)} tags; AWS allows {MAX_TAGS}"
    for key, item in pairs.items():
        if not 1 <= len(key) <= MAX_TAG_KEY or key.lower().startswith("aws:"):
            return f"has the key {key!r}; AWS allows 1 to {MAX_TAG_KEY} characters, not starting with aws:"
        if not isinstance(item, str) or len(item) > MAX_TAG_VALUE:
            return f"has a wrong value under {key!r}; AWS allows a string of up to {MAX_TAG_VALUE} characters"
    return None


path: Final = text(1, MAX_PATH, PATH_PATTERN)
arn: Final = text(20, 2048, ARN_PATTERN)


def same_document(one: str, other: str) -> bool:
    """Tell whether two policy documents mean the same to AWS, whatever their order, spacing and single-item lists."""
    if one == other:
        return True
    try:
        return _meaning(json.loads(one)) == _meaning(json.loads(other))
    except ValueError:
        return False


def _meaning(value: object, key: str = "") -> object:
    """Return a canonical form: every value a sorted list without repetitions, AWS's shorthands written out."""
    if key in ("Principal", "NotPrincipal") and value == "*":
        return _meaning({"AWS": "*"})
    if isinstance(value, list):
        items = [
            item for element in cast("list[object]", value) for item in cast("list[object]", _meaning(element, key))
        ]
        return sorted({json.dumps(item, sort_keys=True): item for item in items}.values(), key=json.dumps)
    if isinstance(value, dict):
        return [{name: _meaning(item, name) for name, item in sorted(cast("dict[str, object]", value).items())}]
    if isinstance(value, bool):
        return [str(value).lower()]
    if key == "AWS" and (root := ACCOUNT_ROOT_PATTERN.fullmatch(str(value))):
        return [root[1]]
    return [str(value)]
