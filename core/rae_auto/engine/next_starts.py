"""The next starts of jobs, as far as they are known: of schedules, after pauses and without skipped starts, and at the
end of a delay after an event. Only reads the state.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, JobState
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run
from rae_auto.model.schedule import Schedule


def list_next_starts(state: EngineState, limit: int, after: datetime | None = None) -> list[tuple[datetime, JobId]]:
    """Return the jobs that start next by themselves, or after an instant, at most `limit`, the earliest first.

    Of ten thousand jobs it looks at few. Jobs that start at the same instant are in the order in which they came.
    """
    if state.is_stopping or not state.settings.enabled:
        return []
    waiting = [opened.run.job for opened in state.runs.values() if opened.run.job in state.jobs]
    found = {job: at for job in waiting if (at := find_next_at(state, job, after)) is not None}
    for instant, members in state.timetable.upcoming(after):
        if len(found) >= limit and sum(at < instant for at in found.values()) >= limit:
            break
        on_time = 0
        for job, _ in members:
            at = found.get(job) or find_next_at(state, job, after)
            if at is not None:
                found[job] = at
                on_time += at <= instant
            if on_time >= limit:
                break
    order = {job: number for number, job in enumerate(state.jobs)}
    return sorted(((at, job) for job, at in found.items()), key=lambda one: (one[0], order[one[1]]))[:limit]


def find_next_at(state: EngineState, job: JobId, after: datetime | None = None) -> datetime | None:
    """Return when a job starts next by itself, or after an instant, by a schedule or after a delay; None if unknown."""
    starts = (find_scheduled_start(state, state.jobs[job], after), find_end_of_delay(state, job))
    return min((at for at in starts if at is not None and (after is None or at > after)), default=None)


def find_wake_at(state: EngineState) -> datetime | None:
    """Return the next start of a job with `wake = true`; None if there is none."""
    starts = [find_scheduled_start(state, entry) for entry in state.jobs.values() if entry.job.wake]
    return min((at for at in starts if at is not None), default=None)


def find_scheduled_start(state: EngineState, entry: JobEntry, after: datetime | None = None) -> datetime | None:
    """Return when schedules start the job next, or after an instant; None if it is disabled or nothing more starts."""
    is_off = state.is_stopping or not (entry.job.enabled and state.settings.enabled)
    return None if is_off else find_next_start(state, entry, after)


def find_end_of_delay(state: EngineState, job: JobId) -> datetime | None:
    """Return the end of the delay of a run that waits after an event; None if there is no such run."""
    if state.is_stopping or not state.settings.enabled:
        return None
    entry = state.jobs[job]
    return find_delayed_start(entry.job, entry.state, [opened.run for opened in state.open_runs(job)])


def find_next_start(state: EngineState, entry: JobEntry, after: datetime | None = None) -> datetime | None:
    """Return when schedules start the job next, or after an instant, without its pause and skipped starts."""
    if entry.state.paused and entry.state.paused_until is None:
        return None
    instants = [
        find_start_of(
            schedule,
            state.timetable.next_of((entry.job.id, trigger), after),
            entry.state,
            entry.state.cursors.get(trigger),
        )
        for trigger, schedule in entry.schedules().items()
    ]
    return min((instant for instant in instants if instant is not None), default=None)


def find_delayed_start(job: Job, state: JobState, runs: Iterable[Run]) -> datetime | None:
    """Return the end of the delay of an open run that waits after an event; None if none does, or if it may not start.

    A pause that is over by then does not keep it from starting.
    """
    ends = [run.not_before for run in runs if run.waits_after_event and run.not_before is not None]
    possible = [end for end in ends if job.enabled and state.find_pause(end) is None]
    return min(possible, default=None)


def find_start_of(
    schedule: Schedule, instant: datetime | None, state: JobState, cursor: Cursor | None
) -> datetime | None:
    """Return the first instant of a schedule, from `instant` on, at which it starts the job; `cursor` is its progress.

    It is neither in the job's pause nor skipped, and not one that was decided before the clock was set back.
    """
    if instant is not None and state.find_pause(instant) is not None:
        until = state.paused_until
        instant = None if until is None else schedule.next_after(until - timedelta(microseconds=1))
    while instant is not None:
        span = None if cursor is None else cursor.find_span(instant)
        if span is not None:
            instant = schedule.next_after(span.until)
        elif state.find_skip(instant) is not None:
            instant = schedule.next_after(instant)
        else:
            break
    return instant
