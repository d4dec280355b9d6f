"""Renaming an added job.

Everything that the engine knows of the job by its id gets the new one, in one turn and therefore in one commit:
definition, pause, skipped starts, cursors, last result, expectation, remembered occurrences, and runs that wait for
their first attempt. Finished runs stay on record under the old id, which the job's state keeps in `former_ids`. A run
with an attempt prevents it, because its executor and its output go by the old id.
"""

from collections.abc import Iterable
from typing import TypeVar

from attrs import evolve

from rae_auto.engine.commands import RenameJob
from rae_auto.engine.effects import JobChanged
from rae_auto.engine.jobs import find_use, set_cursors
from rae_auto.engine.plan import JobOrigin
from rae_auto.engine.runs import expectations
from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.engine.turn import Turn
from rae_auto.engine.undo_log import RevertibleDict
from rae_auto.errors import DuplicateJob, JobInUse, SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId

V = TypeVar("V")

MAX_FORMER_IDS = 20
"""Number of ids, the latest ones, under which earlier runs of a job are found."""


def rename_job(turn: Turn, command: RenameJob) -> None:
    """Give an added job another id, under which all goes on as it stands."""
    state, old, new = turn.state, command.job, command.plan.job.id
    entry = state.jobs.get(old)
    refusal = state.job_not_found(old) if entry is None else _find_renaming_refusal(state, entry, new)
    if entry is None or refusal is not None:
        assert refusal is not None
        turn.step.reply(command.ask, refusal)
        return
    former = tuple(dict.fromkeys(id_ for id_ in (*entry.state.former_ids, old) if id_ != new))
    renamed = JobEntry(command.plan, evolve(entry.state, job=new, former_ids=former[-MAX_FORMER_IDS:]), state.undo_log)
    turn.step.discard(entry.job)
    turn.step.discard(entry.state)
    turn.step.save(renamed.job)
    turn.step.save(renamed.state)
    del state.jobs[old]
    state.jobs[new] = renamed
    _move_schedules(turn, entry, renamed)
    _move_occurrences(turn, old, new)
    _move_waiting_runs(turn, old, new)
    state.pause_ends.set(old, None)
    state.pause_ends.set(new, renamed.state.paused_until)
    state.overdue_alarms.pop(old)
    expectations.restore_expectation(turn, renamed)
    turn.step.request(JobChanged(old, "removed"))
    turn.step.request(JobChanged(new, "added"))
    turn.step.reply(command.ask, {"job": new})


def _find_renaming_refusal(state: EngineState, entry: JobEntry, new: JobId) -> SchedulerError | None:
    job = entry.job.id
    if entry.plan.origin is JobOrigin.CONFIG:
        return JobInUse(f"job {quote(job)} is defined in the configuration; rename it there")
    if new in state.jobs:
        where = " by a job of the configuration" if state.jobs[new].plan.origin is JobOrigin.CONFIG else ""
        return DuplicateJob(f"the name {quote(new)} is taken{where}; choose another one for {quote(job)}")
    started = next((found.run.id for found in state.open_runs(job) if found.run.attempt), None)
    if started is not None:
        return JobInUse(f"job {quote(job)} has the open run {started}; wait for its end, or cancel it first")
    return find_use(state, entry)


def _move_schedules(turn: Turn, entry: JobEntry, renamed: JobEntry) -> None:
    state, old, new = turn.state, entry.job.id, renamed.job.id
    for trigger in entry.plan.schedules:
        state.timetable.leave((old, trigger))
    set_cursors(turn, renamed)
    for trigger, schedule in renamed.schedules().items():
        state.timetable.join((new, trigger), schedule, renamed.state.cursors[trigger].at)
    if old in state.undecidable:
        state.undecidable[new] = state.undecidable.pop(old)
    if state.backlog is not None:
        jobs = tuple((new if job == old else job, lateness) for job, lateness in state.backlog.jobs)
        state.backlog = evolve(state.backlog, jobs=jobs)


def _move_occurrences(turn: Turn, old: JobId, new: JobId) -> None:
    state = turn.state
    for owner, trigger in _of_job(old, state.seen):
        for seen in state.seen.pop((owner, trigger)).values():
            turn.step.discard(seen)
            moved = evolve(seen, job=new)
            state.remember(moved)
            turn.step.save(moved)
    _move_keys(state.ended_at, old, new)
    _move_keys(state.feedback_chains, old, new)
    for owner, trigger, key in [known for known in state.feedback_times if known[0] == old]:
        state.feedback_times[new, trigger, key] = state.feedback_times.pop((owner, trigger, key))


def _move_keys(found: RevertibleDict[tuple[JobId, str], V], old: JobId, new: JobId) -> None:
    for owner, trigger in _of_job(old, found):
        found[new, trigger] = found.pop((owner, trigger))


def _of_job(job: JobId, keys: Iterable[tuple[JobId, str]]) -> list[tuple[JobId, str]]:
    return [key for key in keys if key[0] == job]


def _move_waiting_runs(turn: Turn, old: JobId, new: JobId) -> None:
    state = turn.state
    for run_entry in state.open_runs(old):
        run_entry.run = evolve(run_entry.run, job=new)
        run_entry.job = evolve(run_entry.job, id=new)
        turn.step.save(run_entry.run)
    for mapping in (state.runs_of, state.blocked):
        if old in mapping:
            mapping[new] = mapping.pop(old)
