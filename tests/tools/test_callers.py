"""What is read from an answer of AWS, whatever stands in between."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.exceptions import ClientError

from tests.proxy import Fault
from tools.aws.callers import GarbledAnswerError, administrator, aws_time, clock_skew, key_caller
from tools.console import StackError

NOON = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize("date", [NOON, f"{NOON}, {NOON}", NOON.replace("GMT", "-0000"), NOON.removesuffix(" GMT")])
def test_the_time_of_an_answer_has_a_zone(date):
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
def test_an_answer_without_a_time_is_none(answer):
    assert aws_time(answer) is None


@pytest.fixture
def iam(proxy, accounts):
    return key_caller(accounts.trusted, "any", region="us-east-1", endpoint=proxy.url).client("iam")


@pytest.mark.parametrize("answer", [b"<html></html>", Fault.WEB_PAGE, b"<html/>", b"{}", b"x"])
def test_what_is_no_answer_is_an_error_like_others_and_its_text_is_not_told(answer, iam, proxy):
    """A tool that goes on after one failed call has to go on after this one, too."""
    proxy.plan("ListUsers", answer)
    with pytest.raises(GarbledAnswerError, match="truncated or is not from AWS") as told:
        iam.list_users()
    assert "<" not in str(told.value)


def test_half_of_an_answer_tells_no_secret(iam, proxy):
    iam.create_user(UserName="user-1")
    proxy.plan("CreateAccessKey", Fault.CUT_SHORT)
    with pytest.raises(GarbledAnswerError) as told:
        iam.create_access_key(UserName="user-1")
    assert not any(secret in repr(told.value) for secret in proxy.secrets)


def test_a_page_that_asks_to_sign_in_is_no_account(proxy, accounts):
    proxy.plan("GetCallerIdentity", Fault.WEB_PAGE)
    config = {"trusted": {"accountId": accounts.trusted}, "endpoint": proxy.url}
    with pytest.raises(StackError, match=r"Cannot sign in to the trusted account \d+: the response was truncated"):
        administrator("trusted", config)


@pytest.mark.parametrize("page", [Fault.WEB_PAGE, b"<html/>", b"<UpdateAccessKeyResponse/>", b""])
def test_a_call_without_a_result_did_not_happen_unless_aws_names_its_request(page, iam, proxy):
    iam.create_user(UserName="user-1")
    proxy.plan("DeleteUser", page)
    with pytest.raises(GarbledAnswerError):
        iam.delete_user(UserName="user-1")
    iam.delete_user(UserName="user-1")


@pytest.mark.parametrize(
    ("code", "seconds", "said"),
    [
        ("SignatureDoesNotMatch", 1200, "1200 s"),
        ("SignatureDoesNotMatch", 10, ""),
        ("AccessDenied", 1200, ""),
        ("RequestTimeTooSkewed", 900, "900 s"),
    ],
)
def test_a_clock_that_is_off_is_named_with_its_seconds(code, seconds, said):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
    found = clock_skew(ClientError(response, "X"))
    assert bool(found) == bool(said)
    if said:
        assert abs(int(found.split()[-2]) - seconds) < 60
