"""Schedules that count from the last run of their job: from its start, or from its end.

Theory
======

*Any run counts*, however it was started, once it has an attempt: by hand, by another trigger, caught up. One that is
skipped, or cancelled while it waits, does not. Retries belong to their run: its start is that of the first attempt, its
end comes after the last.

*From the start.* Each start moves the schedule: its instants are the start and multiples of the interval after it. A
run that takes longer than the interval meets the next instant, and `overlap` decides as always.

*From the end.* While a run of the job goes on nothing is due, because its end isn't known. Of runs side by side the end
of the last one counts.

*No run at all.* A new schedule counts from when it was loaded. An instant that is skipped (in a pause, by a guard,
missed) moves nothing: the next one comes an interval later, so that no chain ever breaks.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from attrs import evolve

from rae_auto.engine.state import JobEntry, RunEntry
from rae_auto.engine.time.cursors import recount
from rae_auto.engine.turn import Turn
from rae_auto.model.job_state import Cursor
from rae_auto.model.run import Run
from rae_auto.model.schedule import RunPoint


def note_start(turn: Turn, run: RunEntry) -> None:
    """Let schedules count from the first attempt of a run, or wait for its end. Saves the job's state."""
    entry = turn.state.jobs.get(run.run.job)
    if entry is not None and entry.plan.run_points and run.run.attempt == 1:
        _count_from(turn, entry, {RunPoint.START: turn.now.wall, RunPoint.END: None})
        turn.step.save(entry.state)


def note_end(turn: Turn, entry: JobEntry, run: Run) -> None:
    """Let schedules count from the end of a run. The caller saves the job's state."""
    if entry.plan.run_points and run.finished_at is not None and not _has_started_run(turn, entry):
        _count_from(turn, entry, {RunPoint.END: run.finished_at})


def match_open_runs(turn: Turn, entry: JobEntry, cursors: Mapping[str, Cursor]) -> Mapping[str, Cursor]:
    """Return cursors that wait for the end of a run if, and only if, one has started that is not over.

    The state of the job and its runs are saved together, so this concerns new schedules and repaired stores.
    """
    ends = [trigger for trigger, point in entry.plan.run_points.items() if point is RunPoint.END]
    waits = _has_started_run(turn, entry) if ends else False
    changed = {}
    for trigger in ends:
        if trigger in cursors and waits != (cursors[trigger].counts_from is None):
            changed[trigger] = recount(cursors[trigger], None if waits else turn.now.wall)
    return {**cursors, **changed} if changed else cursors


def _has_started_run(turn: Turn, entry: JobEntry) -> bool:
    return any(opened.run.attempt for opened in turn.state.open_runs(entry.job.id))


def _count_from(turn: Turn, entry: JobEntry, points: Mapping[RunPoint, datetime | None]) -> None:
    moved = {
        trigger: recount(entry.state.cursors[trigger], points[point])
        for trigger, point in entry.plan.run_points.items()
        if point in points and trigger in entry.state.cursors
    }
    entry.state = evolve(entry.state, cursors={**entry.state.cursors, **moved})
    rejoin_timetable(turn, entry, moved)


def rejoin_timetable(turn: Turn, entry: JobEntry, triggers: Iterable[str]) -> None:
    """Let schedules be due from where they count by now."""
    schedules = entry.schedules()
    for trigger in triggers:
        turn.state.timetable.leave((entry.job.id, trigger))
        if trigger in schedules:
            turn.state.timetable.join((entry.job.id, trigger), schedules[trigger], entry.state.cursors[trigger].at)
