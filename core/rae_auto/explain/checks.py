"""The facts behind an explanation: trigger, occurrence, the result of each policy, wait, start, end."""

import json
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile

from rae_auto.engine.runs.expectations import describe_overrun
from rae_auto.explain.check_node import ExplanationFact
from rae_auto.explain.job_view import MAX_RECENT_RECORDS, JobView, describe_occurrence
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.expectations import describe_overdue
from rae_auto.model.primitives.formatting import format_bytes, format_count, format_elapsed, quote
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons import (
    Block,
    CaughtUp,
    Disabled,
    FeedbackLoop,
    GuardBlocked,
    Manual,
    MaxOverlap,
    Missed,
    NeedFailed,
    NeedNeverRan,
    Overlapping,
    Paused,
    QueueFull,
    QueueLimit,
    RetryDelayed,
    SkippedByHand,
    StartDelayed,
)
from rae_auto.model.run import NO_WAIT, Attempt, Run, RunState
from rae_auto.model.run_inputs import RunInputs

_ORDER = (
    ((Disabled,), "enabled", "yes"),
    ((Paused,), "paused", "no"),
    ((Overlapping, QueueFull, MaxOverlap), "overlap", "no other run was open"),
    ((QueueLimit,), "queue", "has room"),
    ((NeedFailed, NeedNeverRan), "needs", "met"),
    ((GuardBlocked,), "guards", "passed"),
    ((FeedbackLoop,), "feedback loop", "none detected"),
)
"""The policies in the order in which the engine checks them: their reasons, their names, and the text if passed."""


_ALL_SLOTS = "all slots were in use (max_parallel)"

_MAX_EVENT_CHARACTERS = 300
"""The part of an event that is shown."""

_BY_HAND = "not checked, because the run was started by hand"
_FORCED = "not checked, because the run was started with --force"


def list_run_facts(run: Run, view: JobView) -> Iterator[ExplanationFact]:
    """Yield all that is known of a run."""
    yield from _occurrence(run.trigger, run.key, run.scheduled_for, view)
    if run.event:
        yield ExplanationFact("event", _truncate(json.dumps(run.event, ensure_ascii=False)))
    if run.inputs:
        yield ExplanationFact("given", _describe_inputs(run.inputs))
    yield ExplanationFact("decided", f"run at {view.time(run.queued_at)}: {run.cause.text} ({run.cause.code})")
    if isinstance(run.cause, CaughtUp):
        yield ExplanationFact("missed", run.cause.cause.text)
    yield from _policies_of(run, view)
    if run.trigger == MANUAL and view.definition and view.definition.guards:
        yield ExplanationFact("guards", _BY_HAND)
    yield from _wait(run, view)
    if run.started_at is not None:
        wait = wait_before_start(run, run.started_at)
        waited = "without waiting" if wait is None else f"after {format_elapsed(wait)} of waiting"
        yield ExplanationFact("started", f"at {view.time(run.started_at)}, {waited}")
    overrun = None if view.definition is None else describe_overrun(view.definition.expect, run)
    if overrun is not None and run.overran_at is not None:
        limit = f'expect.max_runtime = "{format_duration(overrun.max_runtime)}"'
        yield ExplanationFact("too long", f"for longer than expected, since {view.time(run.overran_at)} ({limit})")
    if run.adopted_at is not None:
        yield ExplanationFact("taken over", f"by a new daemon at {view.time(run.adopted_at)}")
    yield from _attempts(run, view)
    if run.finished_at is not None:
        # Of all other ends the answer has the reason.
        has_reason = run.reason is not None and run.state is RunState.SUCCEEDED
        why = f": {run.describe_reason(view.time)}" if has_reason else ""
        yield ExplanationFact("ended", f"{run.state.text} at {view.time(run.finished_at)}{why}")
    for seen in view.repeated:
        if seen.run == run.id:
            yield ExplanationFact(
                "repeated", f"{describe_occurrence(seen)}: {view.describe_repeats(seen)}; it ran once"
            )


def _describe_inputs(inputs: RunInputs) -> str:
    """Return the variables and arguments of one run; of variables the names, because values may be secret."""
    parts = [
        *([f"variables {', '.join(inputs.env)}"] if inputs.env else []),
        *([f"arguments {shlex.join(inputs.args)}"] if inputs.args else []),
    ]
    return _truncate("; ".join(parts))


def list_skip_facts(decision: Decision, view: JobView) -> Iterator[ExplanationFact]:
    """Yield all that is known of a decision not to run."""
    yield from _occurrence(decision.trigger, decision.key, decision.at, view)
    yield ExplanationFact("decided", f"skip at {view.time(decision.decided_at)} ({decision.reason.code})")
    if isinstance(decision.reason, Missed):
        more = "more than " if decision.reason.has_older else ""
        count = format_count(decision.reason.count, "occurrence")
        yield ExplanationFact("catch_up", f"{decision.reason.describe_past(view.time)}: {more}{count} skipped")
        return
    if decision.since is not None:
        count = format_count(decision.count, "occurrence")
        yield ExplanationFact("together", f"one decision on {count} since {view.time(decision.since)}")
    if isinstance(decision.reason, SkippedByHand):
        yield ExplanationFact("skip", decision.reason.describe_past(view.time))
        return
    for reasons, policy, passed in _ORDER:
        if isinstance(decision.reason, reasons):
            yield ExplanationFact(policy, decision.reason.describe_past(view.time))
            return
        if decision.trigger == MANUAL and policy in ("enabled", "paused"):
            yield ExplanationFact(policy, _BY_HAND)
        else:
            yield ExplanationFact(policy, passed)


def list_paused_starts(view: JobView) -> Iterator[ExplanationFact]:
    """Yield since when a pause goes on, how many starts it has cost by now, and which was the first of them."""
    if view.pause is None:
        return
    if view.paused_at is not None:
        yield ExplanationFact("paused", f"since {view.time(view.paused_at)}")
    found = list(_find_paused_starts(view))
    if found:
        starts = format_count(sum(one.count for one in found), "start")
        least = "at least " if len(view.decisions) >= MAX_RECENT_RECORDS and found[-1] is view.decisions[-1] else ""
        first = f", the first at {view.time(found[-1].at)}"
        yield ExplanationFact("skipped", f"{least}{starts} because of the pause{first}")


def _find_paused_starts(view: JobView) -> Iterator[Decision]:
    """Yield the decisions of the pause that goes on, the newest first, as far as they were read."""
    if view.paused_at is not None:
        # What was missed meanwhile, while no daemon ran, is not what the pause has cost.
        begin = view.paused_at
        yield from (one for one in view.decisions if isinstance(one.reason, Paused) and one.decided_at >= begin)
        return
    last_start = max((run.queued_at for run in view.runs if not isinstance(run.cause, Manual)), default=None)
    for one in takewhile(lambda one: isinstance(one.reason, Paused), view.decisions):
        if last_start is None or one.decided_at > last_start:
            yield one


def list_outlook_facts(view: JobView) -> Iterator[ExplanationFact]:
    """Yield what comes next, and what keeps it from coming."""
    for trigger, problem in view.trigger_problems.items():
        yield ExplanationFact(f"trigger {trigger}", problem)
    if view.preparation_problem is not None:
        yield ExplanationFact("preparation", f"it {view.preparation_problem}")
    if view.next_at is not None:
        blocker = view.describe_blocker(view.next_at)
        yield ExplanationFact("next", f"due at {view.time(view.next_at)}{f', but {blocker}' if blocker else ''}")
    for why in view.unknown_starts.values():
        yield ExplanationFact("next", why)
    yield from _expectation(view)
    for skip in view.skips:
        yield ExplanationFact("skip", f"the start at {view.time(skip.at)} is to be skipped (rae-auto skip)")
    if view.added_by is not None:
        yield ExplanationFact("added by", f"{view.added_by.describe()}, at {view.time(view.added_by.at)}")
    if view.daemon_note:
        yield ExplanationFact("daemon", view.daemon_note)


def _expectation(view: JobView) -> Iterator[ExplanationFact]:
    """Yield by when a success is expected, that it is overdue, or why none is."""
    if view.definition is None or view.definition.expect.every is None:
        return
    policy, expectation = view.definition.expect, view.expectation
    expected_by = None if expectation is None else expectation.expected_by(policy)
    if (overdue := describe_overdue(policy, expectation)) is not None:
        yield ExplanationFact("overdue", overdue.describe(view.time))
    elif expected_by is not None:
        yield ExplanationFact("expected", f"to succeed by {view.time(expected_by)} (expect)")
    elif view.pause is not None or view.disabled_by is not None:
        yield ExplanationFact("expected", f"nothing, while the job is {'paused' if view.pause else 'disabled'}")


def _occurrence(trigger: str, key: str, at: datetime, view: JobView) -> Iterator[ExplanationFact]:
    summary = view.summaries.get(trigger, trigger)
    yield ExplanationFact("trigger", f"{trigger} ({summary})" if summary != trigger else trigger)
    is_schedule = trigger in view.schedules or trigger in view.unknown_starts
    key_text = "" if is_schedule or trigger == MANUAL else f", key {quote(key)}"
    yield ExplanationFact("occurrence", f"for {view.time(at)}{key_text}")
    for remark in (view.clock_note(trigger, at), view.zone_note(trigger, at)):
        if remark is not None:
            yield ExplanationFact("clock", remark)


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_EVENT_CHARACTERS else f"{text[:_MAX_EVENT_CHARACTERS]}…"


def _policies_of(run: Run, view: JobView) -> Iterator[ExplanationFact]:
    if run.trigger == MANUAL:
        yield ExplanationFact("enabled", _BY_HAND)
    else:
        yield ExplanationFact("enabled", "yes, and not paused")
    conditions = run.conditions
    others = conditions.other_runs
    verb = "was" if others == 1 else "were"
    open_runs = f"{format_count(others, 'other run')} {verb} open" if others else "no other run was open"
    yield ExplanationFact("overlap", f'{open_runs} (overlap = "{conditions.overlap}")')
    if conditions.needs:
        is_forced = isinstance(run.cause, Manual) and run.cause.forced
        yield ExplanationFact("needs", _FORCED if is_forced else _describe_needs(run, conditions.needs, view))
    for name, result in conditions.guards.items():
        summary = view.guard_summaries.get(name, name)
        words = "" if summary == name else f" ({summary})"
        yield ExplanationFact(f"guard {name}", f"{result.verdict}: {result.reason}{words}")
    if conditions.resources:
        yield ExplanationFact("resources", ", ".join(conditions.resources))


def _describe_needs(run: Run, needs: Sequence[str], view: JobView) -> str:
    names = ", ".join(needs)
    if run.started_at is not None:
        return f"when this run started, {names} had succeeded the last time {'it' if len(needs) == 1 else 'they'} ran"
    return f"{names}: {run.describe_reason(view.time)}" if run.state is RunState.SKIPPED and run.reason else names


def _attempts(run: Run, view: JobView) -> Iterator[ExplanationFact]:
    """Yield each attempt, and the waits between them."""
    previous = None
    for attempt in run.attempts:
        if previous is not None:
            yield ExplanationFact("waited", _describe_wait_between(previous, attempt.started_at, run, view))
        yield ExplanationFact(f"attempt {attempt.number}", _attempt(run, attempt, view))
        previous = attempt
    if previous is not None and run.state.active and run.attempt_started_at is not None:
        yield ExplanationFact("waited", _describe_wait_between(previous, run.attempt_started_at, run, view))
    if run.attempts and _is_waiting(run):
        yield ExplanationFact("waiting", view.waiting.get(run.id, (None, "it is next"))[1])


def _describe_wait_between(previous: Attempt, started_at: datetime, run: Run, view: JobView) -> str:
    delayed_until = previous.delay_until(started_at)
    delay, rest = max(delayed_until - previous.finished_at, timedelta(0)), started_at - delayed_until
    text = f"{format_elapsed(delay)} before attempt {previous.number + 1} (retry)"
    if rest <= timedelta(0):
        return text
    reasons = [_wait_text(one, run, view) for one in run.waited_for if not isinstance(one, RetryDelayed)]
    return f"{text}, then {format_elapsed(rest)}: {'; '.join(reasons) or _ALL_SLOTS}"


def wait_before_start(run: Run, started_at: datetime) -> timedelta | None:
    """Return how long a run waited before its first attempt; None if it waited for nothing."""
    wait = started_at - run.queued_at
    return wait if wait >= NO_WAIT or _first_waits(run) else None


def _first_waits(run: Run) -> list[Block]:
    """Return what the run waited for before its first attempt.

    The record has each code once, in whichever wait it was first. Where the first attempt started at once and a later
    one did not when its delay was over, it is of that one.
    """
    if run.started_at is None:
        return list(run.waited_for)
    waits_later = any(one.delay_until(then.started_at) < then.started_at for one, then in pairwise(run.attempts))
    if waits_later and run.started_at - run.queued_at < NO_WAIT:
        return []
    return [one for one in run.waited_for if not isinstance(one, RetryDelayed)]


def _is_waiting(run: Run) -> bool:
    return run.is_waiting


def _wait(run: Run, view: JobView) -> Iterator[ExplanationFact]:
    """Yield why the run waited for its first attempt."""
    reasons = [_wait_text(reason, run, view) for reason in _first_waits(run)]
    if _is_waiting(run) and not run.attempts:
        reasons.append(view.waiting.get(run.id, (None, "it is next"))[1])
    if run.started_at is not None and run.started_at - run.queued_at >= NO_WAIT and not reasons:
        reasons = [_ALL_SLOTS]
    if reasons:
        yield ExplanationFact("waited", "; ".join(dict.fromkeys(reasons)))


def _wait_text(reason: Block, run: Run, view: JobView) -> str:
    if isinstance(reason, StartDelayed) and run.started_at is not None:
        return f"until {view.time(reason.until)} ({reason.cause})"
    current = run.guard_wait.by if isinstance(reason, GuardBlocked) and run.guard_wait else reason
    return current.describe(view.time) if _is_waiting(run) and not run.attempts else current.describe_past(view.time)


def _attempt(run: Run, attempt: Attempt, view: JobView) -> str:
    took = run.duration_of(attempt)
    if took is None:
        return "; ".join(filter(None, (attempt.state.text, attempt.describe_unknown_end(view.time))))
    line = f"{attempt.state.text} after {format_elapsed(took)}"
    if attempt.result is None:
        return line
    used = []
    if attempt.result.cpu_time is not None:
        used.append(f"{format_elapsed(attempt.result.cpu_time)} of CPU time")
    if attempt.result.max_memory is not None:
        used.append(f"{format_bytes(attempt.result.max_memory)} of memory")
    end = "; ".join(filter(None, (attempt.result.text, _describe_tree_end(attempt))))
    usage = f" (used {', '.join(used)})" if used else ""
    return f"{line}{usage}{f': {end}' if end else ''}"


def _describe_tree_end(attempt: Attempt) -> str:
    """Return when the processes of an attempt were gone, if not with the main one; "" where they were."""
    if attempt.gone_at is None:
        return "not verified: some of it may still run"
    if attempt.exited_at is None or attempt.exited_at == attempt.gone_at:
        return ""
    return f"verified gone {format_elapsed(attempt.gone_at - attempt.exited_at)} after its main process"
