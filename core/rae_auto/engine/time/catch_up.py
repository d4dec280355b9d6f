"""Catch-up: the decision on instants that nothing could start in time.

Theory
======

*One code path.* Instants are missed while the daemon is down, while the machine sleeps, when the clock is set forward
over them, and while the daemon is too busy to come round. In each case the same is seen: at a `TimePassed`, instants of
a schedule lie in the past and have no decision. So there is no special code for a start or a resume, and an instant
that is three milliseconds late goes the same way as one that is a week late.

    │ first undecided                              now │
    ├────────┬───────┬──────────┬──────────┬───────────┤
    │ older  │  (at most MAX_INSTANTS)     │   latest  │
    │ given up unseen     missed           │   due if at most MAX_LATENESS ago, else missed

- The latest instant, if it is at most `MAX_LATENESS` ago, is *due*: it is merely late. Everything before it is
  *missed*, however short ago, because a later instant of the same schedule has come.
- `catch_up` chooses among the missed ones within `catch_up_window`: "latest" takes the last, "all" takes each, "none"
  none. By default the window fits the schedule (`window_of`).
- What is chosen is started late (`CaughtUp`); the rest of one pass gets one decision together (`Missed`), so that a
  year of downtime doesn't fill the log. Every instant has a decision either way, and the cursor moves over all of them
  (`cursors`).
- What is caught up in one pass for one trigger never overlaps itself: the runs wait for each other in line
  (`admission`).
- Jobs that catch up together start at intervals (`StartSpread`), so that a resume is no stampede; needed jobs come
  first.

*Cost.* A schedule may be due every second, in a window that has closed, and the downtime a year long. The latest
instants are found from the end: a stride doubles until it holds more than `MAX_INSTANTS`, and where it holds far more,
bisection finds a later start. No look at a span computes more than `MAX_INSTANTS_AT_ONCE` instants, so neither the
length of the downtime nor the number of instants in it counts: time and memory are bounded. Many jobs that catch up
together are decided in pieces, a piece a turn (`due_instants`).

*Considered and left out.* Counting how many instants were missed in all: it would need to compute each of them. The
decision says "more" instead.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.engine.undo_log import UndoLog, revertible
from rae_auto.model.job import Job
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.schedule import Schedule

MAX_LATENESS = timedelta(seconds=60)
"""The latest instant is merely late up to this, and missed from then on."""

DEFAULT_WINDOW = timedelta(days=1)
"""The greatest age of a missed instant that still runs, unless it is the latest one of a schedule that goes on."""

MAX_LOOK_BACK = timedelta(days=400)
"""Time back to which the last instant of a schedule is searched."""

MAX_INSTANTS = 100
"""Number of missed instants that are examined: the latest ones."""

MAX_INSTANTS_AT_ONCE = 250
"""Number of instants that are computed at once to find the latest ones."""

START_INTERVAL = timedelta(milliseconds=500)
MAX_START_SPREAD = timedelta(seconds=60)
"""The time between the starts of jobs that catch up together, and the time within which the last of them starts."""


@quick_init
@frozen(weakref_slot=False)
class DueSpan:
    """The latest instants due in a span of time, ascending.

    `older` is the one before them, where there are more.
    """

    instants: tuple[datetime, ...]
    older: datetime | None = None


def find_due_instants(schedule: Schedule, first: datetime, now: datetime) -> DueSpan:
    """Return what fell due from `first` (the earliest one due) until `now`, at most `MAX_INSTANTS`."""
    stride, late = timedelta(seconds=1), now
    while True:
        early = now - stride
        if early < first:
            found = _look(schedule, first, now)
            break
        found = _look(schedule, schedule.next_after(early), now)
        if len(found.instants) > MAX_INSTANTS:
            break
        late, stride = early, stride * 2
    # From `early` on there are enough instants, if from `first` on there are, and from `late` on too few.
    while found.is_cut:
        middle = early + (late - early) / 2
        later = _look(schedule, schedule.next_after(middle), now)
        if len(later.instants) > MAX_INSTANTS:
            early, found = middle, later
        else:
            late = middle
    older = found.instants[-MAX_INSTANTS - 1] if len(found.instants) > MAX_INSTANTS else None
    return DueSpan(tuple(found.instants[-MAX_INSTANTS:]), older)


@frozen
class _Look:
    """Instants from one on, ascending; with `is_cut` there are more."""

    instants: list[datetime]
    is_cut: bool


def _look(schedule: Schedule, first: datetime | None, now: datetime) -> _Look:
    """Return the first instants from `first` until `now`, at most `MAX_INSTANTS_AT_ONCE`."""
    instants: list[datetime] = []
    instant = first
    while instant is not None and instant <= now:
        if len(instants) == MAX_INSTANTS_AT_ONCE:
            return _Look(instants, True)
        instants.append(instant)
        instant = schedule.next_after(instant)
    return _Look(instants, False)


def find_neighbours(schedules: Iterable[Schedule], at: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the last instant up to `at`, and the first one after it, at which any of the schedules is due."""
    before, after = [], []
    for schedule in schedules:
        following = schedule.next_after(at)
        after += [] if following is None else [following]
        last = _find_last_instant(schedule, at)
        before += [] if last is None else [last]
    return max(before, default=None), min(after, default=None)


def _find_last_instant(schedule: Schedule, at: datetime) -> datetime | None:
    """Return the last instant up to `at`, at most `MAX_LOOK_BACK` before it.

    As in `find_due_instants` a stride doubles, until it reaches back over an instant; then the span in which the last
    one must be is halved.
    """

    def first_after(instant: datetime) -> datetime | None:
        found = schedule.next_after(instant)
        return found if found is not None and found <= at else None

    stride, none_after = timedelta(seconds=1), at
    while (found := first_after(at - stride)) is None:
        if stride == MAX_LOOK_BACK:
            return None
        stride, none_after = min(stride * 2, MAX_LOOK_BACK), at - stride
    while (following := first_after(found)) is not None:
        middle = following + (none_after - following) / 2
        later = first_after(middle)
        if later is None:
            found, none_after = following, middle
        else:
            found = later
    return found


def window_of(job: Job, *, is_recurring: bool) -> timedelta:
    """Return the greatest age of the latest missed instant that still runs.

    By default it is `DEFAULT_WINDOW`, or with `is_recurring` the distance to the next instant where that is longer. As
    that one has not come, the latest one is then in the window whatever its age.
    """
    if job.catch_up is CatchUp.NONE:
        return MAX_LATENESS
    if job.catch_up_window is not None:
        return max(MAX_LATENESS, job.catch_up_window)
    return timedelta.max if is_recurring else DEFAULT_WINDOW


def select_instants(job: Job, due: DueSpan, now: datetime, *, is_recurring: bool = True) -> frozenset[datetime]:
    """Return the instants that the job's policy lets run; `is_recurring`: later ones follow."""
    latest = [at for at in due.instants[-1:] if now - at <= window_of(job, is_recurring=is_recurring)]
    if job.catch_up is not CatchUp.ALL:
        return frozenset(latest)
    window = window_of(job, is_recurring=False)
    return frozenset([*(at for at in due.instants if now - at <= window), *latest])


@quick_init
@revertible
class StartSpread:
    """Delays that keep jobs that catch up together from starting all at once; the first has none."""

    undo_log: UndoLog
    jobs: int
    count: int = 0
    """Number of runs that have their delay."""

    def next_delay(self) -> timedelta:
        """Return the delay of the next run."""
        interval = min(START_INTERVAL, MAX_START_SPREAD / self.jobs)
        self.count += 1
        return min(interval * (self.count - 1), MAX_START_SPREAD)
