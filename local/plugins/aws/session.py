"""The provider's configuration, and the AWS clients that it stands for: they talk to a loopback address only."""

import json
import os
import socket
import threading
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from components.iam.arns import DEFAULT_REGION
from components.iam.endpoints import is_loopback
from local.plugins.aws.wire import UNKNOWN, Properties

OFFICIAL: Final = (
    "use the official plugin for it: `pulumi plugin install --reinstall resource aws <pulumi-aws in requirements.txt>`"
)

COVERED: Final = frozenset(
    {"region", "accessKey", "secretKey", "allowedAccountIds", "assumeRoles", "defaultTags", "endpoints"}
    | {"s3UsePathStyle", "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation"}
    | {"version", "pluginDownloadURL", "__internal", "__defaults"}  # of the engine and the SDK
)
# The SDK sends everything that is not a string as a JSON string, as the official plugin gets it.
JSON_KEYS: Final = frozenset({"allowedAccountIds", "assumeRoles", "defaultTags", "endpoints"})
CONNECT_SECONDS: Final = 2  # the emulator is on this machine
READ_SECONDS: Final = 20  # longer than a busy emulator takes, shorter than the SDK's minute
# As the official plugin does: how often a throttled call is tried in all, and one that gets no answer.
ATTEMPTS: Final = 25
CONNECTION_ATTEMPTS: Final = 9
# The session name that the official plugin makes up is random; a fixed one is easier to find in a test.
SESSION_NAME: Final = "pulumi-aws-stand-in"
# Ignore the user's AWS configuration, so that not even a missing profile matters.
NO_FILES: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
# How an emulator says that it does not know a call at all.
UNKNOWN_CALL: Final = frozenset({"InvalidAction", "UnknownOperationException", "NotImplemented"})
# What a call to AWS may raise: an answer that is an error, no answer, and an answer that is not AWS's at all.
CALL_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError)


def uncovered(what: str) -> str:
    """Return the sentence for what this plugin does not do."""
    return f"the stand-in AWS plugin does not cover {what}; {OFFICIAL}"


class PluginError(Exception):
    """The text tells the user why a request failed, and what to do."""


@dataclass(frozen=True)
class Account:
    """One AWS account as one configured provider reaches it. Its clients may be shared by threads."""

    session: Session
    region: str
    endpoints: dict[str, str]
    default_tags: dict[str, str]
    clients: dict[str, Any] = field(default_factory=dict[str, Any])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def iam(self) -> Any:  # noqa: ANN401 - as `client`
        """The client of AWS IAM."""
        return self.client("iam")

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return the client of `service`; raise PluginError where its endpoint is not configured."""
        if service not in self.endpoints:
            raise PluginError(
                f"the provider has no endpoint for {service}, and the stand-in AWS plugin talks to emulators only: "
                f"add {service} to the provider's endpoints, or {OFFICIAL}"
            )
        with self.lock:  # making a client is not thread-safe; using one is
            if service not in self.clients:
                self.clients[service] = self._made(service)
            return self.clients[service]

    def _made(self, service: str) -> Any:  # noqa: ANN401 - as `client`
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            proxies={},  # a proxy of the environment must not carry loopback traffic elsewhere
            max_pool_connections=32,
        )
        client: Any = self.session.create_client(
            service, region_name=self.region, endpoint_url=self.endpoints[service], config=config
        )
        client.meta.events.register("needs-retry", _give_up_connecting)
        return client


def _give_up_connecting(attempts: int, caught_exception: Exception | None, **_event: object) -> None:
    """Let no call without an answer be tried as often as a throttled one; botocore counts both alike."""
    if caught_exception and attempts >= CONNECTION_ATTEMPTS:
        raise caught_exception


def reason(error: Exception) -> str:
    """Return why a call failed; botocore would quote the whole answer of something that is not AWS."""
    if isinstance(error, ResponseParserError):
        return "the answer is none of AWS's. Does something else than the AWS emulator listen at the endpoint?"
    return str(error)


def connect(raw: Properties) -> Account:
    """Return the account that the configuration stands for, after asking AWS whether it is the right one.

    Raises:
        PluginError: the configuration cannot be used, or the account is another one.
    """
    config = _parsed(raw)
    endpoints: dict[str, str] = {
        service: url for item in config.get("endpoints", []) for service, url in item.items() if url is not None
    }
    _require_emulator(config, endpoints)
    account = Account(
        session=_session(config["accessKey"], config["secretKey"]),
        region=config.get("region", DEFAULT_REGION),
        endpoints=endpoints,
        default_tags=config.get("defaultTags", {}).get("tags") or {},
    )
    for role in config.get("assumeRoles", []):
        account = _assume(account, role)
    try:
        identity = account.client("sts").get_caller_identity()["Account"]
    except CALL_ERRORS as error:
        raise PluginError(
            "validating the provider's credentials: operation error STS: GetCallerIdentity at "
            f"{endpoints['sts']}: {reason(error)}"
        ) from error
    allowed: list[object] = config.get("allowedAccountIds", [])
    if allowed and identity not in map(str, allowed):
        raise PluginError(
            f"AWS account ID not allowed: {identity}. The provider's allowedAccountIds are "
            f"{', '.join(map(str, allowed))}: use credentials of that account, or correct the account id"
        )
    return account


def _parsed(raw: Properties) -> Properties:
    for key in sorted(raw.keys() - COVERED):
        raise PluginError(uncovered(f"{key} of aws:Provider"))
    return {
        key: json.loads(value) if key in JSON_KEYS and isinstance(value, str) else value
        for key, value in raw.items()
        if value != UNKNOWN
    }


def _require_emulator(config: Properties, endpoints: dict[str, str]) -> None:
    """Raise PluginError unless every call goes to an emulator that listens on this machine."""
    for service, url in endpoints.items():
        if not is_loopback(url):
            raise PluginError(
                f"endpoints.{service}: {url!r} is not on a loopback address: the stand-in AWS plugin talks to an "
                f"emulator on this machine only. Give an http URL on 127.0.0.1, with no user info, or for real AWS "
                f"{OFFICIAL}"
            )
    if missing := [key for key in ("accessKey", "secretKey") if not config.get(key)]:
        raise PluginError(
            f"the provider lacks {' and '.join(missing)}: the stand-in AWS plugin takes credentials from nowhere else. "
            f"Set them, or for real AWS {OFFICIAL}"
        )
    for url in dict.fromkeys(endpoints.values()):
        parts = urlsplit(url)
        try:  # otherwise botocore would try nine times
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise PluginError(
                f"the AWS emulator does not answer at {url}, the provider's endpoint: {error}. Start the emulator "
                "there, or correct the endpoint"
            ) from error


def _session(access_key: str, secret_key: str, token: str | None = None) -> Session:
    """Return a session with these credentials and no others: botocore would look for some in files and on networks."""
    session = Session(session_vars=NO_FILES)
    session.set_credentials(access_key, secret_key, token)
    return session


def _assume(account: Account, role: Properties) -> Account:
    """Return the account as the holder of the role reaches it."""
    arguments = {"RoleArn": role.get("roleArn", ""), "RoleSessionName": role.get("sessionName", SESSION_NAME)}
    if unknown := role.keys() - {"roleArn", "sessionName", "externalId"}:
        raise PluginError(uncovered(f"{', '.join(sorted(unknown))} of assumeRoles"))
    if role.get("externalId"):
        arguments["ExternalId"] = role["externalId"]
    try:
        keys = account.client("sts").assume_role(**arguments)["Credentials"]
    except CALL_ERRORS as error:
        raise PluginError(
            f"cannot assume the IAM Role {arguments['RoleArn']} that the provider's assumeRoles name: operation error "
            f"STS: AssumeRole at {account.endpoints['sts']}: {reason(error)}"
        ) from error
    session = _session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return replace(account, session=session, clients={}, lock=threading.Lock())
