"""The parts that screens share: JSON, extents, actions, usual durations, starts to come."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from rae_auto.model.primitives.formatting import format_count, time_format
from rae_auto.model.primitives.zones import zone as find_zone
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run, RunState

BAD_STATES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
"""The states of runs that need a person."""


def list_bad_ends(counts: Mapping[str, int]) -> list[str]:
    """Return how many runs ended in each of the bad states, as "5 failed" and "2 lost", by the numbers of all states.

    They are never added up under one of their names, so that the numbers are those of every other list of runs.
    """
    return [f"{counts[state]:,} {state.text}" for state in BAD_STATES if counts.get(state)]


def local_times(zone: str, now: datetime) -> TimeFormat:
    """Return how screens write the instants in their sentences: by the clock of a zone, without the date of today."""
    return time_format(find_zone(zone), now, local=True)


class ScreenBase:
    """The base of all screens."""

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form of the screen: its fields by name, instants in ISO 8601, durations in seconds."""
        form: dict[str, Any] = json_form(self)
        return form


def json_form(value: Any) -> Any:
    """Return the JSON form of a value of a screen."""
    if attrs.has(type(value)):
        return {field.name: json_form(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): json_form(item) for name, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [json_form(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@frozen
class Extent:
    """The part of all there is that a list shows: everything, or the newest since some instant."""

    shown: int
    total: int
    since: datetime | None = None
    """The oldest that is shown, where something is missing; None for a list without an order in time."""

    @property
    def is_complete(self) -> bool:
        """True if nothing is missing."""
        return self.shown >= self.total

    def describe(self, noun: str, time: TimeFormat) -> str:
        """Return "showing 200 of 12,345 runs since 03:00", or "12 runs" where nothing is missing."""
        if self.is_complete:
            return format_count(self.total, noun)
        since = "" if self.since is None else f" since {time(self.since)}"
        return f"showing {self.shown:,} of {format_count(self.total, noun)}{since}"


@frozen
class Action:
    """One thing that a person can do about something, and the command that does it.

    `kind` is "run", "cancel", "resume", "retry_notices", "reload", "doctor", "wait" or "look".
    """

    kind: str
    target: str
    """The job, run or plugin that it is about; "" for the daemon."""
    label: str
    """A few words for a button: "run again"."""
    command: str
    """The command line that does it: "rae-auto trigger backup"."""


@frozen
class UpcomingStart:
    """A start to come."""

    job: str
    due_at: datetime
    starts_at: datetime | None = None
    """When it starts, as far as its guards can be computed; None if they forbid it, or it is skipped by hand."""
    note: str = ""
    """Remark on it: a change of the clock, the guard that delays or forbids it, a skip by hand."""


def expected_text(count: int, *, is_complete: bool) -> str:
    """Return a number of starts to come as "12"; as "at least 12", or "…", while more of them may be found."""
    if is_complete:
        return f"{count:,}"
    return f"at least {count:,}" if count else "…"


@frozen
class Fact:
    """One line about something: a subject and a text."""

    subject: str
    text: str


def describe_end(run: Run, time: TimeFormat) -> str:
    """Return how a run ended, as a clause: "exit code 3"."""
    code = f"exit code {run.exit_code}" if run.exit_code else ""
    last = run.attempts[-1].result if run.attempts else None
    return "; ".join(filter(None, (code, run.describe_reason(time)))) or (last.text if last else "")
