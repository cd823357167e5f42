"""What Pulumi's engine would do to a stack, and what it has done: by its state and history. It tells no secret."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from pydantic import AwareDatetime, Field

from tools.aws.keys import AccessKey, Printed
from tools.cli import pulumi, read_json, show
from tools.console import FailedError, StackError

PulumiStep: TypeAlias = Mapping[str, Any]
"""What ``pulumi preview --json`` says of one resource."""

ENGINE_TIMEOUT_SECONDS: Final = 600.0  # a preview or an import; a provider plugin may have to be downloaded first
ACCESS_KEY: Final = "aws:iam/accessKey:AccessKey"
UPDATES: Final = 20  # how many of the last ones are read: more do not fit into the propagation delay
ROUNDING: Final = timedelta(seconds=1)  # the history knows whole seconds
NO_CHANGE: Final = frozenset({"same", "read", "refresh"})  # what a preview calls the steps that change nothing


@dataclass(frozen=True, kw_only=True)
class Change:
    """One step of a preview that changes something."""

    operation: str  # Pulumi's word, as "update"
    name: str  # the resource's logical name
    type: str
    properties: tuple[str, ...] = ()  # that are the reason

    def __str__(self) -> str:
        return f"{self.operation} {self.name}" + (f" ({', '.join(self.properties)})" if self.properties else "")


@dataclass(frozen=True, kw_only=True)
class State:
    """What the stack's state holds of access keys, a failed or killed deployment included."""

    keys: tuple[AccessKey, ...]
    interrupted: frozenset[str] = frozenset()  # labels of the keys whose making was begun and whose end is not known
    written: datetime | None = None  # when it was


class Update(Printed):
    """One run of Pulumi's engine in the history: it came to its end."""

    kind: str  # "update" ran the program; a refresh, an import or a destroy did not
    result: str
    start_time: AwareDatetime
    end_time: AwareDatetime
    resource_changes: dict[str, int] = Field(default_factory=dict[str, int])  # how many resources by Pulumi's word

    @property
    def failed(self) -> bool:
        """Whether it failed, and may have changed anything before."""
        return self.result != "succeeded"

    @property
    def changed(self) -> bool:
        """Whether it changed something in AWS or in the state."""
        return self.failed or not NO_CHANGE.issuperset(self.resource_changes)

    def covers(self, time: datetime) -> bool:
        """Return whether it ran at that time."""
        return self.start_time - ROUNDING <= time <= self.end_time + ROUNDING


def preview(stack: str, *flags: str) -> list[PulumiStep]:
    """Return the steps of the next ``pulumi up``.

    Args:
        stack: name of the stack.
        flags: of ``pulumi preview``, beside ``--json``.

    Raises:
        StackError: the preview failed; the message has its words.
    """
    try:
        text = pulumi(stack, "preview", "--json", *flags, timeout=ENGINE_TIMEOUT_SECONDS)
    except StackError as error:
        if "explicit provider" in str(error):
            raise StackError("This Pulumi CLI is too old to import what has providers of its own. Update it.") from None
        raise
    return json.loads(text).get("steps") or []


def changes(steps: Sequence[PulumiStep]) -> list[Change]:
    """Return the steps of a preview that change something."""
    return [
        Change(
            operation=str(step["op"]),
            name=str(step["urn"]).rpartition("::")[2],
            type=str(step["urn"]).split("::")[2].rpartition("$")[2],
            properties=tuple(step.get("replaceReasons") or step.get("diffReasons") or ()),
        )
        for step in steps
        if step["op"] not in NO_CHANGE
    ]


def read_state(stack: str) -> State:
    """Return what the stack's state holds of access keys. It is newer than the outputs where a deployment failed.

    Raises:
        StackError: it cannot be read, or a key is replaced and not deleted yet.
    """
    return state_of(read_export(stack))


def state_of(export: Mapping[str, Any]) -> State:
    """Return what an export, as ``pulumi stack export`` writes it, says of access keys; raise as ``read_state``."""
    deployment: Mapping[str, Any] = export["deployment"]
    resources: list[Mapping[str, Any]] = deployment.get("resources") or []
    keys = [each for each in resources if each["type"] == ACCESS_KEY]
    if replaced := [str(each["id"]) for each in keys if each.get("delete")]:
        raise StackError(
            f"A deployment has replaced the access key {replaced[0]} and not deleted it yet. Finish it with pulumi up, "
            "then run this again."
        )
    pending: list[Mapping[str, Any]] = deployment.get("pending_operations") or []
    begun = [each["resource"] for each in pending if each["type"] == "creating"]
    status = {each["id"]: (each.get("outputs") or each["inputs"])["status"] for each in keys}
    return State(
        keys=tuple(
            AccessKey(label=key_label(each["urn"]), id=each["id"], deployed=status[each["id"]]) for each in keys
        ),
        interrupted=frozenset(key_label(each["urn"]) for each in begun if each["type"] == ACCESS_KEY),
        written=written(export),
    )


def key_label(urn: str) -> str:
    """Return the label of an access key by its URN or logical name, as ``assume-role-trusted-key-1``."""
    return urn.rpartition("::")[2].partition("-key-")[2]


def last_change(stack: str, *, since: datetime) -> datetime | None:
    """Return when an update last changed something; None if the stack was left alone since a moment.

    Raises:
        StackError: the state or the history cannot be read.
    """
    export = read_export(stack)
    return change_time(export, read_updates(stack)) if written(export) >= since else None


def change_time(export: Mapping[str, Any], runs: Sequence[Update]) -> datetime | None:
    """Return the time of the last change.

    Args:
        export: the state. A killed run is not in the history, but the state and its resources are dated.
        runs: the last runs, the newest first.
    """
    resources: list[Mapping[str, str]] = export["deployment"].get("resources") or []
    times = [written(export), *(datetime.fromisoformat(each["modified"]) for each in resources if "modified" in each)]
    of_killed_runs = [time for time in times if not any(run.covers(time) for run in runs)]
    return max([*of_killed_runs, *(run.end_time for run in runs if run.changed)], default=None)


def written(export: Mapping[str, Any]) -> datetime:
    """Return when a state was written."""
    return datetime.fromisoformat(export["deployment"]["manifest"]["time"])


def read_export(stack: str) -> Mapping[str, Any]:
    """Return the state of a stack as ``pulumi stack export`` prints it; secrets in it stay encrypted.

    Raises:
        StackError: it cannot be read.
    """
    return read_json(stack, "stack", "export")


def read_updates(stack: str) -> list[Update]:
    """Return the last runs, the newest first.

    Raises:
        StackError: the history cannot be read.
    """
    history = read_json(stack, "stack", "history", "--json", "--page-size", str(UPDATES))
    return [Update.model_validate(entry) for entry in history if "endTime" in entry]


def failed_at_resources(stack: str, *, since: datetime) -> bool:
    """Return whether a deployment that began since then failed at a resource, so that AWS may have more than the state.

    One whose program refused its settings registered nothing but the stack itself.

    Raises:
        StackError: the history cannot be read.
    """
    return any(
        last.failed and sum(last.resource_changes.values()) > 1 and last.start_time + ROUNDING >= since
        for last in read_updates(stack)[:1]
    )


def run_visibly(stack: str, *arguments: str) -> None:
    """Run the engine with its output shown as it comes, without questions.

    Raises:
        FailedError: it failed; it has said why.
    """
    if not show(stack, *arguments, "--suppress-outputs"):
        raise FailedError(
            f"`pulumi {arguments[0]}` failed, as it says above. Correct that, then run this again: it goes on from "
            "here. If it says that the stack is locked, and no other pulumi is at work, free it with: "
            f"pulumi cancel --yes --stack {stack}"
        )
