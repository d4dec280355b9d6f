"""How a job stands, and what is on record of it: what `why` goes by, whether a daemon runs or not."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, Seen
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run
from rae_auto.model.schedule import Schedule
from rae_auto.registry.safe_schedule import SafeSchedule

Wait = tuple[Reason | None, str]
"""Why a run waits, in a code where there is one, and in words."""


@frozen(kw_only=True)
class JobView:
    """How a job stands, and what is on record of it: runs and decisions, the newest first."""

    job: str
    definition: Job | None
    """None where the job was removed, and only its records are left."""
    enabled: bool
    paused: bool
    now: datetime
    zone: ZoneInfo
    """Of the clock by which times are told."""
    next_at: datetime | None = None
    runs: Sequence[Run] = ()
    decisions: Sequence[Decision] = ()
    repeated: Sequence[Seen] = ()
    """Occurrences that were told of more than once."""
    waiting: Mapping[str, Wait] = field(factory=dict)
    """Why an open run waits, by its id."""
    schedules: Mapping[str, Schedule] = field(factory=dict)
    cursors: Mapping[str, Cursor] = field(factory=dict)
    has_daemon: bool = True

    def time(self, instant: datetime | None) -> str:
        """An instant as a person reads it."""
        return "-" if instant is None else instant.astimezone(self.zone).isoformat(" ", "seconds")

    def _schedule(self, trigger: str) -> Schedule | None:
        found = self.schedules.get(trigger)
        return found.inner if isinstance(found, SafeSchedule) else found

    def note(self, trigger: str, instant: datetime) -> str | None:
        """What a clock that was set has made of an instant of the trigger, if anything."""
        schedule = self._schedule(trigger)
        if not isinstance(schedule, ScheduleTrigger):
            return None
        try:
            return schedule.note(instant)
        except Exception:  # a plugin's, and no reason to leave the rest untold
            return None

    def elsewhere(self, trigger: str, instant: datetime) -> str | None:
        """What the clock of the trigger's own zone shows, where it shows another time."""
        name = getattr(self._schedule(trigger), "timezone", None)
        if not isinstance(name, str) or name == "local":
            return None
        there, here = instant.astimezone(ZoneInfo(name)), instant.astimezone(self.zone)
        if there.utcoffset() == here.utcoffset():
            return None
        return f"{here:%H:%M} in {self.zone.key} is {there:%H:%M} on {there.date()} in {name}, the trigger's zone"


def repetition(seen: Seen) -> str:
    """What was told again, in words."""
    return f"the {'request' if seen.trigger == 'manual' else 'event'} {seen.key!r}"


def distance(decision: Decision, at: datetime) -> timedelta:
    """How far what was decided lies from an instant: one decision can give up a whole span."""
    if decision.reason is Reason.MISSED:
        first, last = (parse_instant(_text(decision.facts, name)) for name in ("from", "until"))
        return timedelta(0) if first <= at <= last else min(abs(first - at), abs(last - at))
    return abs(decision.at - at)


def _text(facts: Mapping[str, Any], name: str) -> str:
    return str(facts[name])
