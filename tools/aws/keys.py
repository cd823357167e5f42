"""A user's access keys: what the configuration, the stack and the account know of one, in one class."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from components.iam.limits import MAX_ACCESS_KEY_DAYS
from tools.aws.errors import NO_SUCH_ENTITY, error_code

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Status: TypeAlias = Literal["Active", "Inactive"]


class Printed(BaseModel):
    """Part of what the Pulumi CLI prints: in camel case, with more than is read here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="ignore",
        frozen=True,
        defer_build=True,  # `--help` reads nothing
    )


class AccessKey(Printed):
    """One access key of the user. Printing or logging one shows no secret."""

    label: str | None = None  # None: the stack does not know this key
    id: str
    declared: Status | None = None  # by the configuration; None: no longer, or it was not asked
    deployed: Status | None = Field(default=None, validation_alias="status")  # when the stack was last deployed
    actual: Status | None = None  # in the account; None: it is gone, or was not queried
    created: AwareDatetime | None = None
    last_used: AwareDatetime | None = None  # None: never as far as AWS knows, or not queried
    secret: SecretStr | None = None  # absent where the stack never has it in plain text
    encrypted_secret: str | None = None  # with a PGP key

    def __str__(self) -> str:
        return f"key {self.label} ({self.id})" if self.label else f"key {self.id}"

    def age_days(self, now: datetime) -> int | None:
        """Return the key's age in whole days, as far as it is known."""
        return (now - self.created).days if self.created else None

    def age(self, now: datetime) -> str:
        """Return the same in words, and whether it is time to rotate the key."""
        days = self.age_days(now)
        if days is None:
            return "age not known"
        return f"{days} {'day' if days == 1 else 'days'}" + (": rotate it" if days > MAX_ACCESS_KEY_DAYS else "")


def moment(when: datetime) -> str:
    """Return a time as people read it."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def read_keys(iam: "IAMClient", user_name: str, known: Iterable[AccessKey] = (), *, with_use: bool) -> list[AccessKey]:
    """Return all access keys of a user, and what the account says of each.

    Args:
        iam: a client of the trusted account's administrator.
        user_name: whose keys.
        known: the stack's keys, which come first.
        with_use: also read when each was last used, which is a call a key.
    """
    in_account = {
        key["AccessKeyId"]: {"actual": key["Status"], "created": key["CreateDate"]}
        for page in iam.get_paginator("list_access_keys").paginate(UserName=user_name)
        for key in page["AccessKeyMetadata"]
        if "AccessKeyId" in key and "Status" in key and "CreateDate" in key
    }
    keys = list(known)
    keys += [AccessKey(id=key_id) for key_id in sorted(in_account.keys() - {key.id for key in keys})]
    uses = {key_id: {"last_used": last_used(iam, key_id)} for key_id in in_account} if with_use else {}
    return [key.model_copy(update={**in_account.get(key.id, {}), **uses.get(key.id, {})}) for key in keys]


def last_used(iam: "IAMClient", key_id: str) -> datetime | None:
    """Return when a key was last used, as far as AWS knows: it reports a use with some delay, an emulator never."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - takes a while, of commands that call no AWS as well

    try:
        return iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"].get("LastUsedDate")
    except ClientError as error:
        if error_code(error) != NO_SUCH_ENTITY:  # a server may not know a key that was created a moment ago
            raise
        return None
