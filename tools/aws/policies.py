"""Reads the policies and the password of a role or a user from IAM."""

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from components.iam.documents import Document, revoked_before
from tools.aws.callers import all_pages
from tools.aws.errors import NO_SUCH_ENTITY, error_code
from tools.stack import Kind

REVOCATION = "AWSRevokeOlderSessions"  # the console's own name for it: revoking there replaces it


def holder(kind: Kind, name: str) -> dict[str, str]:
    """Return a role or a user as IAM's calls take it."""
    return {f"{kind.title()}Name": name}


def attached_policies(iam: Any, kind: Kind, name: str) -> list[str]:  # noqa: ANN401 - a client of botocore
    """Return the ARNs of the policies that are attached to a role or a user."""
    policies = all_pages(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **holder(kind, name))
    return [policy["PolicyArn"] for policy in policies]


def inline_policies(iam: Any, kind: Kind, name: str) -> list[str]:  # noqa: ANN401 - a client of botocore
    """Return the names of the policies that a role or a user has of its own."""
    return all_pages(iam, f"list_{kind}_policies", "PolicyNames", **holder(kind, name))


def inline_document(iam: Any, kind: Kind, name: str, policy: str) -> Document:  # noqa: ANN401 - a client of botocore
    """Return the document of a policy that a role or a user has of its own."""
    return getattr(iam, f"get_{kind}_policy")(**holder(kind, name), PolicyName=policy)["PolicyDocument"]


def has_password(iam: Any, user_name: str) -> bool:  # noqa: ANN401 - a client of botocore
    """Return whether a user has a password for the console."""
    try:
        iam.get_login_profile(UserName=user_name)
    except ClientError as error:
        if error_code(error) != NO_SUCH_ENTITY:
            raise
        return False
    return True


def revocation(iam: Any, kind: Kind, name: str) -> datetime | None:  # noqa: ANN401 - a client of botocore
    """Return before when sessions of a role or a user must have begun to be refused; None where none are."""
    try:
        return revoked_before(inline_document(iam, kind, name, REVOCATION))
    except ClientError as error:
        if error_code(error) != NO_SUCH_ENTITY:
            raise
        return None
