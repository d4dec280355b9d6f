"""The checks of an instant of which nothing is on record: because nothing was due, or because it is to come.

What can be computed for an instant of the past is: whether triggers were due, what guards of the time said, which runs
of the job were open. A pause is known as far as the present one, or a decision about that time, says so. All else is
unknown, and says why: the daemon keeps no record of what it has no reason to look at.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rae_auto.engine.time.catch_up import find_neighbours
from rae_auto.explain.check_lists import (
    DECISION_CHECKS,
    NEEDS_NOTHING,
    NO,
    PASSED,
    UNKNOWN,
    YES,
    find_check,
    guard_facts,
    not_reached,
    routine,
    start_not_reached,
)
from rae_auto.explain.check_node import CheckNode, ExplanationFact
from rae_auto.explain.job_view import JobView
from rae_auto.model.decision import Decision
from rae_auto.model.guard import EXECUTOR_GUARD
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.reasons import (
    Disabled,
    GuardBlocked,
    InQueue,
    MaxOverlap,
    Missed,
    Overlapping,
    Paused,
    QueueFull,
    SkippedByHand,
)
from rae_auto.model.run import Run


def check_instant(at: datetime, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of an instant of which nothing is on record: because nothing was due, or it is to come."""
    due = [trigger for trigger, schedule in view.schedules.items() if _is_due(schedule, at)]
    children = tuple(check_trigger(trigger, at, view) for trigger in view.summaries or view.schedules)
    is_ahead = at > view.now
    if due:
        verb = "will be due" if is_ahead else "was due"
        trigger = CheckNode("trigger", YES, f"{verb} at {view.time(at)}", None, children)
    else:
        sources = [child for child in children if child.result is UNKNOWN]
        result = UNKNOWN if sources and not is_ahead and not view.has_daemon else NO
        trigger = CheckNode("trigger", result, "nothing is due then" if is_ahead else "nothing was due", None, children)
    start = start_not_reached(_describe_no_start(is_due=bool(due), is_ahead=is_ahead), view)
    if not is_ahead:
        text = "there is no decision on record"
        checks = tuple(_check_past(name, at, view, is_due=bool(due)) for name in DECISION_CHECKS)
        return (trigger, CheckNode("decision", UNKNOWN, text, None, checks), *start)
    checks = tuple(_check_ahead(name, at, view) for name in DECISION_CHECKS)
    no = next((check for check in checks if check.result is NO), None)
    if due and no is not None:
        text = f"it will be skipped or wait, by the check {quote(no.name)}"
        return (trigger, CheckNode("decision", NO, text, no.reason, checks), *start)
    return (trigger, CheckNode("decision", UNKNOWN, "it is decided when it is due", None, checks), *start)


def _describe_no_start(*, is_due: bool, is_ahead: bool) -> str:
    if is_ahead:
        return "checked when a run is to start"
    if is_due:
        return "no decision is on record, so no run was to start"
    return "nothing was due, so no run was to start"


def check_now(view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a job that is paused, disabled or unusable, or has never run."""
    children = tuple(check_trigger(trigger, view.now, view) for trigger in view.summaries or view.schedules)
    has_next = view.next_at is not None
    text = f"next due at {view.time(view.next_at)}" if has_next else "nothing is due"
    checks = tuple(_check_ahead(name, view.now, view) for name in DECISION_CHECKS)
    no = next((check for check in checks if check.result is NO), None)
    why = "it is decided when it is due" if no is None else f"nothing starts by itself, by the check {quote(no.name)}"
    result, code = (UNKNOWN, None) if no is None else (NO, no.reason)
    return (
        CheckNode("trigger", YES if has_next else NO, text, None, children),
        CheckNode("decision", result, why, code, checks),
        *start_not_reached("no run is to start now", view),
    )


def check_trigger(trigger: str, at: datetime, view: JobView) -> CheckNode:
    """Return whether a trigger fires at an instant."""
    summary = view.summaries.get(trigger)
    schedule, problem = view.schedules.get(trigger), view.trigger_problems.get(trigger)
    if problem is not None and (schedule is None or not _is_due(schedule, at)):
        # A source that has failed starts again by itself, and may have reported what happened.
        is_unused = schedule is not None or problem.startswith("is quarantined")
        return CheckNode(trigger, NO if is_unused else UNKNOWN, _join(summary, problem))
    if schedule is None:
        text = (
            "it watches something, and nothing of this time is on record" if at <= view.now else "it can't be foretold"
        )
        return CheckNode(trigger, UNKNOWN, _join(summary, text))
    if _is_due(schedule, at):
        return CheckNode(trigger, YES, _join(summary, f"due at {view.time(at)}"))
    before, after = find_neighbours([schedule], at)
    around = [f"due {when} at {view.time(due)}" for when, due in (("before", before), ("after", after)) if due]
    return CheckNode(trigger, NO, _join(summary, f"not due ({', '.join(around) or 'no instant around it'})"))


def _is_due(schedule: object, at: datetime) -> bool:
    next_after = getattr(schedule, "next_after", None)
    return next_after is not None and next_after(at - timedelta(microseconds=1)) == at


def _join(*parts: str | None) -> str:
    return ": ".join(part for part in parts if part)


def _check_ahead(name: str, at: datetime, view: JobView) -> CheckNode:
    """Return the result of a check for an instant to come, as far as it can be computed, or is known now."""
    match name:
        case "usable" if view.problem is not None:
            return CheckNode(name, NO, view.problem, "unusable")
        case "enabled" if view.disabled_by:
            return CheckNode(name, NO, view.disabled_by, Disabled.code)
        case "guards":
            return _guards_at(at, view)
        case "usable" | "enabled":
            return routine(name, YES, PASSED[name])
    off = view.find_off_by_hand(at)
    match name:
        case "paused":
            if isinstance(off, Paused):
                return CheckNode(name, NO, off.describe(view.time), off.code)
            return routine(name, YES, "the job is not paused then")
        case "skip":
            if isinstance(off, SkippedByHand):
                return CheckNode(name, NO, off.describe(view.time), off.code)
            return routine(name, YES, "the start is not skipped by hand")
    return not_reached(name, "checked when it is due", view)


def _check_past(name: str, at: datetime, view: JobView, *, is_due: bool) -> CheckNode:
    """Return the result of a check for an instant of the past without a record of its own."""
    if (covering := _find_covering(name, at, view)) is not None:
        first, last = _span_of(covering)
        span = f"of the starts from {view.time(first)} to {view.time(last)}"
        return CheckNode(name, NO, f"{span}: {covering.reason.describe_past(view.time)}", covering.reason.code)
    match name:
        case "guards":
            return _guards_at(at, view)
        case "overlap":
            return _overlap_at(at, view)
        case "paused":
            return _pause_at(at, view)
        case "usable":
            state = PASSED[name] if view.problem is None else view.problem
            return routine(name, UNKNOWN, f"not on record; now {state}")
        case "enabled":
            state = "it is enabled" if view.disabled_by is None else view.disabled_by
            return routine(name, UNKNOWN, f"not on record; now {state}")
        case "needs" if view.definition is not None and not view.definition.needs:
            return routine(name, YES, NEEDS_NOTHING)
        case "queue":
            return routine(name, UNKNOWN, "how many runs of all jobs waited is not on record")
    why = "no decision is on record" if is_due else _NOT_DUE[name]
    return not_reached(name, why, view)


_NOT_DUE: Mapping[str, str] = {
    "catch_up": "nothing was due, so nothing could be missed",
    "skip": "nothing was due that a person could skip",
    "needs": "nothing was due, so the needed jobs were not looked at",
    "feedback_loop": "nothing was reported that could be an effect of the job",
}
"""Why checks are unknown where nothing was due."""


def _find_covering(name: str, at: datetime, view: JobView) -> Decision | None:
    """Return a decision on several starts around an instant that this check made."""
    for decision in view.decisions:
        first, last = _span_of(decision)
        if first <= at <= last and first < last and find_check(DECISION_CHECKS, decision.reason) == name:
            return decision
    return None


def _span_of(decision: Decision) -> tuple[datetime, datetime]:
    if isinstance(decision.reason, Missed):
        return decision.reason.first, decision.reason.last
    return decision.since or decision.at, decision.at


def _pause_at(at: datetime, view: JobView) -> CheckNode:
    if view.pause is None:
        return routine("paused", UNKNOWN, "pauses that are over are not on record; now the job is not paused")
    if view.paused_at is None:
        return routine("paused", UNKNOWN, "the job is paused now; since when is not on record")
    if at >= view.paused_at:
        facts = (ExplanationFact("paused", f"since {view.time(view.paused_at)}"),)
        return CheckNode("paused", NO, view.pause.describe_past(view.time), Paused.code, (), facts)
    return routine(
        "paused", UNKNOWN, f"the present pause began at {view.time(view.paused_at)}; earlier ones are not on record"
    )


def _overlap_at(at: datetime, view: JobView) -> CheckNode:
    """Return whether a start would have met an open run: one of the day before, which are read, or one still open."""
    opened = [run for run in view.runs if run.queued_at <= at and (run.finished_at is None or at < run.finished_at)]
    if not opened:
        return routine("overlap", YES, "no run of the day before was open")
    oldest = min(opened, key=lambda run: run.queued_at)
    runs = f"run {oldest.id} was open" if len(opened) == 1 else f"{format_count(len(opened), 'run')} were open"
    if view.definition is None:
        return CheckNode("overlap", UNKNOWN, f"{runs}, and the job is no longer defined")
    overlap = view.definition.overlap
    if overlap is Overlap.QUEUE and any(isinstance(wait, InQueue) for run in opened for wait in run.waited_for):
        # It was handed over at some instant, which is not on record, and no longer waited here then.
        return CheckNode("overlap", UNKNOWN, f"{runs}; whether it was in a queue elsewhere by then is not on record")
    code = _find_refusal(overlap, view.definition.overlap_max, opened, at)
    text = f'{runs} (overlap = "{overlap}", as the job is defined now)'
    return CheckNode("overlap", YES if code is None else NO, text, code)


def _find_refusal(overlap: Overlap, most: int, opened: Sequence[Run], at: datetime) -> str | None:
    """Return the code of the reason for which a start beside these runs is skipped; None if it isn't."""
    match overlap:
        case Overlap.SKIP:
            return Overlapping.code
        case Overlap.QUEUE if any(run.started_at is None or at < run.started_at for run in opened):
            return QueueFull.code
        case Overlap.ALLOW if len(opened) >= most:
            return MaxOverlap.code
    return None


def _guards_at(at: datetime, view: JobView) -> CheckNode:
    children = []
    for name, guard in view.guards.items():
        if guard is None:
            what = "it is asked" if name == EXECUTOR_GUARD else "it reads the machine"
            facts = guard_facts(name, view)
            children.append(CheckNode(name, UNKNOWN, f"{what} when a run is to start", facts=facts))
        else:
            answer = guard.evaluate(at)
            code = None if answer.allows else GuardBlocked.code
            result = YES if answer.allows else NO
            children.append(CheckNode(name, result, answer.reason, code, facts=guard_facts(name, view)))
    results = [child.result for child in children]
    if not children:
        return routine("guards", YES, "the job has no guards")
    if NO in results:
        first = next(child for child in children if child.result is NO)
        return CheckNode("guards", NO, f"{quote(first.name)} forbids it", GuardBlocked.code, tuple(children))
    result = UNKNOWN if UNKNOWN in results else YES
    return CheckNode("guards", result, "all that can be computed say yes", None, tuple(children))
