"""AWS's shapes and Pulumi's: times, tags, documents, and the values that are there."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from iam import documents
from local.plugins.aws.session import Account
from local.plugins.aws.wire import Properties


def time(moment: datetime) -> str:
    """Return a time as the official plugin writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def renamed(values: Mapping[str, Any], **names: str) -> Properties:
    """Return the values that are there, under other names: `renamed(inputs, Path="path")`."""
    return {name: values[key] for name, key in names.items() if values.get(key) not in (None, "")}


def tag_list(values: Mapping[str, str]) -> Any:  # noqa: ANN401 - each service has its own type for the same shape
    """Return tags in AWS's form."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_outputs(tags: Sequence[Any], account: Account, known: Properties) -> Properties:
    """Return `tagsAll`, and `tags` without those that come from the provider's default tags alone.

    Args:
        tags: in AWS's form.
        account: whose default tags count.
        known: the outputs or inputs so far.
    """
    merged: dict[str, str] = {tag["Key"]: tag["Value"] for tag in tags}
    own = known.get("tags", {})
    plain = {key: value for key, value in merged.items() if key in own or account.default_tags.get(key) != value}
    return {key: value for key, value in (("tags", plain), ("tagsAll", merged)) if value}


def change_tags(
    old: Properties, new: Properties, untag: Callable[..., object], tag: Callable[..., object], **target: str
) -> None:
    """Call AWS for the tags that are gone and for those that are new or changed, and for nothing else."""
    before, after = old.get("tagsAll", {}), new.get("tagsAll", {})
    if removed := sorted(before.keys() - after.keys()):
        untag(**target, TagKeys=removed)
    if changed := {key: value for key, value in after.items() if before.get(key) != value}:
        tag(**target, Tags=tag_list(changed))


def change_boundary(
    old: Properties, new: Properties, put: Callable[..., object], delete: Callable[..., object], **target: str
) -> None:
    """Call AWS for a permissions boundary that is new, changed or gone."""
    boundary = new.get("permissionsBoundary")
    if boundary == old.get("permissionsBoundary"):
        return
    if boundary:
        put(**target, PermissionsBoundary=boundary)
    else:
        delete(**target)


def json_policy(value: Any) -> str | None:  # noqa: ANN401 - a rule judges any value
    """Rule: a policy document as JSON, because AWS's answer is compared with it."""
    try:
        parsed: object = json.loads(value)
    except (TypeError, ValueError) as error:
        return f"contains an invalid JSON policy: {error}"
    return None if isinstance(parsed, dict) else "contains an invalid JSON policy: it must be an object"


def same_document(one: str, other: str) -> bool:
    """Return whether two texts are the same, or policy documents that mean the same to AWS."""
    try:
        return one == other or documents.same_document(json.loads(one), json.loads(other))
    except ValueError:
        return False


def policy_text(held: object, known: Properties, key: str) -> str:
    """Return AWS's document, or the text known so far where both mean the same, so that nothing seems changed."""
    text = held if isinstance(held, str) else json.dumps(held)
    recorded = known.get(key)
    return recorded if isinstance(recorded, str) and same_document(recorded, text) else text
