"""The provider's configuration: what it may say, and the AWS clients that it stands for.

Nothing here, and so nothing in this plugin, talks to anything but a loopback address.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from components.iam.arns import DEFAULT_REGION
from components.iam.endpoints import is_loopback
from local.plugins.aws.wire import UNKNOWN, Properties

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_ssm import SSMClient

OFFICIAL: Final = (
    "use the official plugin for it: `pulumi plugin install --reinstall resource aws <pulumi-aws in requirements.txt>`"
)

# The SDK sends everything that is not a string as a JSON string, as the official plugin gets it.
PLAIN_KEYS: Final = frozenset({"region", "accessKey", "secretKey"})
JSON_KEYS: Final = frozenset(
    {"allowedAccountIds", "assumeRoles", "defaultTags", "endpoints", "maxRetries", "s3UsePathStyle"}
    | {"skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation"}
)
# Added to every provider's inputs by the engine or the SDK; they do not concern AWS.
ENGINE_KEYS: Final = frozenset({"version", "pluginDownloadURL", "__internal", "__defaults"})
ASSUME_ROLE_KEYS: Final = frozenset({"roleArn", "sessionName", "externalId"})

REQUIRED_ENDPOINTS: Final = ("iam", "sts")
# How long to wait for the emulator to accept a connection: it is on this machine.
CONNECT_SECONDS: Final = 2
# How long to wait for an answer: longer than a busy emulator takes, shorter than the SDK's minute.
READ_SECONDS: Final = 20
# As the official plugin does: how often a throttled call is tried in all, and one that gets no answer.
ATTEMPTS: Final = 25
CONNECTION_ATTEMPTS: Final = 9
# The session name that the official plugin makes up is random; a fixed one is easier to find in a test.
SESSION_NAME: Final = "pulumi-aws-stand-in"
# Nothing of the user's AWS configuration matters, not even a profile that is gone.
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


class ConfigurationError(Exception):
    """The provider cannot be used as it is configured; the text says why and what to do."""


@dataclass(frozen=True)
class Account:
    """One AWS account as one configured provider reaches it. Its clients may be shared by threads."""

    session: Session
    region: str
    endpoints: dict[str, str]
    attempts: int
    default_tags: dict[str, str]
    lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def iam(self) -> "IAMClient":
        """The client of AWS IAM."""
        return self.client("iam")

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        """The client of AWS Secrets Manager."""
        return self.client("secretsmanager")

    @cached_property
    def ssm(self) -> "SSMClient":
        """The client of AWS Systems Manager."""
        return self.client("ssm")

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
        """Return a new client of `service`; raise ConfigurationError where its endpoint is not configured."""
        if service not in self.endpoints:
            raise ConfigurationError(
                f"the provider has no endpoint for {service}, and the stand-in AWS plugin talks to emulators only: "
                f"add {service} to the provider's endpoints, or {OFFICIAL}"
            )
        config = Config(
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            proxies={},  # a proxy of the environment must not carry loopback traffic elsewhere
            max_pool_connections=32,
        )
        with self.lock:  # making a client is not thread-safe; using one is
            client = self.session.create_client(
                service, region_name=self.region, endpoint_url=self.endpoints[service], config=config
            )
        client.meta.events.register("needs-retry", _give_up_connecting)
        return client


def _give_up_connecting(attempts: int, caught_exception: Exception | None, **_event: object) -> None:
    """Let no call without an answer be tried as often as a throttled one; botocore counts both alike."""
    if caught_exception and attempts >= CONNECTION_ATTEMPTS:
        raise caught_exception


def told(error: Exception) -> str:
    """Return what a failed call tells; botocore would quote the whole answer of something that is not AWS."""
    if isinstance(error, ResponseParserError):
        return "the answer is none of AWS's. Does something else than the AWS emulator listen at the endpoint?"
    return str(error)


def check(raw: Properties) -> Iterator[tuple[str, str]]:
    """Yield the name and the fault of each configured property that cannot work."""
    for key in sorted(raw.keys() - PLAIN_KEYS - JSON_KEYS - ENGINE_KEYS):
        yield key, uncovered(f"{key} of aws:Provider")
    try:
        config = _parsed(raw)
    except ValueError as error:
        yield "", str(error)
        return
    yield from _assume_role_faults(config.get("assumeRoles", []))
    if raw.get("endpoints") == UNKNOWN:
        return
    endpoints = _endpoints(config)
    for service, url in endpoints.items():
        if not is_loopback(url):
            yield (
                f"endpoints.{service}",
                (
                    f"{url!r} is not on a loopback address: the stand-in AWS plugin talks to an emulator on this "
                    f"machine only. Give an http URL on 127.0.0.1, with no user info, or for real AWS {OFFICIAL}"
                ),
            )
    if missing := [service for service in REQUIRED_ENDPOINTS if service not in endpoints]:
        yield (
            "endpoints",
            (
                f"no endpoint for {' and '.join(missing)}: the stand-in AWS plugin talks to an emulator on this "
                f"machine only. Set the provider's endpoints to it, or for real AWS {OFFICIAL}"
            ),
        )
    for key in ("accessKey", "secretKey"):
        if not raw.get(key):
            yield key, f"is missing: the stand-in AWS plugin looks for credentials nowhere else. Give it, or {OFFICIAL}"


def connect(raw: Properties) -> Account:
    """Return the account that the configuration stands for, after asking AWS whether it is the right one.

    Raises ConfigurationError, whose text says what to do.
    """
    for key, reason in check(raw):
        raise ConfigurationError(f"{key}: {reason}" if key else reason)
    config = _parsed(raw)
    endpoints = _endpoints(config)
    for url in dict.fromkeys(endpoints.values()):
        _reach(url)
    account = Account(
        session=_session(config.get("accessKey", ""), config.get("secretKey", "")),
        region=config.get("region", DEFAULT_REGION),
        endpoints=endpoints,
        attempts=1 + config["maxRetries"] if "maxRetries" in config else ATTEMPTS,
        default_tags=config.get("defaultTags", {}).get("tags") or {},
    )
    for role in config.get("assumeRoles", []):
        account = _assume(account, role)
    try:
        identity = account.client("sts").get_caller_identity()["Account"]
    except CALL_ERRORS as error:
        raise ConfigurationError(
            "validating the provider's credentials: operation error STS: GetCallerIdentity at "
            f"{endpoints['sts']}: {told(error)}"
        ) from error
    allowed: list[object] = config.get("allowedAccountIds", [])
    if allowed and identity not in {str(item) for item in allowed}:
        raise ConfigurationError(
            f"AWS account ID not allowed: {identity}. The provider's allowedAccountIds are "
            f"{', '.join(map(str, allowed))}: use credentials of that account, or correct the account id"
        )
    return account


def _assume_role_faults(roles: list[Properties]) -> Iterator[tuple[str, str]]:
    for number, role in enumerate(roles):
        for key in sorted(role.keys() - ASSUME_ROLE_KEYS):
            yield f"assumeRoles[{number}].{key}", uncovered(key)


def _parsed(raw: Properties) -> Properties:
    config: Properties = {}
    for key, value in raw.items():
        try:
            is_json = key in JSON_KEYS and isinstance(value, str) and value != UNKNOWN
            config[key] = json.loads(value) if is_json else value
        except ValueError as error:
            raise ValueError(f"{key} of aws:Provider is not valid JSON: {error}") from error
    return {key: value for key, value in config.items() if value != UNKNOWN}


def _endpoints(config: Properties) -> dict[str, str]:
    return {service: url for item in config.get("endpoints", []) for service, url in item.items() if url is not None}


def _reach(url: str) -> None:
    """Fail at once where nothing listens, rather than after nine attempts."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
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
    if role.get("externalId"):
        arguments["ExternalId"] = role["externalId"]
    try:
        keys = account.client("sts").assume_role(**arguments)["Credentials"]
    except CALL_ERRORS as error:
        raise ConfigurationError(
            f"cannot assume the IAM Role {arguments['RoleArn']} that the provider's assumeRoles name: operation error "
            f"STS: AssumeRole at {account.endpoints['sts']}: {told(error)}"
        ) from error
    session = _session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return replace(account, session=session, lock=threading.Lock())
