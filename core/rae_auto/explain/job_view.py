"""The state and the records of a job: the basis of an explanation, with or without a daemon."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.explain.next_start import Guards, find_start, note_own_zone
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.expectations import Expectation
from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, SeenOccurrence, SkippedStart
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.reasons import Missed, Paused, Reason, SkippedByHand
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import Run
from rae_auto.model.schedule import Schedule
from rae_auto.registry.safe_schedule import SafeSchedule

MAX_RECENT_RECORDS = 50
"""The number of runs, and of decisions, that are read about the present state, or about one run: the newest.

Only the newest and open ones tell something, and a run that began before others and ended after them.
"""

Wait = tuple[Reason | None, str]
"""Why a run waits: the reason, if the engine gives one, and the words."""


@frozen(kw_only=True)
class JobView:
    """The state of a job and its records: runs and decisions, the newest first."""

    job: str
    definition: Job | None
    """None if the job was removed and only its records are left."""
    problem: str | None = None
    """The reason why the job can't be used; None if it can."""
    disabled_by: str | None
    """The cause that the job starts by hand only, apart from a pause; None if there is none."""
    pause: Paused | None = None
    paused_at: datetime | None = None
    """The begin of the pause; None also if it isn't known."""
    expectation: Expectation | None = None
    """The wait for the next success, if one is expected."""
    skips: Sequence[SkippedStart] = ()
    """Starts that are skipped by hand."""
    now: datetime
    zone: ZoneInfo
    """The time zone in which times are shown."""
    format_time: TimeFormat
    """Returns an instant as it is written in a sentence."""
    added_by: Requester | None = None
    """The origin of an added job."""
    next_at: datetime | None = None
    last_finished_at: datetime | None = None
    """The latest end of a run, which the job's state keeps when the record of the run is deleted."""
    runs: Sequence[Run] = ()
    decisions: Sequence[Decision] = ()
    repeated: Sequence[SeenOccurrence] = ()
    """Occurrences that were reported more than once."""
    waiting: Mapping[str, Wait] = field(factory=dict)
    """Why open runs wait, and why the state of active ones is unknown, by run id."""
    schedules: Mapping[str, Schedule] = field(factory=dict)
    unknown_starts: Mapping[str, str] = field(factory=dict)
    """Why the next instants of schedules are not known, by trigger id; those are not among `schedules`."""
    guards: Guards = field(factory=dict)
    summaries: Mapping[str, str] = field(factory=dict)
    """A few words for each trigger, by id."""
    guard_summaries: Mapping[str, str] = field(factory=dict)
    """A few words for each guard, by id."""
    cursors: Mapping[str, Cursor] = field(factory=dict)
    trigger_problems: Mapping[str, str] = field(factory=dict)
    """Why triggers don't work at present, by their ids."""
    preparation_problem: str | None = None
    """Why the job could not be prepared for its next run, as a clause; None if it was, or if no run needs that."""
    has_daemon: bool = True
    """True if a daemon looks after open runs now."""
    daemon_note: str = ""
    """Which daemon does, or that none is running, where a daemon didn't give the answer itself."""

    def time(self, instant: datetime | None) -> str:
        """Return an instant as text in the zone of the view."""
        return "-" if instant is None else self.format_time(instant)

    def find_off_by_hand(self, at: datetime) -> Paused | SkippedByHand | None:
        """Return the pause or the skip that keeps the job from starting at an instant to come."""
        if self.pause is not None and (self.pause.until is None or at < self.pause.until):
            return self.pause
        return next((SkippedByHand(skip.requested_at) for skip in self.skips if skip.at == at), None)

    def describe_blocker(self, due_at: datetime) -> str:
        """Return the guard that keeps a run due at an instant from starting, or delays it, as a clause after "but".

        An empty text if no guard that can be computed does that.
        """
        timeout = self.definition.guard_timeout if self.definition else timedelta(0)
        start = find_start(self.guards, timedelta(0) if timeout is None else timeout, due_at)
        if start.blocker is None:
            return ""
        until = "" if start.starts_at is None else f"; it waits and starts at {self.time(start.starts_at)}"
        return f"{start.blocker.text}{until}"

    def _schedule(self, trigger: str) -> Schedule | None:
        schedule = self.schedules.get(trigger)
        return schedule.inner if isinstance(schedule, SafeSchedule) else schedule

    def clock_note(self, trigger: str, instant: datetime) -> str | None:
        """Return how a change of the clock has shifted an instant of the trigger; None if it hasn't."""
        schedule = self._schedule(trigger)
        if not isinstance(schedule, ScheduleTrigger):
            return None
        try:
            return schedule.note(instant)
        except Exception:  # A failing plugin must not hide the rest of the answer.
            return None

    def zone_note(self, trigger: str, instant: datetime) -> str | None:
        """Return the time in the trigger's own zone, if its clock shows another time."""
        note = note_own_zone(self._schedule(trigger), instant, self.zone)
        return None if note is None else note.text

    def describe_repeats(self, seen: SeenOccurrence) -> str:
        """Return how often an occurrence was reported again, and when last."""
        if seen.repeats == 1:
            return f"reported once more, at {self.time(seen.repeated_at)}"
        return f"reported {format_count(seen.repeats, 'more time')}, last at {self.time(seen.repeated_at)}"


def describe_occurrence(seen: SeenOccurrence) -> str:
    """Return an occurrence in words: a request, or an event of a source."""
    return f"{'request' if seen.trigger == MANUAL else 'event'} {quote(seen.key)}"


def distance_to(decision: Decision, at: datetime) -> timedelta:
    """Return the distance of a decision from an instant: one on several occurrences covers the whole span of them."""
    return abs(nearest_instant(decision, at) - at)


def nearest_instant(decision: Decision, at: datetime) -> datetime:
    """Return the instant nearest to `at` that a decision is about: `at` itself within the span of several."""
    first, last = decision.since or decision.at, decision.at
    if isinstance(decision.reason, Missed):
        first, last = decision.reason.first, decision.reason.last
    return min(max(at, first), last)
