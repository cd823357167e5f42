"""Who calls AWS: the holder of a key, the role, or the administrator of one of the two accounts. Made here alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory
from botocore.session import Session

from components.iam import Side
from components.iam.arns import DEFAULT_REGION
from tools.errors import StackError

if TYPE_CHECKING:
    from tools.stack import Outputs

SESSION_NAME = "assume-role-tools"  # what CloudTrail shows for calls through assumeRoleArn
WAITS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
# An emulator on this machine answers in milliseconds, or hangs: then nobody should wait a minute to hear of it.
EMULATOR_WAITS = WAITS.merge(
    Config(
        read_timeout=4,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path"},  # its buckets are paths, not host names
        proxies={},  # a proxy for the internet must not be asked for this machine
    )
)


class GarbledAnswerError(BotoCoreError):
    """What came is no answer of AWS, or half of one. Its text is not told: half of an answer may hold a secret."""

    fmt = "something between this machine and AWS answered in its place, or cut its answer short"


class _Parsers(ResponseParserFactory):
    """Makes parsers whose every failure is an error of a call, as others are; botocore's own are of several kinds."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        parser = super().create_parser(protocol_name)
        understand = parser.parse

        def parse(response: Any, shape: Any) -> Any:  # noqa: ANN401 - botocore's own
            try:
                return understand(response, shape)
            except (ResponseParserError, AttributeError, LookupError, TypeError, ValueError):
                raise GarbledAnswerError from None

        parser.parse = parse
        return parser


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who calls AWS, with bounded waits. Clients are made once per service: each costs 0.03 s."""

    session: Session
    endpoint: str | None  # the stack's emulator, if it has one
    region: str = DEFAULT_REGION
    key: Mapping[str, Any] = field(default_factory=dict[str, Any])  # as a client takes it; without, the profile's
    clients: dict[tuple[str, str | None], Any] = field(default_factory=dict[tuple[str, str | None], Any])

    def client(self, service: str, *, region: str | None = None) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return a client of a service, as ``sts``; without a region, in the caller's own."""
        if (service, region) not in self.clients:
            self.clients[service, region] = self.session.create_client(
                service,
                region_name=region or self.region,
                endpoint_url=self.endpoint,
                config=EMULATOR_WAITS if self.endpoint else WAITS,
                **self.key,
            )
        return self.clients[service, region]

    def with_key(self, key_id: str, secret: str, *, token: str | None = None) -> "Caller":
        """Return who calls with another key, in the same region."""
        return key_caller(key_id, secret, token=token, region=self.region, endpoint=self.endpoint)


def key_caller(key_id: str, secret: str, *, region: str, endpoint: str | None, token: str | None = None) -> Caller:
    """Return who calls with exactly this key, whatever ``AWS_PROFILE`` says."""
    key = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, "aws_session_token": token}
    return Caller(session=_without_profile(), endpoint=endpoint, region=region, key=key)


@cache
def _without_profile() -> Session:
    """Return the session of all who bring a key: each would cost 0.03 s, and more for each of its clients."""
    return _session(session_vars={"profile": (None, None, None, None)})


def _session(**settings: Any) -> Session:  # noqa: ANN401 - botocore's own
    """Return a session of botocore with the parts that all callers share."""
    session = Session(**settings)
    session.register_component("data_loader", _descriptions())
    session.register_component("response_parser_factory", _Parsers())
    return session


@cache
def _descriptions() -> Loader:
    """Return one reader of the AWS services' descriptions for all callers: reading them is most of what one costs."""
    return create_loader()


def administrator(side: Side, config: Mapping[str, Any]) -> Caller:
    """Return who administers one of the accounts, as the program itself would.

    Args:
        side: which of the two accounts.
        config: the stack's configuration, as ``tools.stack.read_config`` or ``sign_in`` returns it.

    Raises:
        StackError: there are no such credentials, or they belong to another account.
    """
    account: Mapping[str, Any] = config.get(side) or {}
    account_id, region = str(account.get("accountId")), str(account.get("region") or DEFAULT_REGION)
    endpoint: str | None = config.get("endpoint") or None
    try:
        if endpoint:
            # An emulator takes a 12-digit access key id, with any secret, for the root of that account.
            caller = key_caller(account_id, "embedded", region=region, endpoint=endpoint)
        else:
            caller = Caller(session=_session(profile=account.get("profile")), endpoint=None, region=region)
        if role_arn := account.get("assumeRoleArn"):
            answer = caller.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)
            granted = answer["Credentials"]
            caller = caller.with_key(granted["AccessKeyId"], granted["SecretAccessKey"], token=granted["SessionToken"])
        actual = caller.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"Cannot get into the {side} account {account_id}: {error}. Check {side}.profile and "
            f"{side}.assumeRoleArn of the stack's configuration, and that you are signed in."
        ) from None
    if actual != account_id:
        raise StackError(
            f"The credentials for the {side} account belong to {actual}, not to {account_id}. "
            f"Set the right profile: pulumi config set --path assume-role:{side}.profile NAME"
        )
    return caller


def sign_in(outputs: "Outputs", config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how to sign in as the administrators of what is deployed, for ``administrator``.

    Only ``profile`` and ``assumeRoleArn`` are the configuration's: the rest of it may not have been deployed yet.
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
