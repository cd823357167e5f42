"""What is read from an answer of AWS, whatever stands in between."""

from datetime import UTC, datetime

import pytest

from tools.callers import aws_time

NOON = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize("date", [NOON, f"{NOON}, {NOON}", NOON.replace("GMT", "-0000"), NOON.removesuffix(" GMT")])
def test_the_time_of_an_answer_has_a_zone(date: str) -> None:
    time = aws_time({"ResponseMetadata": {"HTTPHeaders": {"date": date}}})
    assert time == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ResponseMetadata": {}},
        {"ResponseMetadata": {"HTTPHeaders": {}}},
        *(
            {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
            for date in (None, "", "soon", "Thu, 01 Jan 99999999999999999999 12:00:00 GMT", NOON.replace("01", "99"))
        ),
    ],
)
def test_an_answer_without_a_time_is_none(answer: dict[str, object]) -> None:
    assert aws_time(answer) is None
