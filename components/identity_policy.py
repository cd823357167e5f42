"""AWS's rules on the permission policy of a role: what is no identity policy, and what allows everything."""

import json
import re
from collections.abc import Mapping
from typing import cast

from .iam.documents import items, matches, size, statements
from .iam.limits import MAX_POLICY_CHARACTERS
from .validation import whole

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATOR = re.compile(
    r"""(ForAllValues:|ForAnyValue:)? (
        String(Not)?(Equals|EqualsIgnoreCase|Like) | Bool | BinaryEquals | (Not)?IpAddress | Arn(Not)?(Equals|Like)
        | (Numeric|Date)(Equals|NotEquals|LessThan|LessThanEquals|GreaterThan|GreaterThanEquals)
    )(IfExists)? | (ForAllValues:|ForAnyValue:)?Null""",
    re.VERBOSE | re.IGNORECASE,
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
VARIABLE = re.compile(r"\$\{(?:[*?$]|(?!(?:cf|env|file|self|opt|param|var|sls):)[\w.-]+:[^:}\s][^}]*)\}")
TEMPLATE = re.compile(r"<[^<>]+>|\{\{.*?\}\}|\$\{[^}]*\}")  # where no variable is
# AWS's own policies have arn:aws:organizations::*: without a last part.
RESOURCE = re.compile(
    r"\*+ | arn : [^:]+ : [^:]+ : (?P<region>[^:]*) : (?P<account>[^:]*) : (.+ | (?<=:organizations::\*:))",
    re.VERBOSE,
)
FLAT = "A statement holds lists of texts, and conditions two objects deep. Correct it there"


def identity_policy_text(content: bytes) -> dict[str, object]:
    """Return the identity policy in the content of a JSON file."""
    try:
        document: object = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError:
        raise ValueError("the policy file is not UTF-8 text. Correct it there") from None
    except RecursionError:
        raise ValueError(f"the policy file is nested too deep. {FLAT}") from None
    except ValueError as error:
        raise ValueError(f"the policy file is not JSON: {error}. Correct it there") from None
    return identity_policy(document)


def identity_policy(document: object) -> dict[str, object]:
    """Return an identity policy document.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    document = _as_json(document)
    if fault := _policy_fault(document):
        raise ValueError(f"this is not an IAM identity policy: {fault}. Correct it in the policy's JSON")
    policy = cast("dict[str, object]", document)
    if (characters := size(policy)) > MAX_POLICY_CHARACTERS:
        raise ValueError(
            f"a managed policy has at most {MAX_POLICY_CHARACTERS:,} characters without white space, "
            f"this has {characters:,}. Shorten it, for example with wildcards"
        )
    return policy


def _as_json(document: object) -> object:
    """Return a document as JSON has it, with whole numbers as 7: AWS takes 7.0 for another text."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        text.encode()
        return whole(json.loads(text))
    except RecursionError:
        raise ValueError(f"this policy is nested too deep. {FLAT}") from None
    except UnicodeEncodeError:
        raise ValueError("a text has half of a character, as \\ud83d alone is. Write the whole one") from None
    except TypeError as error:
        raise ValueError(f"this is not JSON: {error}. Write a text, a number or a boolean") from None
    except ValueError:
        raise ValueError("JSON has no NaN and no Infinity. Write a number, or remove it") from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return document


def arns_elsewhere(policy: Mapping[str, object], partition: str) -> list[str]:
    """Return the ARNs of a policy that no resource of a partition has.

    AWS refuses such resources. A condition with several ARNs may be meant for more than one partition; where none of
    them is of this one, it is never met, or always.
    """
    found: list[str] = []
    for statement in statements(policy):
        found += _elsewhere(statement.get("Resource", statement.get("NotResource")), partition)
        for tests in statement.get("Condition", {}).values():
            for values in tests.values():
                other = _elsewhere(values, partition)
                found += other if len(other) == len(items(values)) else []
    return found


def _elsewhere(values: object, partition: str) -> list[str]:
    arns = ((text, re.match(r"arn:([^:]+):", str(text))) for text in items(values))
    return [str(text) for text, arn in arns if arn and not matches(arn[1], partition)]


def allows_everything(policy: Mapping[str, object]) -> bool:
    """Return whether a statement allows all of IAM, which can give itself the rest, everywhere and unconditionally.

    ``NotAction`` allows all but a few actions, which is meant seldom and counts as everything.
    """
    return any(
        statement.get("Effect") == "Allow"
        and not statement.get("Condition")
        and ("NotAction" in statement or any(map(_is_all_of_iam, items(statement["Action"]))))
        and ("NotResource" in statement or any(not str(each).strip("*") for each in items(statement["Resource"])))
        for statement in statements(policy)
    )


def _is_all_of_iam(action: object) -> bool:
    """Return whether an action is ``*``, ``iam:*`` or ``*:*``, with however many stars."""
    return re.fullmatch(r"\*+|(iam|\*):\*+", str(action).casefold()) is not None


def _policy_fault(document: object) -> str | None:
    if not isinstance(document, dict):
        return "it is not a JSON object"
    policy = cast("dict[str, object]", document)
    if unknown := sorted(policy.keys() - {"Version", "Id", "Statement"}):
        return f"a policy has no element {unknown[0]!r}"
    if not isinstance(policy.get("Id", ""), str):
        return '"Id" is not a text'
    if "Version" not in policy:
        return '"Version" is missing: add "Version": "2012-10-17"'
    if policy.get("Version") != "2012-10-17":
        return f'"Version" is {policy.get("Version")!r} and must be "2012-10-17"'
    entries = items(policy.get("Statement"))
    if not entries:
        return '"Statement" is missing or empty'
    ids = [cast("dict[str, object]", entry).get("Sid") for entry in entries if isinstance(entry, dict)]
    if repeated := next((sid for sid in ids if sid and ids.count(sid) > 1), None):  # an empty one is none
        return f"the Sid {repeated!r} stands twice"
    return next((fault for number, entry in enumerate(entries, 1) if (fault := _statement_fault(number, entry))), None)


def _statement_fault(number: int, entry: object) -> str | None:
    if not isinstance(entry, dict):
        return f"statement {number} is not a JSON object"
    statement = cast("dict[str, object]", entry)
    elements = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
    if "Principal" in statement or "NotPrincipal" in statement:
        return f"statement {number} names a principal, which only trust and resource policies do"
    if unknown := sorted(statement.keys() - elements):
        return f"statement {number} has an unknown element {unknown[0]!r}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        return f'statement {number} needs "Effect" to be "Allow" or "Deny"'
    for element in ("Action", "Resource"):
        values = [statement[name] for name in (element, f"Not{element}") if name in statement]
        if len(values) != 1:
            return f'statement {number} needs exactly one of "{element}" and "Not{element}"'
        texts = items(values[0])
        if not texts or not all(isinstance(text, str) and text for text in texts):
            return f'"{element}" of statement {number} must be a text or a list of texts'
    return (
        _template_fault(number, [statement.get(name) for name in ("Resource", "NotResource", "Condition")])
        or _value_fault(number, statement)
        or _condition_fault(number, statement.get("Condition", {}))
    )


def _template_fault(number: int, value: object) -> str | None:
    """Return what is wrong where a template was not filled in, with texts as ``<ACCOUNT>`` or ``{{bucket}}``."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return _template_fault(number, [*entries, *entries.values()])
    if isinstance(value, list):
        faults = (_template_fault(number, inner) for inner in cast("list[object]", value))
        return next((fault for fault in faults if fault), None)
    left = TEMPLATE.search(VARIABLE.sub("", value)) if isinstance(value, str) else None
    return f"statement {number} has {left[0]!r}, which a template left and is no policy variable" if left else None


def _value_fault(number: int, statement: Mapping[str, object]) -> str | None:
    for action in cast("list[str]", items(statement.get("Action", statement.get("NotAction")))):
        if not re.fullmatch(r"\*+|(\*|[A-Za-z0-9-]+):[A-Za-z0-9*?]+", action):
            return f"statement {number} has an action {action!r} that is not service:Name"
    for resource in cast("list[str]", items(statement.get("Resource", statement.get("NotResource")))):
        arn = RESOURCE.fullmatch(VARIABLE.sub("*", resource))
        if not arn:
            return f"statement {number} has a resource {resource!r} that is neither an ARN nor *"
        region, account = arn["region"] or "", arn["account"] or ""
        if not re.fullmatch(r"[a-z0-9*?-]*", region):
            return f"statement {number} has a resource {resource!r}, and AWS has no region {region!r}"
        if not re.fullmatch(r"[0-9]{12}|[a-z-]*|.*[*?].*", account):
            return f"statement {number} has a resource {resource!r}, and AWS has no account {account!r}"
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        return f"the Sid {sid!r} of statement {number} is not a text"
    if not re.fullmatch(r"[A-Za-z0-9]*", sid):
        return f"the Sid {sid!r} of statement {number} is not made of letters and digits only"
    return None


def _condition_fault(number: int, condition: object) -> str | None:
    """Return what is wrong with a condition, which is {operator: {key: a value or a list of them}}."""
    where = f"the condition of statement {number}"
    if not isinstance(condition, dict):
        return f"{where} is not a JSON object"
    for operator, tests in cast("dict[str, object]", condition).items():
        if not OPERATOR.fullmatch(operator):
            return f"{where} has an operator {operator!r} that IAM does not know"
        if not isinstance(tests, dict) or not tests:
            return f"{where} has {operator!r} without an object of keys and values"
        for key, values in cast("dict[str, object]", tests).items():
            if not key:
                return f"{where} names no condition key for {operator!r}"
            if not items(values) or not all(isinstance(value, str | bool | int | float) for value in items(values)):
                return f"{where} compares {key!r} with what is neither a text, a number nor a boolean"
    return None
