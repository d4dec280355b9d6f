"""Why a job ran, didn't run, or waits: one line that answers, then the facts behind it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.engine.time.catch_up import due_around
from rae_auto.engine.words import cause_in_words, in_words, reason_in_words
from rae_auto.explain.checks import Fact, of_run, of_skip, outlook, words
from rae_auto.explain.job_view import JobView, distance, repetition
from rae_auto.explain.wall_times import Asked, nearest
from rae_auto.model.decision import Decision
from rae_auto.model.job_state import Seen
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run, RunState
from rae_auto.registry.trigger_text import schedule_text

NEAR = timedelta(minutes=1)
"""How far from what was asked an occurrence may lie to be meant."""

SAME_NIGHT = timedelta(hours=3)
"""How far from what was asked a clock that was set may have moved an occurrence."""


@frozen
class Why:
    """The answer, the facts behind it, and the code of the reason and the run, where there is one."""

    answer: str
    facts: tuple[Fact, ...]
    reason: str | None = None
    run: str | None = None


def why_run(run: Run, standing: JobView) -> Why:
    """Why this run is as it is."""
    answer, reason = _answer(run, standing)
    return Why(answer, (*of_run(run, standing), *outlook(standing)), reason, run.id)


def why_at(asked: Asked, standing: JobView) -> Why:
    """What became of the occurrence at about the time that was asked for."""
    at = min(asked.instants, key=lambda instant: _how_near(instant, standing))
    found = _why_at(at, standing)
    remarks = (Fact("time", asked.remark),) if asked.remark else ()
    return Why(found.answer, (*remarks, *found.facts), found.reason, found.run)


def _how_near(at: datetime, standing: JobView) -> timedelta:
    return min(
        nearest((run.scheduled_for for run in standing.runs), at),
        min((distance(decision, at) for decision in standing.decisions), default=timedelta.max),
    )


def _why_at(at: datetime, standing: JobView) -> Why:
    run = min(standing.runs, key=lambda run: abs(run.scheduled_for - at), default=None)
    decision = min(standing.decisions, key=lambda decision: distance(decision, at), default=None)
    again = min(standing.repeated, key=lambda seen: _told_again(seen, at), default=None)
    to_run = abs(run.scheduled_for - at) if run else timedelta.max
    to_decision = distance(decision, at) if decision else timedelta.max
    if again is not None and _told_again(again, at) < min(to_run, to_decision, NEAR):
        return _repeated(again, standing)
    if decision is not None and to_decision < to_run and to_decision <= NEAR:
        return _skipped(decision, standing, at)
    if run is not None and to_run <= NEAR:
        return why_run(run, standing)
    return _nothing_at(at, standing)


def _nothing_at(at: datetime, standing: JobView) -> Why:
    before, after = due_around(standing.schedules.values(), at)
    facts = tuple(outlook(standing))
    if before is not None and abs(before - at) <= NEAR:
        when, because = standing.time(before), _unrecorded(before, standing)
        verb = "is" if before > standing.now else "was"
        return Why(f"{standing.job} {verb} due at {when}, {because}", facts)
    if after is not None and after - at <= NEAR and after > standing.now:
        return Why(f"{standing.job} is due at {standing.time(after)}, which is still to come", facts)
    parts = [f"before that {standing.time(before)}"] if before else []
    parts += [f"after that {standing.time(after)}"] if after else []
    watched = _watched(standing)
    around = (
        f" (due {', '.join(parts)})" if parts else f", and nothing was told by {watched}" if watched else _NO_SCHEDULE
    )
    clocks = tuple(Fact("clock", note) for note in _notes_near(at, (before, after), standing))
    verb, was = ("does", "is") if at > standing.now else ("did", "was")
    return Why(f"{standing.job} {verb} not run at {standing.time(at)}: it {was} not due{around}", (*clocks, *facts))


def _notes_near(at: datetime, around: Iterable[datetime | None], standing: JobView) -> list[str]:
    near = [instant for instant in around if instant is not None and abs(instant - at) <= SAME_NIGHT]
    notes = [standing.note(trigger, instant) for instant in near for trigger in standing.schedules]
    return [note for note in dict.fromkeys(notes) if note is not None]


def _unrecorded(due: datetime, standing: JobView) -> str:
    """Why nothing is on record of an instant of the schedule."""
    if due > standing.now:
        return "which is still to come"
    cursors = list(standing.cursors.values())
    if not standing.has_daemon and all(cursor.at < due for cursor in cursors):
        return "but no daemon was running, and none is now: the next one makes up for it, or says why not (catch_up)"
    if cursors and all(due <= cursor.since for cursor in cursors):
        since = standing.time(min(cursor.since for cursor in cursors))
        return f"but its schedule counts since {since} only: it was added or changed then, or the record is gone"
    known = min((run.scheduled_for for run in standing.runs), default=None)
    return "but nothing is on record of that time any more" if known is None or due < known else "but it has no record"


def why_now(standing: JobView) -> Why:
    """Why the job does what it does at present, or what became of its latest occurrence."""
    opened = [run for run in standing.runs if not run.state.final]
    if opened:
        return why_run(opened[-1], standing)
    run = standing.runs[0] if standing.runs else None
    decision = standing.decisions[0] if standing.decisions else None
    again = max(standing.repeated, key=lambda seen: seen.repeated_at or seen.at, default=None)
    if standing.definition is not None and (not standing.enabled or standing.paused):
        reason = Reason.PAUSED if standing.paused else Reason.DISABLED
        how = "is paused; 'rae-auto resume' lets it go on" if standing.paused else "is disabled (enabled = false)"
        latest = tuple(of_run(run, standing)) if run else ()
        return Why(f"{standing.job} {how}", (*latest, *outlook(standing)), reason)
    last = max([run.queued_at] if run else [], default=None)
    skipped = decision is not None and (last is None or decision.decided_at > last)
    if decision is not None and skipped:
        last = decision.decided_at
    if again is not None and again.repeated_at is not None and (last is None or again.repeated_at > last):
        return _repeated(again, standing)
    if decision is not None and skipped:
        return _skipped(decision, standing, decision.at)
    if run is not None:
        return why_run(run, standing)
    return Why(f"{standing.job} has not run yet{_next(standing)}", tuple(outlook(standing)))


def _skipped(decision: Decision, standing: JobView, at: datetime) -> Why:
    answer = f"{standing.job} did not run at {standing.time(at)}: {in_words(decision)}"
    return Why(answer, (*of_skip(decision, standing), *outlook(standing)), decision.reason)


def _repeated(seen: Seen, standing: JobView) -> Why:
    led = f"led to run {seen.run}" if seen.run else "led to no run"
    answer = (
        f"{standing.job} did not run again at {standing.time(seen.repeated_at)}: {repetition(seen)} "
        f"had been decided at {standing.time(seen.at)}, and {led}"
    )
    facts = (
        Fact("trigger", seen.trigger),
        Fact("occurrence", f"for {standing.time(seen.at)}, key {seen.key!r}"),
        Fact("repeated", f"told {seen.repeats} more times, at last {standing.time(seen.repeated_at)}"),
    )
    return Why(answer, (*facts, *outlook(standing)), Reason.REPEATED, seen.run)


def _told_again(seen: Seen, at: datetime) -> timedelta:
    return abs((seen.repeated_at or seen.at) - at)


def _answer(run: Run, standing: JobView) -> tuple[str, str]:
    """The line, and the code of the reason that it gives."""
    name = f"{run.job} (run {run.id})"
    if run.state.active:
        begun = run.attempt_started_at or run.queued_at
        verb = "is" if standing.has_daemon else "was, when the last daemon ended,"
        return f"{name} {verb} {run.state} since {standing.time(begun)}: {cause_in_words(run.cause)}", run.cause
    if not run.state.final:
        reason, why = standing.waiting.get(run.id, (None, "for its turn"))
        # That a run is tried again since its attempt was lost says more than the delay before it.
        again = run.reason if run.reason == Reason.RECOVERED else None
        also = f", since {reason_in_words(again)}" if again else ""
        return f"{name} waits since {standing.time(run.queued_at)}: {why}{also}", again or reason or run.cause
    ended = f"{name} {'was ' if run.state in _PASSIVE else ''}{words(run.state)} at {standing.time(run.finished_at)}"
    if run.state is RunState.SUCCEEDED:
        note = standing.note(run.trigger, run.scheduled_for)
        return f"{ended}; it ran since {cause_in_words(run.cause)}{f'; {note}' if note else ''}", run.cause
    code = f"exit code {run.exit_code}" if run.exit_code else None
    given = reason_in_words(run.reason) if run.reason else None
    known = run.reason.partition(":")[0] if run.reason else ""
    return (
        f"{ended}: {', '.join(filter(None, [code, given])) or cause_in_words(run.cause)}",
        known if known in list(Reason) else run.cause,
    )


_PASSIVE = (RunState.CANCELLED, RunState.INTERRUPTED, RunState.SKIPPED, RunState.LOST)


def _next(standing: JobView) -> str:
    if standing.next_at:
        return f"; it is due next at {standing.time(standing.next_at)}"
    watched = _watched(standing)
    return f": nothing has been told by {watched}" if watched else f"{_NO_SCHEDULE}: 'rae-auto trigger' starts it"


_NO_SCHEDULE = ", and has no schedule"


def _watched(standing: JobView) -> str:
    """The triggers that are no schedules, since they watch the world."""
    refs = standing.definition.schedule if standing.definition else ()
    found = [schedule_text(ref) for ref in refs if ref.id not in standing.schedules]
    return f"its trigger{'s' if found[1:] else ''} ({'; '.join(found)})" if found else ""


def as_json(why: Why) -> dict[str, Any]:
    """As the control command answers."""
    return {
        "answer": why.answer,
        "reason": None if why.reason is None else str(why.reason),
        "run_id": why.run,
        "facts": [{"of": fact.of, "says": fact.text} for fact in why.facts],
    }
