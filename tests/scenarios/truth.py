"""What AWS says against what a stack promises: judged without a line of the project's own, to judge `verify` by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.scenarios.world import REFUSAL_OF_SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.scenarios.world import World


NOBODY = "no key is active"  # as promised, perhaps: but then nobody can get in to prove it


def deviations(world: World, outputs: dict[str, Any]) -> list[str]:
    """Return what is not as the outputs of a stack promise."""
    checks: tuple[Callable[..., Iterator[str]], ...] = (_role, _user, _keys)
    found: list[str] = []
    for check in checks:
        try:
            found += check(world, outputs)
        except ClientError as error:
            found.append(str(error))
    return found


def _role(world: World, outputs: dict[str, Any]) -> Iterator[str]:
    iam, terms = world.iam("trusting"), world.project.terms()
    role = iam.get_role(RoleName=outputs["roleName"])["Role"]
    if not _same(role["AssumeRolePolicyDocument"], terms["trustPolicy"]):
        yield "the trust policy"
    if role["MaxSessionDuration"] != terms["maxSessionDuration"]:
        yield "the length of sessions"
    yield from _policies(iam, "role", outputs["roleName"], terms["policyNames"]["role"], terms["permissionPolicy"])


def _user(world: World, outputs: dict[str, Any]) -> Iterator[str]:
    terms = world.project.terms()
    names = outputs["userName"], terms["policyNames"]["user"]
    yield from _policies(world.iam("trusted"), "user", *names, terms["assumePolicy"])


def _policies(iam: Any, kind: str, name: str, policy: str, document: dict[str, Any]) -> Iterator[str]:
    whose = {f"{kind.title()}Name": name}
    attached = getattr(iam, f"list_attached_{kind}_policies")(**whose)["AttachedPolicies"]
    if [each["PolicyName"] for each in attached] != [policy]:
        yield f"the {kind}'s attached policies"
    for each in attached:
        version = iam.get_policy(PolicyArn=each["PolicyArn"])["Policy"]["DefaultVersionId"]
        says = iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        if each["PolicyName"] == policy and not _same(says, document):
            yield f"the document of {policy}"
    if set(getattr(iam, f"list_{kind}_policies")(**whose)["PolicyNames"]) - {REFUSAL_OF_SESSIONS}:
        yield f"the {kind}'s inline policies"


def _keys(world: World, outputs: dict[str, Any]) -> Iterator[str]:
    promised = {key["id"]: key["status"] for key in outputs["accessKeys"].values()}
    keys = world.iam("trusted").list_access_keys(UserName=outputs["userName"])["AccessKeyMetadata"]
    if {key["AccessKeyId"]: key["Status"] for key in keys} != promised:
        yield "the user's keys"
    if "accessKeyId" not in outputs:
        yield NOBODY
        return
    key = outputs["accessKeyId"], outputs["secretAccessKey"]
    sts = world.client(key[0], "sts", key[1])
    if sts.get_caller_identity()["Arn"] != outputs["userArn"]:
        yield "whose key it is"
    external_id = world.project.terms().get("externalId")
    sts.assume_role(
        RoleArn=outputs["roleArn"], RoleSessionName="truth", **({"ExternalId": external_id} if external_id else {})
    )


def _same(one: Any, other: Any) -> bool:
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    """Return a policy document with each list in one order, and of one without the list."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        each = sorted(map(_plain, value), key=repr)
        return each[0] if len(each) == 1 else each
    return value
