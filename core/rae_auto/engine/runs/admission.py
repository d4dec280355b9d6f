"""An occurrence comes in: run or skip, and why. One decision each, for ever."""

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from rae_auto.engine.effects import Step
from rae_auto.engine.events import TriggerFired
from rae_auto.engine.jobs import job_not_found
from rae_auto.engine.runs import dependencies, guards, loop_detection
from rae_auto.engine.runs.progress import end, wait
from rae_auto.engine.runs.retry import share
from rae_auto.engine.state import SEEN_LIMIT, EngineState, JobEntry, RunEntry
from rae_auto.engine.words import in_words
from rae_auto.errors import NotStarted, SchedulerClosed
from rae_auto.model.decision import MANUAL, Decision, Occurrence, Outcome, run_id_of
from rae_auto.model.job import Job
from rae_auto.model.job_state import Seen
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run, RunState


@frozen
class AdmissionResult:
    """What the policies make of an occurrence, and the facts they went by."""

    outcome: Outcome
    reason: Reason
    facts: Mapping[str, Any]


def fired(world: EngineState, event: TriggerFired, now: Moment, step: Step) -> None:
    """Something other than a schedule gives a reason to run: decided once, however often it is told."""
    occurrence, ask = event.occurrence, event.ask
    entry = world.jobs.get(occurrence.job)
    if entry is None:
        step.reply(ask, job_not_found(world, occurrence.job))
        return
    if world.stopping:
        step.reply(ask, SchedulerClosed("the scheduler is stopping and starts nothing more"))
        return
    seen = world.seen.get((occurrence.job, occurrence.trigger), {}).get(occurrence.key)
    if seen is None:
        cause = Reason.ASKED if occurrence.trigger == MANUAL else Reason.FIRED
        decision = admit(world, entry, occurrence, cause, now, step, feedback_key=event.feedback_key)
        seen = remember(world, occurrence, decision, step)
        refusal = f"{occurrence.job} was not started: {in_words(decision)}", decision.reason
    else:
        seen = _told_again(world, seen, now, step)
        refusal = (
            f"{occurrence.job} was not started: this was decided before, at {seen.at.isoformat()}",
            Reason.RATE if seen.refused else Reason.REPEATED,
        )
    step.reply(ask, {"run_id": seen.run} if seen.run else NotStarted(*refusal))


def _told_again(world: EngineState, seen: Seen, now: Moment, step: Step) -> Seen:
    again = evolve(seen, repeats=seen.repeats + 1, repeated_at=now.wall)
    world.seen[seen.job, seen.trigger][seen.key] = again
    step.save(again)
    return again


def admit(
    world: EngineState,
    entry: JobEntry,
    occurrence: Occurrence,
    cause: Reason,
    now: Moment,
    step: Step,
    *,
    not_before: datetime | None = None,
    batch: Set[RunId] = frozenset(),
    because: str | None = None,
    feedback_key: str | None = None,
) -> Decision:
    """Decide an occurrence and carry the decision out: a queued run, or a skip on record.

    Runs in `batch` are caught up together with it, one after the other: of these none overlaps another. `reason`
    says why it was missed, if it was; `feedback_key` what may be the job's own doing.
    """
    not_before = _not_before(world, occurrence, not_before, now.wall)
    verdict = _judge(world, entry, occurrence, cause, batch, not_before or now.wall)
    if verdict.outcome is Outcome.RUN and (often := loop_detection.too_often(world, occurrence, feedback_key, now)):
        facts = {"times": often.times, "within": format_duration(often.within)}
        verdict = AdmissionResult(Outcome.SKIP, Reason.RATE, facts)
    run = None
    if verdict.outcome is Outcome.RUN:
        if entry.job.overlap is Overlap.REPLACE:
            for other in world.open_runs(entry.job.id):
                end(world, other, RunState.CANCELLED, Reason.REPLACED, now, step)
        facts = {**verdict.facts, **({"because": because} if because else {})}
        run = _enqueue(world, entry, occurrence, cause, facts, not_before, now, step)
    return decide(occurrence, verdict, now, step, run)


def decide(
    occurrence: Occurrence, verdict: AdmissionResult, now: Moment, step: Step, run: Run | None = None
) -> Decision:
    """Put the decision on record. A decision to run is recorded by the run itself."""
    decision = Decision(
        occurrence.job,
        occurrence.trigger,
        occurrence.key,
        occurrence.at,
        verdict.outcome,
        verdict.reason,
        now.wall,
        None if run is None else run.id,
        verdict.facts,
    )
    step.decisions.append(decision)
    if run is None:
        step.record(decision)
    return decision


def _judge(
    world: EngineState, entry: JobEntry, occurrence: Occurrence, cause: Reason, batch: Set[RunId], starts: datetime
) -> AdmissionResult:
    job = entry.job
    if occurrence.trigger != MANUAL:
        if not (world.settings.enabled and job.enabled):
            return AdmissionResult(Outcome.SKIP, Reason.DISABLED, {})
        if entry.state.paused:
            return AdmissionResult(Outcome.SKIP, Reason.PAUSED, {})
    overlapping = _overlap(world, entry, batch)
    if overlapping:
        return overlapping
    waiting = _waiting(world, job)
    if waiting >= world.settings.max_queue:
        return AdmissionResult(Outcome.SKIP, Reason.QUEUE_LIMIT, {"waiting": waiting})
    unmet = None if dependencies.unfinished(world, job) else dependencies.unmet(world, job)
    if unmet:
        return AdmissionResult(Outcome.SKIP, unmet[0], {"need": unmet[1]})
    kept_back = guards.refusal(entry, occurrence.trigger, starts)
    if kept_back:
        name, result = kept_back
        return AdmissionResult(
            Outcome.SKIP, Reason.GUARD, {"guard": name, "says": str(result.verdict), "because": result.reason}
        )
    return AdmissionResult(Outcome.RUN, cause, _unusual(world, job))


def _unusual(world: EngineState, job: Job) -> Mapping[str, Any]:
    """What the policies go by, where it isn't what most jobs have, so that a history of many runs stays small."""
    others = len(world.runs_of.get(job.id, ()))
    facts = {
        "overlap": None if job.overlap is Overlap.SKIP else str(job.overlap),
        "others": others,
        "needs": list(job.needs),
        "resources": dict(job.resources),
    }
    return {name: value for name, value in facts.items() if value}


def _waiting(world: EngineState, job: Job) -> int:
    """How many runs would wait beside another one of the job."""
    waiting = len(world.runs) - world.active
    if job.overlap is not Overlap.REPLACE:
        return waiting
    return waiting - sum(not other.run.state.active for other in world.open_runs(job.id))


def _overlap(world: EngineState, entry: JobEntry, batch: Set[RunId]) -> AdmissionResult | None:
    others = [other for other in world.open_runs(entry.job.id) if other.run.id not in batch]
    if not others:
        return None
    oldest = others[0].run
    facts = {"run": oldest.id, "state": str(oldest.state), "since": oldest.queued_at.isoformat()}
    match entry.job.overlap:
        case Overlap.SKIP:
            return AdmissionResult(Outcome.SKIP, Reason.OVERLAP, facts)
        case Overlap.QUEUE if any(other.run.state is RunState.QUEUED for other in others):
            return AdmissionResult(Outcome.SKIP, Reason.QUEUE_FULL, facts)
        case Overlap.ALLOW if len(others) >= entry.job.overlap_max:
            return AdmissionResult(Outcome.SKIP, Reason.CEILING, {**facts, "ceiling": entry.job.overlap_max})
    return None


def _enqueue(
    world: EngineState,
    entry: JobEntry,
    occurrence: Occurrence,
    cause: Reason,
    facts: Mapping[str, Any],
    not_before: datetime | None,
    now: Moment,
    step: Step,
) -> Run:
    run = Run(
        id=run_id_of(occurrence, now),
        job=occurrence.job,
        trigger=occurrence.trigger,
        key=occurrence.key,
        scheduled_for=occurrence.at,
        queued_at=now.wall,
        cause=cause,
        event=occurrence.event,
        facts=facts,
        not_before=not_before,
    )
    opened = RunEntry(run, entry.job)
    world.open(opened)
    wait(world, opened, now)
    step.save(run)
    return run


def _not_before(
    world: EngineState, occurrence: Occurrence, earliest: datetime | None, now: datetime
) -> datetime | None:
    schedule = world.timetable.schedule_of((occurrence.job, occurrence.trigger))
    later = occurrence.at
    if schedule is not None and schedule.jitter:
        later += schedule.jitter * share(*occurrence.identity)
    later = max(later, earliest or later)
    return later if later > now else None


def remember(world: EngineState, occurrence: Occurrence, decision: Decision, step: Step) -> Seen:
    """Keep the identity of an occurrence that no schedule's cursor covers."""
    refused = decision.reason is Reason.RATE
    seen = Seen(occurrence.job, occurrence.trigger, occurrence.key, occurrence.at, decision.run, refused=refused)
    known = world.seen.setdefault((occurrence.job, occurrence.trigger), {})
    known[occurrence.key] = seen
    step.save(seen)
    if len(known) > SEEN_LIMIT:
        step.discard(known.pop(next(iter(known))))
    return seen
