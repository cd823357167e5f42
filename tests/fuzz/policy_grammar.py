"""Seeded random identity policies that are right by AWS's grammar.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from typing import Any

from hypothesis import strategies as st

LETTERS = "abcXYZ019"
LONGEST = 6144
ACTIONS = st.sampled_from(["*", "**", "*:*", "s3:*", "S3:Get*", "iam:?et*", "kafka-cluster:Connect", "a4b:Get1"])
RESOURCES = st.sampled_from(
    ["*", "arn:aws*:s3:::bucket", "arn:*:s3:::${aws:username}/*", "arn:*:iam::*:role/a b", "arn:a??*:sqs:*:*:é:x?"]
)
HOW = {
    "String": ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike"),
    "Numeric": (numbers := ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")),
    "Date": numbers,
    "Arn": ("Equals", "Like", "NotEquals", "NotLike"),
}
OPERATORS = [
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    *(f"{what}{how}" for what in HOW for how in HOW[what]),
]
CONDITION_KEYS = st.sampled_from(
    ["aws:SourceIp", "aws:username", "s3:max-keys", "aws:RequestTag/team", "aws:MultiFactorAuthPresent"]
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
