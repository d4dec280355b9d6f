"""The engine: every scheduling decision, as a pure function of events.

    handle(event, now) -> Step(changes to commit, effects to perform, decisions made)

It has no clock, does no I/O and rolls no dice: the same events at the same moments give the same steps. The daemon,
the API and the simulator feed it and carry out what it says. Each event is first dealt with by the module of its
subject (jobs, admission, attempts, …), each of which may end runs and queue new ones; after each, `dispatch` fills
the free places. So there is one place that starts anything.

What is durable is the sum of all changes so far; a `Restored` event with it makes an equal engine.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from rae_auto.engine import jobs, lifecycle, time_passing
from rae_auto.engine.effects import Step
from rae_auto.engine.events import (
    AddJob,
    AttemptEnded,
    AttemptFound,
    AttemptStarted,
    CancelRuns,
    Event,
    GuardsRead,
    Reconfigure,
    RemoveJob,
    Restored,
    SetPaused,
    Stop,
    TimePassed,
    TriggerFired,
)
from rae_auto.engine.runs import admission, attempts, dispatch, guards
from rae_auto.engine.state import EngineState, JobEntry, RunEntry
from rae_auto.model.job_state import Seen
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Reason

_HANDLERS: dict[type, Callable[[EngineState, Any, Moment, Step], None]] = {
    Restored: lifecycle.restored,
    Reconfigure: jobs.configured,
    AddJob: jobs.added,
    RemoveJob: jobs.removed,
    SetPaused: jobs.paused,
    TimePassed: time_passing.ticked,
    TriggerFired: admission.fired,
    GuardsRead: guards.read,
    CancelRuns: lifecycle.cancel_asked,
    AttemptStarted: attempts.started,
    AttemptEnded: attempts.ended,
    AttemptFound: attempts.found,
    Stop: lifecycle.stopping,
}


class Engine:
    """Decides. One instance, one thread, one event at a time."""

    def __init__(self) -> None:
        self._world = EngineState()

    def handle(self, event: Event, now: Moment) -> Step:
        """Take in a fact and say what follows from it."""
        step = Step()
        time_passing.notice_jumps(self._world, now, step)
        if isinstance(event, Reconfigure):
            # What fell due before is decided by the configuration as it was.
            time_passing.ticked(self._world, TimePassed(), now, step)
        _HANDLERS[type(event)](self._world, event, now, step)
        dispatch.start_what_may(self._world, now, step)
        lifecycle.stop_when_idle(self._world, step)
        return step

    def next_wake(self, now: Moment) -> float | None:
        """In how many seconds a `TimePassed` event is wanted; None while nothing is to come."""
        if time_passing.jumped_since(self._world, now):
            return 0.0
        alarm, due = self._world.timers.next(), None
        if not self._world.stopping:
            due = self._world.timetable.next()
        waits = [
            *([] if alarm is None else [alarm - now.mono]),
            *([] if due is None else [(due - now.wall).total_seconds()]),
        ]
        return max(min(waits), 0.0) if waits else None

    # What follows only looks.

    @property
    def settings_enabled(self) -> bool:
        return self._world.settings.enabled

    @property
    def stopping(self) -> bool:
        return self._world.stopping

    def job(self, job: JobId) -> JobEntry:
        """The job as loaded; JobNotFound with a suggestion."""
        entry = self._world.jobs.get(job)
        if entry is None:
            raise jobs.job_not_found(self._world, job)
        return entry

    def jobs(self) -> Iterator[JobEntry]:
        """All jobs, in the order in which they came."""
        return iter(self._world.jobs.values())

    def run(self, run: RunId) -> RunEntry | None:
        """An open run."""
        return self._world.runs.get(run)

    def runs(self, job: JobId | None = None) -> list[RunEntry]:
        """Open runs, of one job or of all, the oldest first."""
        return list(self._world.runs.values()) if job is None else self._world.open_runs(job)

    def waiting_for(self, run: RunId, now: Moment) -> tuple[Reason, str] | None:
        """Why an open run isn't in an executor's hands, in a code and in words; None if it is."""
        opened = self._world.runs[run]
        if opened.run.state.active:
            return None
        if opened.delayed and opened.run.not_before is not None:
            return Reason.DELAYED, f"not before {opened.run.not_before.isoformat(timespec='seconds')}"
        if opened.held_by is not None:
            return opened.held_by
        if self._world.stopping:
            return Reason.STOPPING, "the scheduler is stopping"
        return Reason.PARALLEL, f"all {self._world.settings.max_parallel} places are taken (max_parallel)"

    def remembered(self, job: JobId) -> list[Seen]:
        """The newest of what told of the job beside its schedules."""
        return [seen for (owner, _), known in self._world.seen.items() if owner == job for seen in known.values()]

    def next_at(self, job: JobId) -> datetime | None:
        """When the job's schedules are due next."""
        triggers = self._world.jobs[job].plan.schedules
        instants = [self._world.timetable.next_of((job, trigger)) for trigger in triggers]
        return min((instant for instant in instants if instant is not None), default=None)
