"""The names of a relationship's role, user and policies where its settings give none."""

from typing import NamedTuple

from . import NAMESPACE


class DefaultNames(NamedTuple):
    """The default names of one relationship."""

    role: str
    role_policy: str
    user: str
    user_policy: str


def profile_name(stack: str) -> str:
    """Return the name of the AWS profile that assumes the role of a stack."""
    return f"{NAMESPACE}-{stack}"


def default_names(name: str | None = None) -> DefaultNames:
    """Return the default names that follow from the setting ``name``; without it, those of the steps by hand."""
    if not name:
        return DefaultNames("Assume-Role-1", "Custom-Policy-For-Role-1", "user-1", "Custom-Assume-Role-Policy")
    return DefaultNames(name, f"{name}-permissions", name, f"{name}-assume-role")
