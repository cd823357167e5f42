"""The terms of a relationship: what the program promises, written into the state, and what the tools check in AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import Side


def camel(name: str) -> str:
    """Return a name as outputs have it, as ``trustPolicy`` for ``trust_policy``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Every setting that reaches AWS and no other output has, as it was deployed. No secret.

    What has a default may be absent: the setting is not used, or an earlier commit deployed the stack.
    """

    __pydantic_config__ = {"alias_generator": camel}  # how the tools' models read it  # noqa: RUF012

    unmanaged: Side | None = None  # the account whose half the other party makes
    partition: str
    trusting_region: str
    trusted_region: str
    sts_region: str | None = None  # where the handed-over profile signs in
    endpoint: str | None = None  # the emulator that stands in for AWS
    external_id: str | None = None
    require_mfa: bool = False
    mfa_max_age: int | None = None  # seconds
    session_tags: bool = False
    max_session_duration: int  # seconds
    trust_policy: Mapping[str, Any]
    permission_policy: Mapping[str, Any] = field(default_factory=dict[str, Any])  # empty where the role has none
    managed_policies: Mapping[str, str] = field(default_factory=dict[str, str])  # label -> ARN
    assume_policy: Mapping[str, Any]
    policy_names: Mapping[str, str]  # "role", if it has one, and "user" -> the name of its own policy
    permissions_boundaries: Mapping[str, str] = field(default_factory=dict[str, str])  # "role" and "user" -> ARN
    role_description: str | None = None
    secret_store: Mapping[str, str] | None = None  # kind, name and kmsKeyId
    tags: Mapping[str, str] = field(default_factory=dict[str, str])  # the owner's among them

    def as_output(self) -> dict[str, Any]:
        """Return the value of the output ``terms``."""
        return {camel(name): value for name, value in vars(self).items() if value is not None}
