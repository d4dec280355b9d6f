"""Admission: one decision for each occurrence, to run or to skip it, for ever."""

from collections.abc import Set
from datetime import datetime, timedelta

from attrs import evolve, frozen

from rae_auto.engine.commands import Trigger
from rae_auto.engine.events import OccurrenceWithdrawn, TriggerFired
from rae_auto.engine.notices.reports import report_skip
from rae_auto.engine.runs import dependencies, guards, loop_detection
from rae_auto.engine.runs.ending import stop_run
from rae_auto.engine.runs.retry import hash_fraction
from rae_auto.engine.runs.waiting import wait
from rae_auto.engine.state import Delayed, EngineState, JobEntry, RunEntry
from rae_auto.engine.turn import Turn
from rae_auto.errors import NotStarted, SchedulerClosed, SchedulerError
from rae_auto.model.decision import MANUAL, Decision, Occurrence, Outcome, run_id_of
from rae_auto.model.job import Job
from rae_auto.model.job_state import SeenOccurrence
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.evolving.slots import maker_of, quick_init
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import (
    Cause,
    Disabled,
    FeedbackLoop,
    Fired,
    Manual,
    MaxOverlap,
    Overlapping,
    QueueFull,
    QueueLimit,
    Repeated,
    Replaced,
    Skip,
    UnusableJob,
    Withdrawn,
)
from rae_auto.model.reasons.base import TimeFormat, time_text
from rae_auto.model.run import Run, RunState, StartConditions
from rae_auto.model.run_inputs import NO_INPUTS, RunInputs


@quick_init
@frozen(kw_only=True, weakref_slot=False)
class Candidate:
    """An occurrence to decide, and the cause of its run if it is admitted.

    `not_before` delays the run, and `jitter` is the most by which its instant is moved. Runs in `batch` are caught up
    together with it, one after the other: of these none overlaps another. `feedback_key` names what may be the job's
    own effect.
    """

    occurrence: Occurrence
    cause: Cause
    inputs: RunInputs = NO_INPUTS
    not_before: datetime | None = None
    jitter: timedelta | None = None
    batch: Set[RunId] = frozenset()
    feedback_key: str | None = None


_make_run, _make_entry, _make_decision = maker_of(Run), maker_of(RunEntry), maker_of(Decision)


def trigger(turn: Turn, command: Trigger) -> None:
    """Start a run by hand; a request that is repeated is decided once and gets the same answer."""
    occurrence = command.occurrence
    cause = Manual(command.forced, command.by)
    candidate = Candidate(occurrence=occurrence, cause=cause, inputs=command.inputs)
    answer = _decide_once(turn, candidate, can_repeat=command.can_repeat)
    if isinstance(answer, SchedulerError):
        turn.step.reply(command.ask, answer)
    elif isinstance(answer, str):
        turn.step.reply(command.ask, {"run_id": answer})
    else:

        def describe(time: TimeFormat) -> str:
            return f'job "{occurrence.job}" was not started: {answer.describe(time)}'

        turn.step.reply(command.ask, NotStarted(describe(time_text), answer.code, describe))


def trigger_fired(turn: Turn, event: TriggerFired) -> None:
    """Decide an occurrence that a source reports, once however often it is reported."""
    occurrence = event.occurrence
    job_entry = turn.state.jobs.get(occurrence.job)
    delay = None if job_entry is None else job_entry.plan.delays.get(occurrence.trigger)
    not_before = None if delay is None else occurrence.at + delay
    candidate = Candidate(occurrence=occurrence, cause=Fired(), not_before=not_before, feedback_key=event.feedback_key)
    answer = _decide_once(turn, candidate)
    if isinstance(answer, SchedulerError):
        turn.step.reply(event.ask, answer)
    else:
        turn.step.reply(event.ask, {"run_id": answer} if isinstance(answer, str) else {"reason": answer})


def withdraw_occurrence(turn: Turn, event: OccurrenceWithdrawn) -> None:
    """Cancel the run of an occurrence whose delay after its event is not over; any other goes its way."""
    known = turn.state.seen.get((event.job, event.trigger))
    seen = None if known is None else known.get(event.key)
    entry = turn.state.runs.get(seen.run) if seen is not None and seen.run is not None else None
    is_delayed = entry is not None and isinstance(entry.activity, Delayed) and entry.run.waits_after_event
    if entry is not None and is_delayed:
        stop_run(turn, entry, RunState.CANCELLED, Withdrawn(event.by))
    turn.step.reply(event.ask, {"withdrawn": is_delayed})


def _decide_once(
    turn: Turn, candidate: Candidate, *, can_repeat: bool = True
) -> RunId | Cause | Skip | Repeated | SchedulerError:
    """Return the run that the occurrence led to, now or before, the reason why there is none, or an error."""
    state, occurrence = turn.state, candidate.occurrence
    job_entry = state.jobs.get(occurrence.job)
    if job_entry is None:
        return state.job_not_found(occurrence.job)
    if state.is_stopping:
        return SchedulerClosed("nothing more starts, because a stop was requested")
    known = state.seen.get((occurrence.job, occurrence.trigger))
    seen = None if known is None else known.get(occurrence.key)
    if seen is not None:
        _count_repeat(turn, seen)
        return seen.run or seen.refused or Repeated(seen.at)
    guards.end_expired_waits(turn, occurrence.job)
    decision = admit(turn, job_entry, candidate)
    if can_repeat:
        remember(turn, occurrence, decision)
    return decision.run or decision.reason


def _count_repeat(turn: Turn, seen: SeenOccurrence) -> None:
    repeated = evolve(seen, repeats=seen.repeats + 1, repeated_at=turn.now.wall)
    turn.state.seen[seen.job, seen.trigger][seen.key] = repeated
    turn.step.save(repeated)


def admit(turn: Turn, job_entry: JobEntry, candidate: Candidate) -> Decision:
    """Decide an occurrence and carry the decision out: a waiting run, or a skip on record."""
    refusal = find_refusal(turn, job_entry, candidate)
    if refusal is not None:
        return decide(turn, candidate.occurrence, refusal)
    return open_run(turn, job_entry, candidate)


def find_refusal(turn: Turn, job_entry: JobEntry, candidate: Candidate) -> Skip | None:
    """Return why an occurrence leads to no run; None if it leads to one."""
    skip: Skip | None = _find_skip(turn, job_entry, candidate)
    return skip or loop_detection.find_feedback_loop(turn, candidate.occurrence, candidate.feedback_key)


def open_run(turn: Turn, job_entry: JobEntry, candidate: Candidate) -> Decision:
    """Open the run of an occurrence that nothing refuses."""
    occurrence, job = candidate.occurrence, job_entry.plan.job
    conditions, not_before = _conditions(turn.state, job), _not_before(turn, candidate)
    if job.overlap is Overlap.REPLACE:
        for other in turn.state.open_runs(job.id):
            if other.run.id not in candidate.batch:
                stop_run(turn, other, RunState.CANCELLED, Replaced())
    run = _make_run(
        id=run_id_of(occurrence, turn.now),
        job=occurrence.job,
        trigger=occurrence.trigger,
        key=occurrence.key,
        scheduled_for=occurrence.at,
        queued_at=turn.now.wall,
        cause=candidate.cause,
        event=occurrence.event,
        inputs=candidate.inputs,
        conditions=conditions,
        not_before=not_before,
        clocks=None if not_before is None else turn.now,
    )
    entry = _make_entry(run, job, turn.state.undo_log, turn.now.mono)
    turn.state.open(entry)
    wait(turn, entry)
    turn.step.save(run)
    return decide(turn, occurrence, candidate.cause, run)


def decide(
    turn: Turn,
    occurrence: Occurrence,
    reason: Cause | Skip,
    run: Run | None = None,
    *,
    since: datetime | None = None,
    count: int = 1,
) -> Decision:
    """Put a decision into the step, and a skip on record. A decision to run is recorded by the run itself.

    With `count` it is one decision on that many instants, from `since` to that of the occurrence.
    """
    decision = _make_decision(
        occurrence.job,
        occurrence.trigger,
        occurrence.key,
        occurrence.at,
        Outcome.SKIP if run is None else Outcome.RUN,
        reason,
        turn.now.wall,
        None if run is None else run.id,
        since,
        count,
    )
    turn.step.decisions.append(decision)
    if run is None:
        turn.step.record(decision)
        report_skip(turn, decision)
    return decision


def _find_skip(turn: Turn, entry: JobEntry, candidate: Candidate) -> Skip | None:
    """Return the first policy's reason to skip an occurrence."""
    state, plan, trigger = turn.state, entry.plan, candidate.occurrence.trigger
    job = plan.job
    if plan.problem is not None:
        return UnusableJob(plan.problem)
    # An event comes once, so it waits for a job that may not run now; a schedule comes round again.
    is_event = isinstance(candidate.cause, Fired)
    if trigger != MANUAL and not is_event:
        if not (state.settings.enabled and job.enabled):
            return Disabled()
        if entry.state.paused or entry.state.skips:
            off_by_hand = entry.state.find_off_by_hand(candidate.occurrence.at)
            if off_by_hand is not None:
                return off_by_hand
    overlap = _find_overlap(state, entry, candidate.batch)
    if overlap is not None:
        return overlap
    waiting = len(state.runs) - state.active
    if waiting and job.overlap is Overlap.REPLACE:
        waiting -= _count_replaced(state, job, candidate.batch)
    if waiting >= state.settings.max_queue:
        return QueueLimit(waiting)
    heeds_needs = job.needs and not is_event and not dependencies.is_forced(candidate.cause)
    if heeds_needs and dependencies.find_running_need(state, job) is None:
        need = dependencies.find_unmet_need(state, job)
        if need is not None:
            return need
    starts_at = (_not_before(turn, candidate) if plan.guards else None) or turn.now.wall
    return guards.find_certain_block(entry, trigger, candidate.cause, starts_at)


_USUAL_CONDITIONS = StartConditions()


def _conditions(state: EngineState, job: Job) -> StartConditions:
    if job.overlap is Overlap.SKIP and not (job.needs or job.resources or job.id in state.runs_of):
        return _USUAL_CONDITIONS
    return StartConditions(
        overlap=job.overlap,
        other_runs=len(state.runs_of.get(job.id, ())),
        needs=job.needs,
        resources=job.resources,
    )


def _count_replaced(state: EngineState, job: Job, batch: Set[RunId]) -> int:
    """Count the waiting runs of a job that would make way for another one."""
    return sum(not other.is_active for other in state.open_runs(job.id) if other.run.id not in batch)


def _find_overlap(state: EngineState, entry: JobEntry, batch: Set[RunId]) -> Skip | None:
    job = entry.plan.job
    opened = state.runs_of.get(job.id)
    others = [other for other in opened if other.run.id not in batch] if opened else ()
    if not others:
        return None
    oldest = others[0].run
    match job.overlap:
        case Overlap.SKIP:
            return Overlapping(oldest.id, oldest.queued_at)
        case Overlap.QUEUE if any(other.run.state is RunState.QUEUED for other in others):
            return QueueFull(oldest.id)
        case Overlap.ALLOW if len(others) >= job.overlap_max:
            return MaxOverlap(job.overlap_max)
    return None


def _not_before(turn: Turn, candidate: Candidate) -> datetime | None:
    """Return when the run may start at the earliest, by its instant, jitter and catch-up; None if that is now."""
    occurrence, earliest, now = candidate.occurrence, candidate.not_before, turn.now.wall
    starts_at = occurrence.at
    if candidate.jitter:
        starts_at += candidate.jitter * hash_fraction(*occurrence.identity)
    if earliest is not None and earliest > starts_at:
        starts_at = earliest
    return starts_at if starts_at > now else None


def remember(turn: Turn, occurrence: Occurrence, decision: Decision) -> None:
    """Remember the identity of an occurrence that no schedule's cursor covers."""
    refused = decision.reason if isinstance(decision.reason, FeedbackLoop) else None
    seen = SeenOccurrence(
        occurrence.job, occurrence.trigger, occurrence.key, occurrence.at, decision.run, refused=refused
    )
    turn.step.save(seen)
    forgotten = turn.state.remember(seen)
    if forgotten is not None:
        turn.step.discard(forgotten)
