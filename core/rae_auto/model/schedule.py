"""The part of a schedule that the engine uses: the next instant, as a pure function."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class RunPoint(StrEnum):
    """A point of the job's last run from which a schedule may count."""

    START = "start"
    END = "end"


class Schedule(Protocol):
    """A schedule. Hashable; equal ones are computed once for all their jobs."""

    def __hash__(self) -> int: ...

    @property
    def jitter(self) -> timedelta:
        """The maximum delay of a start; each job and instant has a fixed share of it."""
        ...

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant (aware) strictly after `instant`, or None. Pure: no clock, no state."""
        ...


def event_of(schedule: Schedule, instant: datetime) -> Mapping[str, Any] | None:
    """Return the event of an instant of a schedule, as JSON; None if it has none, as most.

    A schedule with events has a method `event_at`. It isn't part of the protocol, which most schedules are enough for.
    """
    event_at: Callable[[datetime], Mapping[str, Any] | None] | None = getattr(schedule, "event_at", None)
    return None if event_at is None else event_at(instant)


def describe_schedule(schedule: Schedule) -> str | None:
    """Return when a schedule fires as part of a sentence; None if it doesn't say so (it need not, as for events)."""
    describe: Callable[[], str | None] | None = getattr(schedule, "describe", None)
    return None if describe is None else describe()


def has_instants(schedule: Schedule) -> bool:
    """Return whether a schedule has any instant since 1970; one for starts by hand has none."""
    return schedule.next_after(_BEGIN) is not None


def count_from(schedule: Schedule, instant: datetime) -> Schedule:
    """Return a schedule that counts from its job's last run, for a run that started, or ended, at an instant.

    Its method `count_from` isn't part of the protocol, because most schedules go by the clock and don't have it.
    """
    counted: Schedule = schedule.count_from(instant)  # type: ignore[attr-defined]
    return counted
