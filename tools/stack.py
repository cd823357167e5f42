"""A stack as its tools see it: through the ``pulumi`` CLI, never through the state file or the program's own code."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias, cast

from pydantic import Field, SecretStr, ValidationError, field_validator

from components.iam import NAMESPACE, SIDES, Side
from components.iam.outputs import Terms
from tools.aws.keys import AccessKey, Printed, Status
from tools.cli import SHOW_SECRETS, pulumi, read_json
from tools.console import StackError

Declared: TypeAlias = Mapping[str, Status]  # the status of each declared key by its label, the oldest first
Kind: TypeAlias = Literal["role", "user"]  # the two that a relationship is between
KINDS: Mapping[Kind, Side] = {"role": "trusting", "user": "trusted"}

STACK_TYPE = "pulumi:pulumi:Stack"
RELATIONSHIP_TYPE = f"{NAMESPACE}:index:Relationship"
SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's own mark of a secret: any object with this key is one


class Outputs(Printed):
    """The outputs of a deployed stack. Secrets stay ``SecretStr``: printing or logging one shows asterisks."""

    role_arn: str
    role_name: str
    user_arn: str = ""  # absent, with the name, where the other party makes the user
    user_name: str = ""
    trusting_account_id: str
    trusted_account_id: str
    terms: Terms
    access_keys: dict[str, AccessKey] = Field(default_factory=dict[str, AccessKey])
    access_key_id: str | None = None  # absent where no key is active
    secret_access_key: SecretStr | None = None  # absent with a PGP key or a secret store
    encrypted_secret_access_key: str | None = None  # with a PGP key: base64 of an OpenPGP message
    secret_location: str | None = None  # with a secret store
    aws_config: SecretStr | None = None
    shown: dict[str, Any] = Field(default_factory=dict[str, Any])  # all of the stack's own, as Pulumi shows them

    @property
    def managed(self) -> Mapping[Kind, Side]:
        """Which of the two, and in which account, this stack makes; the other party makes the other one."""
        return {kind: side for kind, side in KINDS.items() if side != self.terms.unmanaged}

    def name_of(self, kind: Kind) -> str:
        """Return the name of the role or the user."""
        return self.role_name if kind == "role" else self.user_name

    @field_validator("access_keys", mode="before")
    @classmethod
    def _with_labels(cls, keys: object) -> object:
        """Give each key the label that it stands under. One without a status is a fault, as is a garbled one."""
        if not isinstance(keys, dict):
            return keys
        entries = cast("dict[str, object]", keys).items()
        return {
            label: {"status": "", **cast("dict[str, object]", key), "label": label} if isinstance(key, dict) else key
            for label, key in entries
        }


def read_stack(stack: str) -> tuple[Outputs, Mapping[str, Any]]:
    """Return the outputs and the configuration of a stack, read side by side: each takes the CLI most of a second.

    Raises:
        StackError: one of them cannot be read.
    """
    with ThreadPoolExecutor() as side_by_side:
        outputs, config = side_by_side.submit(read_outputs, stack), side_by_side.submit(read_config, stack)
        return outputs.result(), config.result()


def read_outputs(stack: str) -> Outputs:
    """Return the outputs of a stack, secrets included.

    Raises:
        StackError: there is no such stack, it was never deployed, or its outputs are not this program's.
    """
    values = outputs_of(read_json(stack, "stack", "export", SHOW_SECRETS))
    if not values:
        raise StackError(f"Stack {stack} has no outputs: it is not deployed. Deploy it with: make up STACK={stack}")
    try:
        return Outputs.model_validate(values)
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        raise StackError(
            f"The outputs of stack {stack} are missing or malformed: {missing}. Deploy it again: make up STACK={stack}"
        ) from None


def outputs_of(export: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stack's outputs and its terms, of what ``pulumi stack export --show-secrets`` prints.

    The terms are an output of the relationship; stacks that an earlier commit deployed have them among their own.
    """
    resources = cast("list[Mapping[str, Any]]", (export.get("deployment") or {}).get("resources") or [])
    by_type: dict[str, dict[str, Any]] = {each["type"]: each.get("outputs") or {} for each in resources}
    outputs, relationship = by_type.get(STACK_TYPE), by_type.get(RELATIONSHIP_TYPE, {})
    if not outputs:
        return {}
    terms = {"terms": relationship["terms"]} if "terms" in relationship else {}
    return {**_without_marks(outputs, show=True), **terms, "shown": _without_marks(outputs, show=False)}


def _without_marks(value: Mapping[str, Any], *, show: bool) -> dict[str, Any]:
    """Return a part of an export without the marks of its secrets: with the secrets, or ``[secret]`` for each."""

    def unmark(entries: dict[str, Any]) -> Any:  # noqa: ANN401 - parsed JSON
        if SIGNATURE not in entries:
            return entries
        return json.loads(entries["plaintext"], object_hook=unmark) if show else "[secret]"

    return json.loads(json.dumps(value), object_hook=unmark)


def read_config(stack: str) -> Mapping[str, Any]:
    """Return the stack's configuration by key without namespace, defaults of Pulumi.yaml included.

    Raises:
        StackError: there is no such stack, or its configuration cannot be read.
    """
    prefix = f"{NAMESPACE}:"
    return {
        key.removeprefix(prefix): entry.get("objectValue", entry.get("value"))
        for key, entry in read_json(stack, "config", "--json", SHOW_SECRETS).items()
        if key.startswith(prefix)
    }


def managed_sides(config: Mapping[str, Any]) -> list[Side]:
    """Return the accounts in which the stack makes its half, as ``read_config`` has its configuration."""
    return [side for side in SIDES if section(config, side).get("manage") is not False]


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of a configuration; an empty one where it is missing or no object."""
    value = config.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def declared_keys(config: Mapping[str, Any]) -> Declared:
    """Return what a configuration says; ``pulumi config set --path`` makes labels numbers.

    Args:
        config: the stack's configuration, as ``read_config`` returns it.

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


def declare_keys(stack: str, declared: Declared, *flags: str) -> None:
    """Write the whole setting at once: a crash leaves the old one or the new one.

    Args:
        stack: name of the stack.
        declared: the keys.
        flags: of ``pulumi config``, as ``--config-file``.

    Raises:
        StackError: the configuration cannot be written.
    """
    entries = [{"label": label, "status": status} for label, status in declared.items()]
    # The CLI writes a list as a list only from objectValue, and nothing at all without value.
    setting = {"value": json.dumps(entries), "objectValue": entries, "secret": False}
    pulumi(stack, "config", "set-all", "--json", json.dumps({f"{NAMESPACE}:accessKeys": setting}), *flags)
