"""What a stack's configuration says of its keys: the setting ``accessKeys``, read and written."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from tools.errors import StackError
from tools.keys import Status
from tools.stack import NAMESPACE, pulumi

Declared: TypeAlias = Mapping[str, Status]
"""The status of each declared key by its label, the oldest first."""


def declared_keys(config: Mapping[str, Any]) -> Declared:
    """Return what a configuration says; ``pulumi config set --path`` makes labels numbers.

    Args:
        config: the stack's configuration, as ``tools.stack.read_config`` returns it.

    Raises:
        StackError: the setting is not a list of labels, or one stands there twice.
    """
    setting: object = config.get("accessKeys")
    entries = cast("list[object]", setting) if isinstance(setting, list) else [None]
    labelled = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict) and "label" in entry]
    declared: Declared = {str(entry["label"]): entry.get("status") or "Active" for entry in labelled}
    if len(declared) != len(entries):
        raise StackError(
            "accessKeys is not a list of {label, status} with a label of its own for each. Correct it: pulumi preview "
            "names what is wrong."
        )
    return declared


def declare_keys(stack: str, declared: Declared) -> None:
    """Write the whole setting at once: a crash leaves the old one or the new one.

    Raises:
        StackError: the configuration cannot be written.
    """
    entries = [{"label": label, "status": status} for label, status in declared.items()]
    # The CLI writes a list as a list only from objectValue, and nothing at all without value.
    setting = {"value": json.dumps(entries), "objectValue": entries, "secret": False}
    pulumi(stack, "config", "set-all", "--json", json.dumps({f"{NAMESPACE}:accessKeys": setting}))
