"""Callers of AWS: the holder of a key, a session of the role, or the administrator of one of the two accounts."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory
from botocore.session import Session
from pydantic import SecretStr

from components.iam import Side
from components.iam.arns import DEFAULT_REGION, sts_region
from components.iam.endpoints import EMULATOR_SECRET
from tools.aws.errors import IN_RECOVERY, TIME_CODES, WRONG_SECRET, error_code
from tools.console import StackError, ToolError
from tools.stack import Outputs

Result = TypeVar("Result")

SESSION_NAME = "assume-role-tools"  # what CloudTrail shows for calls through assumeRoleArn
SIGN_IN_SECONDS = 60.0  # a credential_process may hang, or wait for a person
CREDENTIALS = ("AccessKeyId", "SecretAccessKey", "SessionToken")  # of a session, as STS names them
FIRST_ERROR_STATUS = 300
MAX_SKEW_SECONDS = 240  # AWS refuses at five minutes to fifteen, by service
TIMEOUTS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
# An emulator on this machine answers in milliseconds, or hangs.
EMULATOR_TIMEOUTS = TIMEOUTS.merge(
    Config(
        read_timeout=4,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path"},  # its buckets are paths, not host names
        proxies={},  # a proxy for the internet must not be asked for this machine
    )
)


class SignInError(StackError):
    """This machine cannot sign in to one of the accounts."""


class GarbledAnswerError(BotoCoreError):
    """The response was truncated or not from AWS. It may hold a secret, so it is not shown."""

    fmt = "the response was truncated or is not from AWS"


class _Parsers(ResponseParserFactory):
    """Makes parsers that raise one error for every response that AWS did not send."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        parser = super().create_parser(protocol_name)
        understand = parser.parse

        def parse(response: Any, shape: Any) -> Any:  # noqa: ANN401 - botocore's own
            try:
                parsed = understand(response, shape)
                # IAM calls without a result would take any page that a proxy answers with for success.
                if response["status_code"] < FIRST_ERROR_STATUS and not parsed["ResponseMetadata"].get("RequestId"):
                    raise GarbledAnswerError
            except (ResponseParserError, AttributeError, LookupError, TypeError, ValueError):
                raise GarbledAnswerError from None
            return parsed

        parser.parse = parse
        return parser


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Credentials that call AWS with bounded waits. Each client costs 0.03 s, so there is one per service."""

    session: Session
    endpoint: str | None  # the stack's emulator, if it has one
    region: str = DEFAULT_REGION
    sts: str | None = None  # the region of STS; without, one that every account has enabled
    key: Mapping[str, Any] = field(default_factory=dict[str, Any])  # as a client takes it; without, the profile's
    clients: dict[tuple[str, str | None], Any] = field(default_factory=dict[tuple[str, str | None], Any])

    def client(self, service: str, *, region: str | None = None) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return a client of a service, as ``sts``; without a region, in the caller's own."""
        if service == "sts":
            region = self.sts or sts_region(self.region)
        if (service, region) not in self.clients:
            self.clients[service, region] = self.session.create_client(
                service,
                region_name=region or self.region,
                endpoint_url=self.endpoint,
                config=EMULATOR_TIMEOUTS if self.endpoint else TIMEOUTS,
                **self.key,
            )
        return self.clients[service, region]


def key_caller(
    key_id: str, secret: str, *, region: str, endpoint: str | None, token: str | None = None, sts: str | None = None
) -> Caller:
    """Return the caller with exactly this key; ``AWS_PROFILE`` changes nothing."""
    key = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, "aws_session_token": token}
    return Caller(session=_without_profile(), endpoint=endpoint, region=region, key=key, sts=sts)


@cache
def _without_profile() -> Session:
    """Return the session of all callers with a key: each session costs 0.03 s, and more for its clients."""
    return _session(session_vars={"profile": (None, None, None, None)})


_loader = cache(create_loader)  # reading the services' descriptions is most of what a client costs


def _session(**settings: Any) -> Session:  # noqa: ANN401 - botocore's own
    session = Session(**settings)
    session.register_component("data_loader", _loader())
    session.register_component("response_parser_factory", _Parsers())
    return session


def account_by_sts(caller: Caller) -> str:
    """Return the account that credentials belong to."""
    return caller.client("sts").get_caller_identity()["Account"]


def administrator(
    side: Side, config: Mapping[str, Any], account_of: Callable[[Caller], str] = account_by_sts
) -> Caller:
    """Return the administrator of one of the accounts, signed in as the program itself does.

    Args:
        side: which of the two accounts.
        config: the stack's configuration, as ``read_config`` or ``sign_in`` returns it.
        account_of: asks AWS which account credentials belong to.

    Raises:
        SignInError: there are no such credentials, or they belong to another account.
    """
    account: Mapping[str, Any] = config.get(side) or {}
    try:
        # The call itself may never end.
        signing_in = beside(partial(_signed_in, account, config.get("endpoint") or None))
        caller = signing_in.result(SIGN_IN_SECONDS)
        if (actual := account_of(caller)) == str(account.get("accountId")):
            return caller
        reason = f"the credentials belong to account {actual}"
    except Exception as error:  # noqa: BLE001 - botocore lets through errors of many kinds
        reason = text_of(error)
    profile = f" with profile {account['profile']}" if account.get("profile") else ""
    raise SignInError(
        f"Cannot sign in to the {side} account {account.get('accountId')}{profile}: {reason}. Check {side}.profile and "
        f"{side}.assumeRoleArn of the stack's configuration, ~/.aws/config, and that you are signed in."
    )


def _signed_in(account: Mapping[str, Any], endpoint: str | None) -> Caller:
    region = str(account.get("region") or DEFAULT_REGION)
    if endpoint:
        # An emulator takes a 12-digit access key id, with any secret, for the root of that account.
        caller = key_caller(str(account.get("accountId")), EMULATOR_SECRET, region=region, endpoint=endpoint)
    else:
        caller = Caller(session=_session(profile=account.get("profile")), endpoint=None, region=region)
        if credentials := caller.session.get_credentials():
            credentials.get_frozen_credentials()  # now, where a process that hangs is given up
    if role_arn := account.get("assumeRoleArn"):
        answer = caller.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)
        key_id, secret, token = (answer["Credentials"][name] for name in CREDENTIALS)
        caller = key_caller(key_id, secret, token=token, region=region, endpoint=endpoint)
    return caller


def beside(call: Callable[[], Result]) -> Future[Result]:
    """Run a call beside this thread. It does not keep the process alive."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - the future raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def text_of(error: BaseException) -> str:
    """Return an error in words that hold no secret."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not end in time"
    if isinstance(error, ClientError) and (skew := clock_skew(error)):
        return skew
    text, kind = str(error).strip().rstrip(".:"), type(error).__name__
    if "header value" in text:  # an HTTP client quotes what it cannot send, as a session token with a line break
        return f"{kind}: a credential has a character that HTTP cannot send"
    return text if isinstance(error, BotoCoreError | ClientError | OSError | ToolError) else f"{kind}: {text}"


def sign_in(outputs: Outputs, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how to sign in as the administrators of what is deployed, for ``administrator``.

    Only ``profile`` and ``assumeRoleArn`` come from the configuration: the rest of it may not be deployed yet.
    """
    terms = outputs.terms
    accounts = {
        "trusting": {"accountId": outputs.trusting_account_id, "region": terms.trusting_region},
        "trusted": {"accountId": outputs.trusted_account_id, "region": terms.trusted_region},
    }
    return {"endpoint": terms.endpoint} | {
        side: (cast("dict[str, Any]", account) if isinstance(account := config.get(side), dict) else {}) | deployed
        for side, deployed in accounts.items()
    }


def stored_key(location: str, caller: Caller) -> tuple[str, SecretStr]:
    """Return the id and the secret of the access key in a secret or a parameter, by its ARN.

    Raises:
        StackError: it holds no key pair, or it is deleted and AWS keeps it for the recovery window.
        ClientError: it does not exist, or the caller may not read it.
    """
    region = location.split(":")[3]
    try:
        if ":ssm:" in location:
            parameter = caller.client("ssm", region=region).get_parameter(Name=location, WithDecryption=True)
            text: str = parameter["Parameter"].get("Value", "")
        else:
            secret = caller.client("secretsmanager", region=region).get_secret_value(SecretId=location)
            text = secret.get("SecretString", "")
    except ClientError as error:
        if IN_RECOVERY not in str(error):
            raise
        raise StackError(
            f"{location} is deleted, and AWS keeps it for its recovery window. Restore it in the trusted account:\n"
            f"  aws secretsmanager restore-secret --secret-id {location}"
        ) from None
    try:
        pair = json.loads(text)
        return str(pair["accessKeyId"]), SecretStr(pair["secretAccessKey"])
    except (ValueError, KeyError, TypeError):
        # Not the value itself: it may be the secret.
        raise StackError(f"{location} does not hold JSON with accessKeyId and secretAccessKey. Deploy again.") from None


def clock_skew(error: ClientError) -> str:
    """Return by how much this machine's clock is off where AWS refused a signature for that; else nothing.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
    """
    now = aws_time(error.response)
    seconds = round((datetime.now(UTC) - now).total_seconds()) if now else 0
    wrong = error_code(error) in WRONG_SECRET and abs(seconds) > MAX_SKEW_SECONDS
    return f"your clock is off by {abs(seconds)} s" if wrong or error_code(error) in TIME_CODES else ""


def all_pages(client: Any, operation: str, key: str, **parameters: object) -> list[Any]:  # noqa: ANN401 - as above
    """Return what all pages of an answer list under ``key``."""
    return [entry for page in client.get_paginator(operation).paginate(**parameters) for entry in page[key]]


def aws_time(answer: Mapping[str, Any]) -> datetime | None:
    """Return when AWS sent an answer, by its own clock: this machine's may be wrong. None: the answer does not say.

    A proxy may write the time anew. HTTP knows no time but GMT, so one without a zone is that.
    https://www.rfc-editor.org/rfc/rfc9110#name-date
    """
    try:
        stated = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)
