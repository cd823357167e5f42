"""When an update of the stack last changed something: what AWS itself has no date for, such as an attachment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tools.engine import NO_CHANGE
from tools.stack import StackError, pulumi

UPDATES = 20  # how many of the last ones are read: more do not fit into the time that news takes to spread
ROUNDING = timedelta(seconds=1)  # the history knows whole seconds


@dataclass(frozen=True, kw_only=True)
class Update:
    """One run of Pulumi's engine that came to its end."""

    start: datetime
    end: datetime
    changed: bool
    failed: bool = False
    deployed: bool = True  # it ran the program: an update, and no refresh, import or destroy

    def explains(self, moment: datetime) -> bool:
        """Return whether the state was written at that moment by this run."""
        return self.start - ROUNDING <= moment <= self.end + ROUNDING


def last_change(stack: str, *, since: datetime) -> datetime | None:
    """Return when an update last changed something; None if the stack was left alone since a moment.

    Raises:
        StackError: the state or the history cannot be read.
    """
    written = state_times(read_export(stack))
    if max(written) < since:
        return None  # and nobody has to wait for the history
    return change_time(written, read_updates(stack))


def read_export(stack: str) -> Mapping[str, Any]:
    """Return the state of a stack as ``pulumi stack export`` prints it; secrets in it stay encrypted.

    Raises:
        StackError: it cannot be read.
    """
    return _printed(stack, "export")


def read_updates(stack: str) -> list[Update]:
    """Return the last runs that came to their end, the newest first.

    Raises:
        StackError: the history cannot be read.
    """
    return updates(_printed(stack, "history", "--json", "--page-size", str(UPDATES)))


def change_time(written: Sequence[datetime], runs: Sequence[Update]) -> datetime | None:
    """Return the time of the last change.

    Whatever was written to the state by no run that came to its end was written by one that was killed.

    Args:
        written: when the state and each of its resources were written.
        runs: the last runs.
    """
    killed = [moment for moment in written if not any(run.explains(moment) for run in runs)]
    return max([*killed, *(run.end for run in runs if run.changed)], default=None)


def state_times(export: Mapping[str, Any]) -> list[datetime]:
    """Return when a state, as ``pulumi stack export`` prints it, was written, and each of its resources."""
    deployment: Mapping[str, Any] = export["deployment"]
    resources: list[Mapping[str, str]] = deployment.get("resources") or []
    texts = [str(deployment["manifest"]["time"]), *(each["modified"] for each in resources if "modified" in each)]
    return [datetime.fromisoformat(text) for text in texts]


def updates(history: list[Mapping[str, Any]]) -> list[Update]:
    """Return the runs that ``pulumi stack history --json`` prints; one that failed may have changed anything."""
    return [
        Update(
            start=datetime.fromisoformat(entry["startTime"]),
            end=datetime.fromisoformat(entry.get("endTime") or entry["startTime"]),
            failed=entry["result"] != "succeeded",
            deployed=entry.get("kind") == "update",
            changed=entry["result"] != "succeeded" or not NO_CHANGE.issuperset(entry.get("resourceChanges") or ()),
        )
        for entry in history
    ]


def _printed(stack: str, *command: str) -> Any:  # noqa: ANN401 - parsed JSON
    """Return the JSON that a command prints; secrets in it stay encrypted.

    Raises:
        StackError: it failed, or printed something else.
    """
    try:
        return json.loads(pulumi(stack, "stack", *command))
    except ValueError:
        raise StackError(
            f"`pulumi stack {' '.join(command)}` printed no JSON for stack {stack}. Run it by hand to see why."
        ) from None
