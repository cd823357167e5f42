"""A user's access keys, as the trusted account has them. Nothing here knows a secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Status = Literal["Active", "Inactive"]


@dataclass(frozen=True, kw_only=True)
class UserKey:
    """One access key of a user."""

    id: str
    status: Status
    created: datetime


def list_keys(iam: "IAMClient", user_name: str) -> list[UserKey]:
    """Return the access keys of a user, of this project or not.

    Raises:
        ClientError: there is no such user, or AWS refused to say.
    """
    return [
        UserKey(id=key["AccessKeyId"], status=cast("Status", key["Status"]), created=key["CreateDate"])
        for page in iam.get_paginator("list_access_keys").paginate(UserName=user_name)
        for key in page["AccessKeyMetadata"]
        if "AccessKeyId" in key and "Status" in key and "CreateDate" in key
    ]


def last_used(iam: "IAMClient", key_id: str) -> datetime | None:
    """Return when a key was last used, as far as AWS knows; it learns of a use with some delay, an emulator never.

    Raises:
        ClientError: there is no such key, or AWS refused to say.
    """
    return iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"].get("LastUsedDate")
