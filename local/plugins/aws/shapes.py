"""AWS's shapes and Pulumi's: times, tags, boundaries and documents."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from components.iam import documents
from local.plugins.aws.session import Account
from local.plugins.aws.wire import Properties


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of an answer
    """Return a value of AWS's answer as the official plugin writes it: a time as a text, of a boundary its ARN."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return cast("Properties", value).get("PermissionsBoundaryArn", value) if isinstance(value, dict) else value


def tag_list(values: Mapping[str, str]) -> Any:  # noqa: ANN401 - each service has its own type for the same shape
    """Return tags in AWS's form."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_outputs(tags: Sequence[Any], account: Account, known: Properties) -> Properties:
    """Return `tagsAll`, and `tags` without those that come from the provider's default tags alone."""
    merged: dict[str, str] = {tag["Key"]: tag["Value"] for tag in tags}
    own = known.get("tags", {})
    shown = {key: value for key, value in merged.items() if key in own or account.default_tags.get(key) != value}
    return {"tags": shown or None, "tagsAll": merged or None}


def change_tags(
    old: Properties, new: Properties, untag: Callable[..., object], tag: Callable[..., object], **target: str
) -> None:
    """Call AWS for the tags that are gone and for those that are new or changed, and for nothing else."""
    before, after = old.get("tagsAll", {}), new.get("tagsAll", {})
    if removed := sorted(before.keys() - after.keys()):
        untag(**target, TagKeys=removed)
    if changed := {key: value for key, value in after.items() if before.get(key) != value}:
        tag(**target, Tags=tag_list(changed))


def same_document(one: object, other: object) -> bool:
    """Return whether two texts are the same, or policy documents that mean the same to AWS."""
    if one == other or not isinstance(one, str) or not isinstance(other, str):
        return one == other
    try:
        return documents.same_document(json.loads(one), json.loads(other))
    except ValueError:
        return False


def policy_text(held: object, known: object) -> object:
    """Return AWS's document, or the text known so far where both mean the same, so that nothing seems changed."""
    text = held if isinstance(held, str) else json.dumps(held)
    return known if same_document(known, text) else text
