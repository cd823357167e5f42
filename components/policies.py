"""The policy documents of the relationship, as pure functions."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

Condition: TypeAlias = dict[str, dict[str, str | list[str]]]

POLICY_VERSION: Literal["2012-10-17"] = "2012-10-17"


class Principal(TypedDict):
    """Whom a trust policy lets in: the ARN of an account's root stands for every principal of that account."""

    AWS: str


class Statement(TypedDict):
    """One statement of a policy document, with the elements that this project uses."""

    Effect: Literal["Allow", "Deny"]
    Principal: NotRequired[Principal]
    Action: str
    Resource: NotRequired[str]
    Condition: NotRequired[Condition]


class PolicyDocument(TypedDict):
    """A policy document: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html."""

    Version: Literal["2012-10-17"]
    Statement: list[Statement]


def trust_policy(
    *,
    partition: str,
    trusted_account_id: str,
    external_id: str | None = None,
    require_mfa: bool = False,
    mfa_max_age: int | None = None,
    principal_arns: tuple[str, ...] = (),
    organization_id: str | None = None,
    source_ips: tuple[str, ...] = (),
) -> PolicyDocument:
    """Return the document that says who may assume the role: the trusted account, under the given conditions.

    The principal is the account's root, never a user: AWS turns a user's ARN into that user's unique id, so a user
    that is deleted and made again would be locked out, and a new user is often refused because it has not spread
    yet. ``principal_arns`` narrows by condition instead, and has neither problem.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html

    Args:
        partition: the partition of both accounts, as ``aws``.
        trusted_account_id: the account whose principals may assume the role.
        external_id: what the caller must send as ``ExternalId``.
        require_mfa: whether the caller must have signed in with MFA.
        mfa_max_age: how long ago that may have been, in seconds.
        principal_arns: the only users and roles of the account that may; ``*`` and ``?`` are wildcards.
        organization_id: the AWS organization the caller's account must be in.
        source_ips: the only addresses the call may come from, in CIDR notation.
    """
    condition: Condition = {}
    if external_id is not None:
        condition.setdefault("StringEquals", {})["sts:ExternalId"] = external_id
    if organization_id is not None:
        condition.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = organization_id
    if require_mfa:
        condition["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    if mfa_max_age is not None:
        condition["NumericLessThanEquals"] = {"aws:MultiFactorAuthAge": str(mfa_max_age)}
    if principal_arns:
        condition["ArnLike"] = {"aws:PrincipalArn": list(principal_arns)}
    if source_ips:
        condition["IpAddress"] = {"aws:SourceIp": list(source_ips)}
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{trusted_account_id}:root"},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": POLICY_VERSION, "Statement": [statement]}


def assume_policy(role_arn: str) -> PolicyDocument:
    """Return the document that lets the user assume exactly one role and nothing else."""
    return {
        "Version": POLICY_VERSION,
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn}],
    }
