"""What policies the role and the user have, against those that the stack gave them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from iam.arns import iam_arn
from iam.documents import Document, same_document
from iam.permissions import only_denies
from tools.callers import all_pages
from tools.proof import Case, Finding, Verdict, as_deployed


def role_policies(case: Case) -> Finding:
    """Return whether the role has the stack's policies and no other, each as deployed."""
    terms = case.outputs.terms
    return _policies(case, "role", document=terms.permission_policy, managed=frozenset(terms.managed_policies.values()))


def user_policies(case: Case) -> Finding:
    """Return whether the user has the stack's policy and no other, as deployed."""
    return _policies(case, "user", document=case.outputs.terms.assume_policy)


def _policies(
    case: Case, kind: Literal["role", "user"], *, document: Document, managed: frozenset[str] = frozenset()
) -> Finding:
    """Read and judge all policies of the role or the user, whose own one says ``document``."""
    outputs, terms = case.outputs, case.outputs.terms
    if kind == "role":
        iam, account_id = case.administrator("trusting").client("iam"), outputs.trusting_account_id
        principal = {"RoleName": outputs.role_name}
    else:
        iam, account_id = case.administrator("trusted").client("iam"), outputs.trusted_account_id
        principal = {"UserName": outputs.user_name}
    attached = all_pages(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **principal)
    inline = {
        policy: getattr(iam, f"get_{kind}_policy")(**principal, PolicyName=policy)["PolicyDocument"]
        for policy in all_pages(iam, f"list_{kind}_policies", "PolicyNames", **principal)
    }
    own = None
    if terms.policy_names:
        name = terms.policy_names[kind]
        own = iam_arn("policy", partition=terms.partition, account_id=account_id, name=name)
    faults = _policy_faults(
        attached={policy["PolicyArn"] for policy in attached},
        read=partial(_default_version, case, iam),
        own=own,
        document=document,
        managed=managed,
    )
    return _with_inline(faults, inline)


def _policy_faults(
    *,
    attached: set[str],
    read: Callable[[str], Document],
    own: str | None,
    document: Document,
    managed: frozenset[str],
) -> list[str]:
    """Return what is wrong with the attached policies: each one that is missing, different, or too many.

    Args:
        attached: ARNs of what is attached.
        read: returns the document of one.
        own: ARN of the stack's own policy; None where that is to be known by its document.
        document: what the stack's own policy says.
        managed: ARNs of the other policies that the stack attaches.
    """
    faults = [f"{arn} is not attached" for arn in sorted(managed - attached)]
    if own is None:
        own = next((arn for arn in sorted(attached - managed) if same_document(read(arn), document)), None)
    if own not in attached:
        faults.append(f"the stack's own policy{f' {own}' if own else ''} is not attached")
    elif not same_document(read(own), document):
        faults.append(f"{own} does not say what the stack says")
    return faults + [f"{arn} is attached too" for arn in sorted(attached - managed - {own})]


def _with_inline(faults: list[str], inline: Mapping[str, Document]) -> Finding:
    """Return what the attached and the inline policies come to: the stack makes none of the latter."""
    faults += [f"inline policy {name} grants more" for name, text in sorted(inline.items()) if not only_denies(text)]
    if faults or not inline:
        return as_deployed(faults)
    return Finding(
        verdict=Verdict.WARNING,
        observed=f"as deployed, and inline policies that deny: {', '.join(sorted(inline))}",
        advice="They take away from what the stack allows, as after revoking sessions. Remove what is not needed.",
    )


def _default_version(case: Case, iam: Any, arn: str) -> Document:  # noqa: ANN401 - a boto3 client
    """Return what a policy says, after noting when its last version was made."""
    answer = iam.get_policy(PolicyArn=arn)
    case.window.hear(answer)
    case.window.changed(answer["Policy"].get("UpdateDate"), by_aws=True)
    version = answer["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
