"""Wraps a schedule for the engine, which gets a valid instant or None even if the plugin misbehaves."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from rae_auto.api.plugin import Kind
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.model.primitives.formatting import describe_raise, with_place
from rae_auto.model.schedule import RunPoint
from rae_auto.records.events import check_event
from rae_auto.registry.containment import are_equal, ask, hash_of, is_foreign, repr_of, show_plugin
from rae_auto.registry.quarantine import Quarantine
from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_limit, call_within_seconds

P = ParamSpec("P")
T = TypeVar("T")

_KEPT_ANSWERS = 2

HUNG_LIMIT_SECONDS = 2
"""The time limit of a schedule whose plugin has hung: else ten such jobs would hold up all for a minute and more."""

MIN_STEP = timedelta(milliseconds=100)
"""The minimum time between two starts of a schedule."""


class SafeSchedule:
    """Asks a schedule, and checks its answers. After an invalid one it has ended, until a reload makes a new wrapper.

    Two are equal where their schedules are; one that has ended equals only itself, so that a reload replaces it.
    """

    __slots__ = ("_answers", "_ended", "_hash", "_quarantine", "inner")

    def __init__(self, inner: ScheduleTrigger, quarantine: Quarantine) -> None:
        self.inner = inner
        self._quarantine = quarantine
        self._ended = False
        # The engine asks about each start and the one before it several times. An answer depends on nothing else.
        self._answers: dict[datetime, datetime | None] = {}
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, SafeSchedule) or self._ended or other._ended:
            return False
        return are_equal(self.inner, other.inner)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash_of(self.inner)
        return self._hash

    def __repr__(self) -> str:
        # Cursors are kept by a digest of this: it must not show that there is a wrapper.
        return repr_of(self.inner)

    @property
    def has_ended(self) -> bool:
        """True once it has broken its contract, so that it starts nothing more."""
        return self._ended

    @property
    def place(self) -> str:
        """The place of use under which the quarantine knows this schedule."""
        return show_plugin(self.inner)

    @property
    def jitter(self) -> timedelta:
        return self.inner.jitter

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the schedule's next instant; None if it has ended or broken its contract."""
        if self._ended:
            return None
        if instant in self._answers:
            return self._answers[instant]
        found, problem = ask_schedule(self.inner, instant, self._call)
        # Other instants, such as the present, may be arbitrarily near to a start.
        is_start = instant in self._answers.values()
        if is_start and problem is None and found is not None and found - instant < MIN_STEP:
            found = self._slow_down(instant)
        if problem is None:
            if len(self._answers) == _KEPT_ANSWERS:
                # The earliest: by age it would be the one that is asked for next, each second time.
                del self._answers[min(self._answers)]
            self._answers[instant] = found
            return found
        self._end(problem)
        return None

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the schedule. One whose plugin has hung gets less time, because all jobs wait meanwhile.

        Raises TookTooLong.
        """
        use = Kind.TRIGGER, self.inner.type
        try:
            if self._quarantine.has_hung(*use):
                return call_within_seconds(HUNG_LIMIT_SECONDS, function, *args, **kwargs)
            return call_within_limit(function, *args, **kwargs)
        except TookTooLong:
            self._quarantine.note_hang(*use)
            raise

    def _end(self, problem: str) -> None:
        """Start no more jobs, and report why."""
        self._ended = True
        text = f"{problem}; this schedule starts no more jobs"
        self._quarantine.failed(Kind.TRIGGER, self.inner.type, self.place, text, for_good=True)

    def _slow_down(self, instant: datetime) -> datetime | None:
        """Return the earliest instant that may follow, which delays a flood of starts."""
        what = f"it fires within {MIN_STEP / timedelta(milliseconds=1):g} ms of the start before, and is slowed down"
        text = with_place(f"{what} to that", self.inner.next_after)
        self._quarantine.note(Kind.TRIGGER, self.inner.type, self.place, f"{text}; return later instants")
        later, problem = ask_schedule(self.inner, instant + MIN_STEP - timedelta(microseconds=1), self._call)
        return later if problem is None else instant + MIN_STEP

    def run_point(self) -> RunPoint | None:
        """Return the point of the job's last run from which it counts; None if it doesn't, or fails to say so."""
        try:
            return self._call(self.inner.run_point)
        except BaseException as error:
            if is_foreign(error):
                raise
            self._end(f"run_point raised {describe_raise(error)}")
            return None

    def count_from(self, instant: datetime) -> "SafeSchedule":
        """Return the schedule after a run that started, or ended, at an instant; one that has ended if that fails."""
        counted = SafeSchedule(self.inner, self._quarantine)
        try:
            counted.inner = self._call(self.inner.count_from, instant)
        except BaseException as error:
            if is_foreign(error):
                raise
            counted._end(f"count_from raised {describe_raise(error)}")
        return counted

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        """Return the event of one of the schedule's instants; None if it fails, or returns what can't be stored."""
        if type(self.inner).event_at is ScheduleTrigger.event_at:
            return None
        try:
            return check_event(self._call(self.inner.event_at, instant))
        except BaseException as error:
            if is_foreign(error):
                raise
            text = f"event_at raised {describe_raise(error)}"
            self._quarantine.failed(Kind.TRIGGER, self.inner.type, self.place, text)
            return None

    def describe(self) -> str | None:
        """Return when the schedule fires as part of a sentence; None if it fails, as nothing depends on it."""
        return ask(lambda: " ".join(self.inner.describe().split()), None)

    def note(self, instant: datetime) -> str | None:
        """Return the schedule's remark on one of its instants; None if it fails, as nothing depends on it."""
        return ask(self.inner.note, None, instant)


def ask_schedule(
    schedule: ScheduleTrigger, instant: datetime, call: Callable[..., Any] = call_within_limit
) -> tuple[datetime | None, str | None]:
    """Return the schedule's next instant and None, or None and how it breaks its contract; `call` limits the time."""
    try:
        found = call(schedule.next_after, instant)
        problem = find_instant_problem(found, instant)
    except TookTooLong as error:
        return None, f"next_after failed: {error}"
    except BaseException as error:
        if is_foreign(error):
            raise
        return None, f"next_after raised {describe_raise(error)}"
    return (found, None) if problem is None else (None, with_place(problem, schedule.next_after))


def find_instant_problem(found: object, instant: datetime) -> str | None:
    """Return how a return value of `next_after` breaks its contract, None if it doesn't."""
    if found is None:
        return None
    if not isinstance(found, datetime):
        return f"next_after returned {found!r:.60}, which is not a datetime"
    if found.utcoffset() is None:
        return f"next_after returned {found.isoformat()}, which has no time zone"
    if found <= instant:
        return f"next_after returned {found.isoformat()}, which isn't after {instant.isoformat()}"
    return None
