"""What a run of the stack left in AWS and did not record, and what only looks like it. Decides, and calls nobody.

An answer of AWS may be lost or garbled after the work was done, and a run may be killed meanwhile. What it made is then
in AWS and not in the state. Two facts tell it from what somebody else made: it is in everything what the program makes,
and AWS made it while a run was at work that did not record it. IAM's dates are whole seconds, and so are the history's:
what was made in the second in which a run began may have been there before. So in a real account it counts as somebody
else's. A run on an emulator may be over within that second, and nobody else can lose anything there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from tools.adoption import Existing
from tools.engine import Update, logical_name
from tools.keys import AccessKey

SECOND = timedelta(seconds=1)


class Span(NamedTuple):
    """When AWS may have made what a run left: the first and the last moment."""

    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True)
class Record:
    """What Pulumi recorded of a stack's runs."""

    runs: Sequence[Update]
    made: Mapping[str, datetime | None]  # when each resource of the state was made, as far as it says, by logical name
    begun: frozenset[str] = frozenset()  # what a killed run was about to make: nobody knows how that ended
    locked: datetime | None = None  # since when a killed run has held the stack's lock
    now: datetime
    ahead: timedelta = timedelta(0)  # how much further AWS's clock is than the one that all of this was recorded by
    doubtful: timedelta = SECOND  # how long from its start on what a run made may have been there before

    @property
    def unfinished(self) -> bool:
        """Whether something may be in AWS that is not in the state: the last deployment failed, or one was killed."""
        return bool(self.begun) or next((run.failed for run in self.runs if run.deployed), False)

    def without(self, names: Iterable[str]) -> "Record":
        """Return the same of a stack that does not have some resources yet."""
        gone = set(names)
        return replace(self, made={name: when for name, when in self.made.items() if name not in gone})

    def spans(self, name: str) -> list[Span]:
        """Return when runs were at work that may have made a resource and not recorded it.

        Args:
            name: its logical name. If the state has it, it was made once too often.
        """
        end = self.made.get(name, self.now)
        deployments = [run for run in self.runs if run.deployed]
        if end is None or any(run.start > end and run.changed and not run.failed for run in deployments):
            return []  # nobody knows when; or a later deployment was there to notice it
        makers = [run for run in deployments if name in self.made and run.explains(end)]
        done = max(
            (run.end for run in deployments if not run.failed and run not in makers and run.end <= end), default=None
        )
        failed = [run for run in deployments if run.failed and run.start <= end and (done is None or run.end > done)]
        spans = [Span(run.start + self.doubtful, min(run.end, end)) for run in {*failed, *makers}]
        if name in self.begun:
            # By a run that the history does not have: after the last deployment that made all there was to make. The
            # first one began before anything was recorded.
            dates = [date for date in self.made.values() if date]
            since = done + self.doubtful if done else min(dates, default=end).replace(microsecond=0)
            spans.append(Span(max(since, self.locked + self.doubtful) if self.locked else since, end))
        return spans


def record_of(export: Mapping[str, Any], runs: Sequence[Update], *, now: datetime) -> Record:
    """Return what a stack's export and its last runs say."""
    deployment: Mapping[str, Any] = export.get("deployment") or {}
    pending = cast("list[Mapping[str, Any]]", deployment.get("pending_operations") or [])
    return Record(
        runs=runs,
        made={
            logical_name(resource): datetime.fromisoformat(resource["created"]) if "created" in resource else None
            for resource in cast("list[Mapping[str, Any]]", deployment.get("resources") or [])
            if not resource.get("delete")  # one that was replaced has the name of the new one
        },
        begun=frozenset(logical_name(each["resource"]) for each in pending if each["type"] == "creating"),
        now=now,
    )


def stranger(existing: Existing, record: Record) -> str | None:
    """Return why what exists in a planned resource's place is not provably the stack's own; None: it is.

    Args:
        existing: what exists.
        record: of the stack's runs.
    """
    if existing.obstacles or existing.changes or existing.extras:
        return "it is not what the program makes"
    if existing.created is None or not _within(existing.created - record.ahead, record.spans(existing.planned.name)):
        return f"it was made at {existing.created}, when no failed or killed run of this stack was at work"
    return None


def orphans(
    strange: Sequence[AccessKey], names: Iterable[str], record: Record, *, handed_over: frozenset[str]
) -> list[AccessKey]:
    """Return the keys of the stack's user that its own runs made and did not record: nobody has their secret.

    Args:
        strange: all keys of the user that the state does not know, with their last use.
        names: the logical names of the keys that the stack has or wants.
        record: of the stack's runs.
        handed_over: ids of the keys in the stack's outputs.
    """
    spans = [spans for name in names if (spans := record.spans(name))]
    born = {key.id: key.created - record.ahead for key in strange if key.created}
    fits = all(
        key.actual == "Active"
        and key.last_used is None
        and key.id not in handed_over
        and key.id in born
        and any(_within(born[key.id], each) for each in spans)
        for key in strange
    )
    # A run leaves one for each key that it makes. One more, or one of unknown origin: then a person looks at all.
    return list(strange) if fits and len(strange) <= len(spans) else []


def _within(moment: datetime, spans: Iterable[Span]) -> bool:
    return any(span.first <= moment <= span.last for span in spans)


def clock_ahead(aws: datetime | None, before: datetime, after: datetime) -> timedelta:
    """Return by how much AWS's clock, which tells whole seconds, is ahead of this machine's.

    Args:
        aws: when AWS answered, by its clock; None: it did not say.
        before: when the call was begun, by this machine's clock.
        after: when it had ended.
    """
    if aws is None or before - SECOND <= aws <= after:
        return timedelta(0)
    return aws - before.replace(microsecond=0)
