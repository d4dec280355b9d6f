"""The explanation of what a job did: one sentence, and the facts behind it.

Each sentence is about one record: a run, a decision not to run, a repeated report, or the absence of any of them. For a
time in question the record nearest to it answers, if it is at most `MAX_DISTANCE` away.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from rae_auto.engine.time.catch_up import find_neighbours
from rae_auto.explain.check_node import CheckNode, ExplanationFact
from rae_auto.explain.check_tree import check_repeat, check_run, check_skip
from rae_auto.explain.checks import list_outlook_facts, list_paused_starts, list_run_facts, list_skip_facts
from rae_auto.explain.instant_checks import check_instant, check_now
from rae_auto.explain.job_view import JobView, describe_occurrence, distance_to, nearest_instant
from rae_auto.model.decision import Decision
from rae_auto.model.job_state import SeenOccurrence
from rae_auto.model.primitives.escaping import escape_json
from rae_auto.model.primitives.formatting import format_elapsed, quote
from rae_auto.model.primitives.local_times import RequestedTime, distance_to_nearest
from rae_auto.model.reasons import (
    CaughtUp,
    Disabled,
    Reason,
    Repeated,
    RepeatedAfterCrash,
    RetryDelayed,
    UnusableJob,
)
from rae_auto.model.run import Run, RunState
from rae_auto.model.schedule import has_instants

MAX_DISTANCE = timedelta(minutes=1)
"""The distance within which an occurrence answers for the time in question."""

CLOCK_CHANGE_SPAN = timedelta(hours=3)
"""The distance within which a change of the clock may have moved an occurrence."""


@frozen
class Explanation:
    """The answer, the facts behind it, the reason and the run, if there are any, and the tree of checks."""

    answer: str
    facts: tuple[ExplanationFact, ...]
    reason: Reason | None = None
    run: str | None = None
    checks: tuple[CheckNode, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the JSON of it, for users."""
        return {
            "answer": self.answer,
            "reason": None if self.reason is None else self.reason.code,
            "run_id": self.run,
            "facts": [{"subject": fact.subject, "text": fact.text} for fact in self.facts],
            "checks": [check.record() for check in self.checks],
        }


def explain_run(run: Run, view: JobView) -> Explanation:
    """Return why this run is in its state."""
    answer, reason = _describe_run(run, view)
    facts = (*list_run_facts(run, view), *list_outlook_facts(view))
    return Explanation(answer, facts, reason, run.id, check_run(run, view))


def explain_at(time: RequestedTime, view: JobView) -> Explanation:
    """Return the outcome of the occurrence at about the time in question."""
    at = min(time.instants, key=lambda instant: _distance_to_records(instant, view))
    explanation, instant = _explain_instant(at, view)
    remarks = [remark for remark in (time.remark, _describe_neighbour(at, instant, view)) if remark]
    facts = (*(ExplanationFact("time", remark) for remark in remarks), *explanation.facts)
    return evolve(explanation, facts=facts)


def _describe_neighbour(at: datetime, instant: datetime | None, view: JobView) -> str | None:
    """Return which occurrence the answer is about, if that isn't the one at the time in question."""
    if instant is None or abs(instant - at) < timedelta(seconds=1):
        return None
    side = "after" if instant > at else "before"
    distance = format_elapsed(abs(instant - at))
    return f"the nearest occurrence is that of {view.time(instant)}, {distance} {side} the time asked for"


def explain_now(view: JobView) -> Explanation:
    """Return why the job is in its present state, or the outcome of its latest occurrence."""
    open_runs = [run for run in view.runs if not run.state.final]
    if open_runs:
        return explain_run(open_runs[-1], view)
    run = max(view.runs, key=lambda run: (run.finished_at or run.queued_at, run.queued_at), default=None)
    if view.problem is not None:
        answer = f"{view.job} starts nothing: {view.problem}"
        return Explanation(answer, (), UnusableJob(view.problem), None, check_now(view))
    if view.definition is not None and (view.disabled_by or view.pause):
        reason = view.pause or Disabled()
        state = (
            f"{view.pause.describe_state(view.time)}; 'rae-auto resume {view.job}' resumes it"
            if view.pause
            else f"does not start by itself: {view.disabled_by}"
        )
        latest = (ExplanationFact("latest run", _describe_run(run, view)[0]),) if run else ()
        facts = (*latest, *list_paused_starts(view), *list_outlook_facts(view))
        return Explanation(f"{view.job} {state}", facts, reason, None, check_now(view))
    decision = view.decisions[0] if view.decisions else None
    repeat = max(view.repeated, key=lambda seen: seen.repeated_at or seen.at, default=None)
    decided_at = (run.finished_at or run.queued_at) if run else None
    is_skipped = decision is not None and (decided_at is None or decision.decided_at > decided_at)
    if decision is not None and is_skipped:
        decided_at = decision.decided_at
    if (
        repeat is not None
        and repeat.repeated_at is not None
        and (decided_at is None or repeat.repeated_at > decided_at)
    ):
        return _explain_repeat(repeat, view)
    if decision is not None and is_skipped:
        return _explain_skip(decision, view, decision.at)
    if run is not None:
        explanation = explain_run(run, view)
        if decision is None or decision.decided_at <= run.queued_at:
            return explanation
        meanwhile = ExplanationFact("meanwhile", _describe_skip(decision, view, decision.at))
        return evolve(explanation, facts=(*explanation.facts, meanwhile))
    answer = f"{view.job} {_describe_absence(view)}{_describe_next(view)}"
    return Explanation(answer, tuple(list_outlook_facts(view)), None, None, check_now(view))


def _describe_absence(view: JobView) -> str:
    if view.last_finished_at is None:
        return "has not run yet"
    return f"last ended at {view.time(view.last_finished_at)}, and the records of its runs have been deleted"


def _distance_to_records(at: datetime, view: JobView) -> timedelta:
    return min(
        distance_to_nearest((run.scheduled_for for run in view.runs), at),
        min((distance_to(decision, at) for decision in view.decisions), default=timedelta.max),
    )


def _explain_instant(at: datetime, view: JobView) -> tuple[Explanation, datetime | None]:
    """Return the outcome of the nearest occurrence, and its instant; None if none is near."""
    run = min(view.runs, key=lambda run: abs(run.scheduled_for - at), default=None)
    decision = min(view.decisions, key=lambda decision: distance_to(decision, at), default=None)
    repeat = min(view.repeated, key=lambda seen: _distance_to_repeat(seen, at), default=None)
    to_run = abs(run.scheduled_for - at) if run else timedelta.max
    to_decision = distance_to(decision, at) if decision else timedelta.max
    if repeat is not None and _distance_to_repeat(repeat, at) < min(to_run, to_decision, MAX_DISTANCE):
        return _explain_repeat(repeat, view), repeat.repeated_at or repeat.at
    if decision is not None and to_decision < to_run and to_decision <= MAX_DISTANCE:
        if not _is_between_starts(decision, at, view):
            instant = _find_start_of(decision, at, view)
            return _explain_skip(decision, view, instant), instant
        explanation = evolve(_explain_no_record(at, view), checks=check_instant(at, view))
        around = ExplanationFact("around", _describe_skip(decision, view, decision.at))
        return evolve(explanation, facts=(*explanation.facts, around)), None
    if run is not None and to_run <= MAX_DISTANCE:
        return explain_run(run, view), run.scheduled_for
    due = _find_due(at, view)
    return evolve(_explain_no_record(at, view), checks=check_instant(due or at, view)), due


def _find_start_of(decision: Decision, at: datetime, view: JobView) -> datetime:
    """Return the instant of a decision that an answer on this time is about: of several the nearest that is due."""
    due = _find_due_of(decision, at, view)
    return nearest_instant(decision, at) if due is None else due


def _is_between_starts(decision: Decision, at: datetime, view: JobView) -> bool:
    """Return whether the time is in the span of a decision on several instants, but near none of them."""
    schedule = view.schedules.get(decision.trigger)
    if schedule is None or nearest_instant(decision, at) != at or at == decision.at:
        return False
    # A schedule that has been changed since doesn't know the instants of the decision.
    knows_it = find_neighbours([schedule], decision.at)[0] == decision.at
    return knows_it and _find_due_of(decision, at, view) is None


def _find_due_of(decision: Decision, at: datetime, view: JobView) -> datetime | None:
    """Return the instant near this time that a decision on several is about, by its schedule; None if none is near."""
    schedule = view.schedules.get(decision.trigger)
    near = () if schedule is None else find_neighbours([schedule], at)
    covered = [due for due in near if due is not None and nearest_instant(decision, due) == due]
    nearest = min(covered, key=lambda due: abs(due - at), default=None)
    return nearest if nearest is not None and abs(nearest - at) <= MAX_DISTANCE else None


def _find_due(at: datetime, view: JobView) -> datetime | None:
    """Return the due instant that an answer on this time is about; None if none is near."""
    near = [due for due in find_neighbours(view.schedules.values(), at) if due is not None]
    nearest = min(near, key=lambda due: abs(due - at), default=None)
    return nearest if nearest is not None and abs(nearest - at) <= MAX_DISTANCE else None


def _explain_no_record(at: datetime, view: JobView) -> Explanation:
    job = view.job
    before, after = find_neighbours(view.schedules.values(), at)
    facts = tuple(list_outlook_facts(view))
    if at > view.now and view.definition is not None and view.disabled_by:
        return Explanation(f"{job} will not run at {view.time(at)}: {view.disabled_by}", facts, Disabled())
    pause = view.find_off_by_hand(at) if at > view.now and view.definition is not None else None
    if pause is not None:
        why = pause.describe(view.time)
        return Explanation(f"{job} will not run at {view.time(at)}: {why}", facts, pause)
    due = _find_due(at, view)
    if due is not None and due > view.now:
        off = view.find_off_by_hand(due)
        if off is not None:
            return Explanation(f"{job} will not run at {view.time(due)}: {off.describe(view.time)}", facts, off)
        blocker = view.describe_blocker(due)
        return Explanation(f"{job} will be due at {view.time(due)}{f', but {blocker}' if blocker else ''}", facts)
    if due is not None:
        return Explanation(f"{job} was due at {view.time(due)}, but {_explain_missing_record(due, view)}", facts)
    may_be_deleted = _may_be_deleted(at, view)
    verb, was = ("will not run", "is") if at > view.now else ("did not run", "was")
    if may_be_deleted:
        verb = "has no record of a run"
    notes = tuple(ExplanationFact("clock", note) for note in _list_clock_notes(at, (before, after), view))
    around = [f"due {when} at {view.time(due)}" for when, due in (("before", before), ("after", after)) if due]
    sources = _describe_sources(view)
    if view.trigger_problems:
        why = _describe_trigger_problems(view)
    elif around:
        why = f"it {was} not due ({', '.join(around)})"
    elif view.unknown_starts:
        why = f"it {was} not due ({'; '.join(view.unknown_starts.values())})"
    elif sources and not may_be_deleted:
        why = f"{sources} reported nothing" if at <= view.now else f"it has no schedule; it waits for {sources}"
    else:
        why = "it has no schedule"
    hedge = ", and records of that time may have been deleted" if may_be_deleted else ""
    return Explanation(f"{job} {verb} at {view.time(at)}: {why}{hedge}", (*notes, *facts))


def _may_be_deleted(at: datetime, view: JobView) -> bool:
    """Return whether records of a time may have been deleted: the job has run since then, and none is as old."""
    has_run = view.last_finished_at is not None and at <= view.last_finished_at
    return has_run and all(run.scheduled_for > at for run in view.runs)


def _list_clock_notes(at: datetime, around: Iterable[datetime | None], view: JobView) -> list[str]:
    near = [instant for instant in around if instant is not None and abs(instant - at) <= CLOCK_CHANGE_SPAN]
    notes = [view.clock_note(trigger, instant) for instant in near for trigger in view.schedules]
    return [note for note in dict.fromkeys(notes) if note is not None]


def _explain_missing_record(due: datetime, view: JobView) -> str:
    cursors = list(view.cursors.values())
    if not view.has_daemon and all(cursor.at < due for cursor in cursors):
        return "no daemon was running, nor is one running now; the next one decides by catch_up whether it still runs"
    if cursors and all(due <= cursor.since for cursor in cursors):
        # Not from when on: the cursor begins later than the job was loaded, if it has missed something since.
        return "there is no record of it: the job was first loaded, or changed, after that, or records were deleted"
    oldest = min((run.scheduled_for for run in view.runs), default=None)
    is_pruned = oldest is None or due < oldest
    return "there are no records of that time any more" if is_pruned else "there is no record of it"


def _explain_skip(decision: Decision, view: JobView, at: datetime) -> Explanation:
    answer = _describe_skip(decision, view, at)
    facts = (*list_skip_facts(decision, view), *list_outlook_facts(view))
    return Explanation(answer, facts, decision.reason, None, check_skip(decision, view))


def _describe_skip(decision: Decision, view: JobView, at: datetime) -> str:
    return f"{view.job} was skipped at {view.time(at)}: {decision.reason.describe_past(view.time)}"


def _explain_repeat(seen: SeenOccurrence, view: JobView) -> Explanation:
    outcome = f"it led to run {seen.run}" if seen.run else "it led to no run"
    answer = (
        f"{view.job} did not run again at {view.time(seen.repeated_at)}, because {describe_occurrence(seen)} "
        f"had already been handled at {view.time(seen.at)}; {outcome}"
    )
    facts = (
        ExplanationFact("trigger", seen.trigger),
        ExplanationFact("occurrence", f"for {view.time(seen.at)}, key {quote(seen.key)}"),
        ExplanationFact("repeated", view.describe_repeats(seen)),
    )
    return Explanation(
        answer, (*facts, *list_outlook_facts(view)), Repeated(seen.at), seen.run, check_repeat(seen, view)
    )


def _distance_to_repeat(seen: SeenOccurrence, at: datetime) -> timedelta:
    return abs((seen.repeated_at or seen.at) - at)


def _describe_run(run: Run, view: JobView) -> tuple[str, Reason]:
    """Return the sentence about a run, and the reason that it gives."""
    name = f"{run.job} (run {run.id})"
    if run.state.active and not (run.is_in_queue and view.has_daemon):
        since = view.time(run.attempt_started_at or run.queued_at)
        if view.has_daemon:
            taken = f"; a new daemon took it over at {view.time(run.adopted_at)}" if run.adopted_at else ""
            place = f" on node {quote(run.node)}" if run.node else ""
            silence = f"; {view.waiting[run.id][1]}" if run.id in view.waiting else ""
            return f"{name} has been {run.state}{place} since {since}{_because(run.cause)}{taken}{silence}", run.cause
        return (
            f"{name} was {run.state} when the last daemon ended, since {since}{_because(run.cause)}",
            run.cause,
        )
    if not run.state.final:
        return _describe_wait(run, view, name)
    passive = "was " if run.state in _PASSIVE_STATES else ""
    verb = f"{'was found to be ' if run.known_until != run.finished_at else passive}{run.state.text}"
    ended = f"{name} {verb} at {view.time(run.finished_at)}"
    if run.state is RunState.SUCCEEDED:
        note = view.clock_note(run.trigger, run.scheduled_for)
        cause = f"; {run.cause.text}" if isinstance(run.cause, CaughtUp) else f"; it ran because {run.cause.text}"
        returned = "" if run.value is None else f", and returned {escape_json(run.value)}"
        taken = f"; a new daemon took it over at {view.time(run.adopted_at)}" if run.adopted_at else ""
        return f"{ended}{returned}{cause}{f'; {note}' if note else ''}{taken}", run.cause
    code = f"exit code {run.exit_code}" if run.exit_code else None
    given = run.describe_reason(view.time)
    # The exit code of an attempt that was ended early is its reaction, not the reason.
    details = [code, given] if run.state is RunState.FAILED else [given, code]
    return f"{ended}: {', '.join(filter(None, details)) or run.cause.text}", run.reason or run.cause


def _because(cause: Reason) -> str:
    # The text of every other reason completes "because"; a missed run describes itself.
    return f"; {cause.text}" if isinstance(cause, CaughtUp) else f" because {cause.text}"


def _describe_wait(run: Run, view: JobView, name: str) -> tuple[str, Reason]:
    reason, why = view.waiting.get(run.id, (None, "it is next"))
    if isinstance(reason, RetryDelayed) and not isinstance(run.reason, RepeatedAfterCrash):
        return f"{name} will be retried: {why}", reason
    # That an attempt was lost says more than the delay before the next one.
    retry = run.reason if isinstance(run.reason, RepeatedAfterCrash) else None
    also = f"; {retry.text}" if retry else ""
    if retry and isinstance(reason, RetryDelayed):
        return f"{name} will be repeated: {why}{also}", retry
    until = f" for attempt {run.attempt + 1}" if run.attempts and not run.is_in_queue else ""
    waits = f"{name} has been waiting{until} since {view.time(run.waiting_since)}: {why}"
    return f"{waits}{_describe_guard_timeout(run, view)}{also}", retry or reason or run.cause


def _describe_guard_timeout(run: Run, view: JobView) -> str:
    timeout = view.definition.guard_timeout if view.definition else None
    if run.guard_wait is None or not timeout:
        return ""
    return f"; it is skipped if that lasts until {view.time(run.guard_wait.since.wall + timeout)} (guard_timeout)"


_PASSIVE_STATES = (RunState.CANCELLED, RunState.INTERRUPTED, RunState.SKIPPED, RunState.LOST)


def _describe_next(view: JobView) -> str:
    if view.trigger_problems:
        due = f"; it is next due at {view.time(view.next_at)}" if view.next_at else ""
        return f"{due}{'; ' if due else ': '}{_describe_trigger_problems(view)}"
    if view.next_at:
        return f"; it is next due at {view.time(view.next_at)}"
    if view.unknown_starts:
        return f"; {'; '.join(view.unknown_starts.values())}"
    if view.schedules and not _describe_sources(view):
        last, _ = find_neighbours(view.schedules.values(), view.now)
        if not any(map(has_instants, view.schedules.values())):
            return f": it starts by hand only; 'rae-auto trigger {view.job}' starts it"
        due = f" and was last due at {view.time(last)}" if last else ""
        return f": its schedule has no time left{due}; 'rae-auto trigger {view.job}' starts it"
    sources = _describe_sources(view)
    if sources:
        verb = "have" if sources.startswith("its triggers") else "has"
        return f": {sources} {verb} reported nothing"
    return f": it has no schedule; 'rae-auto trigger {view.job}' starts it"


def _describe_trigger_problems(view: JobView) -> str:
    return "; ".join(f"its trigger {quote(trigger)} {problem}" for trigger, problem in view.trigger_problems.items())


def _describe_sources(view: JobView) -> str:
    """Return the triggers that are not schedules, in words; empty if there are none."""
    schedules = view.schedules.keys() | view.unknown_starts.keys()
    sources = [summary for trigger, summary in view.summaries.items() if trigger not in schedules]
    return f"its trigger{'s' if len(sources) > 1 else ''} ({'; '.join(sources)})" if sources else ""
