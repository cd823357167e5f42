"""Identity policies that are right by AWS's grammar, and the same with one known fault.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import copy
import json
from typing import Any

from hypothesis import strategies as st

LETTERS = "abcXYZ019"
LONGEST = 6144
ACTIONS = st.sampled_from(["*", "**", "*:*", "s3:*", "S3:Get*", "iam:?et*", "kafka-cluster:Connect", "a4b:Get1"])
RESOURCES = st.sampled_from(
    ["*", "arn:aws*:s3:::bucket", "arn:*:s3:::${aws:username}/*", "arn:*:iam::*:role/a b", "arn:a??*:sqs:*:*:é:x?"]
)
TESTED = ("String", "Numeric", "Date", "Arn")
OPERATORS = [
    *(f"String{kind}" for kind in ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase")),
    *("StringLike", "StringNotLike", "Bool", "BinaryEquals", "IpAddress", "NotIpAddress"),
    *(f"{what}{how}" for what in ("Numeric", "Date") for how in ("Equals", "NotEquals", "LessThan", "LessThanEquals")),
    *(f"{what}{how}" for what in ("Numeric", "Date") for how in ("GreaterThan", "GreaterThanEquals")),
    *("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
]
CONDITION_KEYS = st.sampled_from(
    [
        "aws:SourceIp",
        "aws:username",
        "s3:max-keys",
        "aws:RequestTag/team",
        "aws:MultiFactorAuthPresent",
        "kms:ViaService",
    ]
)
ONE_VALUE = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from(
        ["", "true", "x*", "${aws:username}", "203.0.113.0/24", "2026-11-24T00:00:00Z", "é中😀", 0.5, -2.25]
    )
)


def one_or_list(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


@st.composite
def _operators(draw: st.DrawFn) -> str:
    operator = draw(st.sampled_from(OPERATORS)) + draw(st.sampled_from(["", "IfExists"]))
    return draw(st.sampled_from(["", "ForAllValues:", "ForAnyValue:"])) + operator


CONDITIONS = st.dictionaries(
    _operators() | st.just("Null"),
    st.dictionaries(CONDITION_KEYS, one_or_list(ONE_VALUE), min_size=1, max_size=2),
    max_size=2,
)


@st.composite
def _statements(draw: st.DrawFn) -> dict[str, Any]:
    statement = {
        "Effect": draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "NotAction"])): draw(one_or_list(ACTIONS)),
        draw(st.sampled_from(["Resource", "NotResource"])): draw(one_or_list(RESOURCES)),
    }
    return statement | draw(st.fixed_dictionaries({}, optional={"Condition": CONDITIONS, "Sid": st.just("")}))


@st.composite
def right_policies(draw: st.DrawFn) -> dict[str, Any]:
    statements = draw(st.lists(_statements(), min_size=1, max_size=3))
    for statement, sid in zip(statements, draw(st.lists(st.text(LETTERS), max_size=3, unique=True)), strict=False):
        statement["Sid"] = sid
    document = {"Version": "2012-10-17", "Statement": statements}
    if len(statements) == 1 and draw(st.booleans()):
        document["Statement"] = statements[0]
    document |= draw(st.fixed_dictionaries({}, optional={"Id": st.sampled_from(["", "x", "an id"])}))
    if draw(st.integers(0, 9)) == 0:  # as long as AWS takes, to the character
        document["Id"] = ""
        document["Id"] = "x" * (LONGEST - length(document))
    return document


def length(document: object) -> int:
    """Return how many characters AWS counts: without white space, and what is outside ASCII escaped."""
    return sum(not character.isspace() for character in json.dumps(document))


NO_TEXTS = st.sampled_from([None, True, 5, 0.5, {}, {"a": "b"}, "", [], [""], [None], [["*"]], ["*", 5]])
WITHOUT = object()
# Of a statement: the element, what is put there, and what the refusal says.
IN_STATEMENT = [
    *(("Effect", value, 'to be "Allow" or "Deny"') for value in ("allow", "", None, True, ["Allow"], {}, WITHOUT)),
    *((element, value, "names a principal") for element in ("Principal", "NotPrincipal") for value in ("*", None, {})),
    *(
        (element, "x", "has an unknown element")
        for element in ("Actions", "effect", "Comment", "", "Sid ", "\uff21ction")
    ),
    *(("Sid", value, "is not a text") for value in (5, True, ["a"], {}, 0.5, None)),
    *(("Sid", value, "letters and digits only") for value in ("a b", "a-b", "é", "a\n", "\u0661")),
    *(("Condition", value, "is not a JSON object") for value in (None, [], "x", True, 0, [{}])),
]
ACTIONS_THAT_ARE_NONE = (
    "ListBuckets",
    "s3:",
    ":Get",
    "s3:Get Object",
    "s3 :Get",
    "s3::Get",
    "s3:Gét",
    "s3:a:b",
    "s3:x\n",
    " *",
)
RESOURCES_THAT_ARE_NONE = (
    "bucket",
    "arn:aws:s3:x",
    "arn:",
    "ARN:aws:s3:::x",
    "arn:aws:s3:::",
    "arn:aws:sqs:REGION::x",
    " *",
    "arn:aws::::",
    "arn:aws:s3:::x\n",
)
IN_CONDITION = [
    *(("Bool", value, "without an object of keys and values") for value in (None, True, [], "x", {}, [{}])),
    *(
        ("Bool", {"aws:x": value}, "neither a text, a number nor a boolean")
        for value in (None, [], {}, ["a", None], [[]])
    ),
    *(
        (operator, {"aws:x": "y"}, "has an operator")
        for operator in (
            "",
            "Foo",
            "Stringequal",
            "Equals",
            "NullIfExists",
            "ForSomeValues:Bool",
            "BoolIfExistsIfExists",
        )
    ),
    ("Bool", {"": "x"}, "names no condition key"),
]
OF_POLICY = [
    *(
        ("Version", value, r'"Version" is .* must be')
        for value in ("2008-10-17", 20121017, None, "", [], "2012-10-17 ")
    ),
    ("Version", WITHOUT, '"Version" is None'),
    *(("Statement", value, '"Statement" is missing or empty') for value in (None, [], WITHOUT)),
    *(("Statement", value, "statement 1 is not a JSON object") for value in ("", "x", 5, True, [None], [[]])),
    *((element, [], "a policy has no element") for element in ("Statements", "version", "Sid", "document", "")),
    *(("Id", value, '"Id"') for value in (5, None, True, [], {})),
]


@st.composite
def wrong_policies(draw: st.DrawFn) -> tuple[Any, str]:
    """Make a policy with one fault, and what the refusal says of it: a regular expression."""
    document = copy.deepcopy(draw(right_policies()))
    match draw(st.sampled_from(["whole", "policy", "statement", "text", "name", "condition", "size", "twice", "odd"])):
        case "whole":
            return draw(st.sampled_from([[], "text", 5, True, [document]])), "it is not a JSON object|not the name of a"
        case "policy":
            return _change(document, document, *draw(st.sampled_from(OF_POLICY)))
        case "size":
            document["Id"] = "x" * LONGEST
            return document, "at most 6,144 characters"
        case "odd":
            _any_statement(draw, document)["Condition"] = {"Bool": {"aws:x": "\ud800"}}
            return document, "half of a character"
        case "twice":
            statements = _listed(document)
            document["Statement"] = [{**statements[0], "Sid": "A"}, *statements[1:], {**statements[0], "Sid": "A"}]
            return document, "the Sid 'A' stands twice"
        case "condition":
            operator, tests, says = draw(st.sampled_from(IN_CONDITION))
            statement = _any_statement(draw, document)
            statement["Condition"] = {**(statement.get("Condition") or {}), operator: tests}
            return document, says
        case "statement":
            return _change(document, _any_statement(draw, document), *draw(st.sampled_from(IN_STATEMENT)))
        case kind:
            return _wrong_element(draw, document, kind)


def _wrong_element(draw: st.DrawFn, document: dict[str, Any], kind: str) -> tuple[Any, str]:
    statement, element = _any_statement(draw, document), draw(st.sampled_from(["Action", "Resource"]))
    there = next(name for name in (element, f"Not{element}") if name in statement)
    if kind == "name":
        none = ACTIONS_THAT_ARE_NONE if element == "Action" else RESOURCES_THAT_ARE_NONE
        value = draw(st.sampled_from(none))
        statement[there] = draw(st.sampled_from([value, ["*", value]]))
        return document, f"has an? {element.lower()} "
    if draw(st.booleans()):
        statement[there] = draw(NO_TEXTS)
        return document, "must be a text or a list of texts"
    if draw(st.booleans()):
        del statement[there]
    else:
        statement[element] = statement[f"Not{element}"] = "*"
    return document, "needs exactly one of"


def _listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]


def _any_statement(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    return draw(st.sampled_from(_listed(document)))


def _change(
    document: dict[str, Any], part: dict[str, Any], element: str, value: object, says: str
) -> tuple[dict[str, Any], str]:
    if value is WITHOUT:
        del part[element]
    else:
        part[element] = value
    return document, says
