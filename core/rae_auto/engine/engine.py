"""The engine: every scheduling decision, as a pure function of commands and events.

    handle(input, now) -> Step(changes to commit, effects to perform, decisions made)

It has no clock, does no I/O and draws no random numbers: the same inputs at the same moments give the same steps. The
daemon, the API and the simulator feed it and carry out its steps. Commands (`commands`) may be refused; events
(`events`) are facts. Each input is first handled by the module of its subject (jobs, admission, attempts, …), which
may end runs and queue new ones; after that `dispatch` fills the free slots. So one place starts attempts.

The theory of its state is in `state`. What is durable is the sum of all changes so far; a `Restored` event with it
makes an equal engine.
"""

from collections.abc import Callable, Iterator, KeysView
from datetime import datetime
from itertools import islice
from math import inf
from typing import Any

from rae_auto.engine import by_hand, jobs, lifecycle, next_starts, renaming, time_passing
from rae_auto.engine.commands import (
    AddJob,
    AddJobs,
    CancelRuns,
    ChangeOutbox,
    Command,
    Reconfigure,
    RefreshPlans,
    RemoveJob,
    RenameJob,
    SetPaused,
    SkipStart,
    Stop,
    Trigger,
)
from rae_auto.engine.effects import Save, Step
from rae_auto.engine.events import (
    AttemptDequeued,
    AttemptEnded,
    AttemptFound,
    AttemptStarted,
    DeliveryEnded,
    Event,
    GuardsRead,
    OccurrenceWithdrawn,
    Restored,
    TimePassed,
    TriggerFired,
)
from rae_auto.engine.notices import deliveries
from rae_auto.engine.plan import JobOrigin
from rae_auto.engine.runs import admission, attempts, dispatch, guards
from rae_auto.engine.runs.waiting import delay_of
from rae_auto.engine.state import Active, AskingGuards, Blocked, Delayed, EngineState, JobEntry, RunEntry
from rae_auto.engine.turn import Turn
from rae_auto.engine.undo_log import set_for_good
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.evolving.slots import maker_of
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Block, DaemonStopping, GuardsPending, HandedOver, MaxParallel

EngineInput = Command | Event

_HANDLERS: dict[type, Callable[[Turn, Any], None]] = {
    AddJob: jobs.add_job,
    AddJobs: jobs.add_jobs,
    RemoveJob: jobs.remove_job,
    RenameJob: renaming.rename_job,
    SetPaused: by_hand.set_paused,
    SkipStart: by_hand.skip_start,
    Reconfigure: jobs.reconfigure,
    RefreshPlans: jobs.refresh_plans,
    ChangeOutbox: deliveries.change_outbox,
    Trigger: admission.trigger,
    CancelRuns: lifecycle.cancel_runs,
    Stop: lifecycle.stop,
    TimePassed: time_passing.time_passed,
    TriggerFired: admission.trigger_fired,
    OccurrenceWithdrawn: admission.withdraw_occurrence,
    GuardsRead: guards.guards_read,
    AttemptStarted: attempts.attempt_started,
    AttemptDequeued: attempts.attempt_dequeued,
    AttemptEnded: attempts.attempt_ended,
    AttemptFound: attempts.attempt_found,
    DeliveryEnded: deliveries.end_delivery,
}

_make_turn = maker_of(Turn)
_CHANGES_OF_PLANS = (Reconfigure, RefreshPlans)


def _refuse(turn: Turn, input_: EngineInput) -> None:
    """Answer the sender of an input that could not be handled because of a fault."""
    turn.step.is_refused = True
    turn.step.reply(getattr(input_, "ask", None), turn.describe_fault())


class Engine:
    """Decides. One instance, one thread, one input at a time.

    An exception in a handler is a fault of the engine. It undoes the part of the turn in which it happened, is
    reported in the step, and is the answer to the request.

    With `undoes_faults=False` it is raised where it happens, and the engine is of no more use. That is for simulations,
    which end with the first fault: they need no undo log.
    """

    def __init__(self, *, undoes_faults: bool = True) -> None:
        self._state = EngineState()
        self._undoes_faults = undoes_faults

    def handle(self, input_: EngineInput, now: Moment) -> Step:
        """Handle a command or an event, and return what follows from it."""
        self._state.timers.forget_closed(self._state.runs)
        turn = _make_turn(self._state, now, Step())
        if isinstance(input_, Restored):
            return self._restore(turn, input_)
        if time_passing.may_have_jumped(self._state, now):
            turn.perform(time_passing.handle_clock_jumps)
        # A jump that could not be handled isn't handled in each later turn again.
        set_for_good(self._state, "last_moment", now)
        if type(input_) in _CHANGES_OF_PLANS:
            # What fell due before is decided by the configuration as it was.
            turn.perform(time_passing.all_time_passed)
        if not turn.perform(_HANDLERS[type(input_)], input_):
            _refuse(turn, input_)
        dispatch.dispatch(turn)
        if self._state.is_stopping:
            turn.perform(lifecycle.stop_when_idle)
        return turn.step

    def _restore(self, turn: Turn, event: Restored) -> Step:
        # There is nothing to go back to: a state that can't be taken in is an error of the start.
        self._state.undo_log.is_recording = False
        self._state.last_moment = turn.now
        lifecycle.restored(turn, event)
        self._state.undo_log.is_recording = self._undoes_faults
        dispatch.dispatch(turn)
        return turn.step

    def next_wake(self, now: Moment) -> float | None:
        """Return in how many seconds the next `TimePassed` is needed; None while nothing is pending."""
        # What falls due later was not missed because the daemon was down, so the time of that ends at once.
        state, goes_on = self._state, not self._state.is_stopping
        is_waited_for = goes_on and (state.backlog is not None or state.is_restarted)
        if is_waited_for or (now is not state.last_moment and time_passing.has_jumped(state, now)):
            return 0.0
        alarm_at = state.timers.next_at()
        wait = inf if alarm_at is None else alarm_at - now.mono
        if goes_on:
            for at in (state.timetable.next_at(), state.pause_ends.next_at()):
                if at is not None:
                    wait = min(wait, (at - now.wall).total_seconds())
        return None if wait == inf else max(wait, 0.0)

    # The rest only reads.

    def snapshot(self) -> Iterator[Save]:
        """Yield everything that is durable of the state: the documents that a `Restored` event would be made of."""
        for entry in self._state.jobs.values():
            if entry.plan.origin is JobOrigin.STORE:
                yield Save(entry.job)
            if entry.state != JobState(entry.job.id):
                yield Save(entry.state)
        yield from (Save(opened.run) for opened in self._state.runs.values())
        yield from (Save(notice) for notice in self._state.outbox)
        yield from () if self._state.downtime is None else (Save(self._state.downtime),)
        yield from (Save(seen) for of_trigger in self._state.seen.values() for seen in of_trigger.values())

    @property
    def settings_enabled(self) -> bool:
        """`enabled` of the whole configuration."""
        return self._state.settings.enabled

    @property
    def is_catching_up(self) -> bool:
        """True while due instants are left for the next `TimePassed`, which is to come at once."""
        return self._state.backlog is not None and not self._state.is_stopping

    @property
    def is_stopping(self) -> bool:
        """True after a `Stop`."""
        return self._state.is_stopping

    def job(self, job: JobId) -> JobEntry:
        """Return the job as loaded. Errors: JobNotFound, with a suggestion."""
        entry = self._state.jobs.get(job)
        if entry is None:
            raise self._state.job_not_found(job)
        return entry

    def find_job(self, job: JobId) -> Job | None:
        """Return a job, or None if there is none with this id."""
        entry = self._state.jobs.get(job)
        return None if entry is None else entry.job

    def ids_of(self, job: str) -> tuple[JobId, ...]:
        """Return the ids under which runs of a job are on record: its own, and those that it had and no other has."""
        entry = self._state.jobs.get(JobId(job))
        former = () if entry is None else entry.state.former_ids
        return (JobId(job), *(id_ for id_ in former if id_ not in self._state.jobs))

    def jobs(self) -> Iterator[JobEntry]:
        """Iterate over all jobs, in the order in which they came."""
        return iter(self._state.jobs.values())

    def job_ids(self) -> KeysView[JobId]:
        """Return the ids of all jobs, in the order in which they came, without a look at the jobs themselves."""
        return self._state.jobs.keys()

    def run(self, run: RunId) -> RunEntry | None:
        """Return an open run, or None."""
        return self._state.runs.get(run)

    def runs(self, job: JobId | None = None) -> list[RunEntry]:
        """Return the open runs, of one job or of all, the oldest first."""
        return list(self._state.runs.values() if job is None else self._state.open_runs(job))

    def notices(self) -> list[OutboxNotice]:
        """Return the notices that are not delivered yet, the oldest first."""
        return list(self._state.outbox)

    def waiting_for(self, run: RunId) -> Block | None:
        """Return why an open run waits, here or in a queue elsewhere; None if it doesn't."""
        entry = self._state.runs[run]
        if entry.is_in_queue and isinstance(entry.run.reason, HandedOver):
            return entry.run.reason
        match entry.activity:
            case Active():
                return None
            case Delayed() if entry.run.not_before is not None:
                return delay_of(entry, entry.run.not_before)
            case Blocked(by=by):
                return by
            case AskingGuards():
                return GuardsPending()
        return DaemonStopping() if self._state.is_stopping else MaxParallel(self._state.settings.max_parallel)

    def remembered(self, job: JobId) -> list[SeenOccurrence]:
        """Return the newest occurrences of the job that no schedule's cursor covers."""
        return [seen for (owner, _), known in self._state.seen.items() if owner == job for seen in known.values()]

    def machine_wake_at(self) -> datetime | None:
        """Return the next start for which the machine is to be woken from sleep; None if there is none."""
        return next_starts.find_wake_at(self._state)

    def next_at(self, job: JobId) -> datetime | None:
        """Return when the job starts next by itself, as far as that is known; None if it isn't.

        That is by its schedules, after a pause that has an end, or at the end of the delay after an event.
        """
        return next_starts.find_next_at(self._state, job)

    def next_starts(self, limit: int, after: datetime | None = None) -> list[tuple[datetime, JobId]]:
        """Return the jobs that start next by themselves, as `next_at`, or first after an instant, the earliest first.

        They are at most `limit`.
        """
        return next_starts.list_next_starts(self._state, limit, after)

    def jobs_due_until(self, instant: datetime) -> set[JobId]:
        """Return the jobs with a schedule that is due until an instant, whether or not they may start then."""
        return {job for job, _ in self._state.timetable.due_until(instant)}

    @property
    def next_instant(self) -> datetime | None:
        """The next instant of any schedule, whether or not anything may start then; None if there is none."""
        return None if self._state.is_stopping else self._state.timetable.next_at()

    def count_due(self, instant: datetime, most: int) -> int:
        """Return how many triggers are due until an instant, counted up to `most`."""
        return sum(1 for _ in islice(self._state.timetable.due_until(instant), most))

    def can_decide_ahead(self, due: Moment) -> bool:
        """Return whether what is due at the next instant, which is at `due`, may be decided now: see `time_passing`."""
        return time_passing.can_decide_ahead(self._state, due)

    def delayed_until(self, job: JobId) -> datetime | None:
        """Return the end of the delay of a run that waits after an event; None if there is no such run."""
        return next_starts.find_end_of_delay(self._state, job)
