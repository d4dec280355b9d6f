"""The tree of checks behind an explanation: each check of the engine, in its order, with what it found.

The engine decides an occurrence by the checks of `DECISION_CHECKS`: the first that refuses gives the reason, and those
behind it are not reached. A run that was decided then passes `START_CHECKS`, as often as something changes, and waits
for the first that blocks it. So the tree follows from the records: what a record names said no, what comes before it
said yes, and what comes after it is unknown.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from rae_auto.engine.time.catch_up import find_neighbours
from rae_auto.explain.check_node import CheckNode, CheckResult, ExplanationFact
from rae_auto.explain.job_view import JobView, describe_occurrence
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.guard import EXECUTOR_GUARD
from rae_auto.model.job_state import SeenOccurrence
from rae_auto.model.primitives.formatting import format_elapsed, quote
from rae_auto.model.reasons import (
    CaughtUp,
    Disabled,
    FeedbackLoop,
    Fired,
    GuardBlocked,
    GuardsPending,
    InternalFault,
    Manual,
    MaxOverlap,
    MaxParallel,
    Missed,
    NeedFailed,
    NeedNeverRan,
    NeedRunning,
    NoWorker,
    Overlapping,
    Paused,
    QueueFull,
    QueueLimit,
    Reason,
    ResourceBusy,
    ResourceReserved,
    ResourceTooSmall,
    RetryDelayed,
    SkippedByHand,
    StartDelayed,
    UnusableJob,
)
from rae_auto.model.run import Run, RunState

YES, NO, UNKNOWN = CheckResult.YES, CheckResult.NO, CheckResult.UNKNOWN

DECISION_CHECKS: Mapping[str, tuple[type[Reason], ...]] = {
    "catch_up": (Missed,),
    "usable": (UnusableJob,),
    "enabled": (Disabled,),
    "paused": (Paused,),
    "skip": (SkippedByHand,),
    "overlap": (Overlapping, QueueFull, MaxOverlap),
    "queue": (QueueLimit,),
    "needs": (NeedFailed, NeedNeverRan),
    "guards": (GuardBlocked,),
    "feedback_loop": (FeedbackLoop,),
}
"""The checks of a decision in the order of the engine, with the reasons that they give."""

START_CHECKS: Mapping[str, tuple[type[Reason], ...]] = {
    "delay": (StartDelayed, RetryDelayed),
    "parallel": (MaxParallel,),
    "usable": (UnusableJob, InternalFault),
    "paused": (Paused,),
    "enabled": (Disabled,),
    "overlap": (Overlapping, MaxOverlap),
    "needs_running": (NeedRunning,),
    "resources": (ResourceTooSmall, ResourceBusy, ResourceReserved),
    "needs": (NeedFailed, NeedNeverRan),
    "guards": (GuardBlocked, NoWorker, GuardsPending),
}
"""The checks of a start in the order of the engine, with the reasons that they give."""

_PASSED = {
    "catch_up": "it had not been given up as missed",
    "usable": "the job can be used",
    "enabled": "the job is enabled",
    "paused": "the job was not paused",
    "skip": "the start was not skipped by hand",
    "overlap": "no other run was in the way",
    "queue": "the queue had room",
    "needs": "met",
    "needs_running": "no needed job was running",
    "guards": "no guard forbade it",
    "feedback_loop": "none detected",
    "delay": "its time had come",
    "parallel": "a slot was free (max_parallel)",
    "resources": "the resources were free",
}
"""The texts of checks that let a job run."""

_BY_HAND = ("enabled", "paused", "skip", "catch_up")
"""Checks that are not made for runs by hand, or for events, which wait instead."""


def check_run(run: Run, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a run."""
    nodes = [
        _trigger_that_fired(run.trigger, run.scheduled_for, view),
        _decision_of_run(run, view),
        _start_of(run, view),
    ]
    if run.attempt:
        nodes.append(_attempts_of(run, view))
    return tuple(nodes)


def check_skip(decision: Decision, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a decision not to run."""
    reason = decision.reason
    decisive = find_check(DECISION_CHECKS, reason)
    is_by_hand = decision.trigger == MANUAL
    children, is_reached = [], True
    for name in DECISION_CHECKS:
        if name == decisive:
            text = reason.describe_past(view.time)
            children.append(CheckNode(name, NO, text, reason.code, _parts_of_block(reason, text)))
            is_reached = False
        elif is_reached:
            children.append(_routine(name, YES, _describe_passed(name, is_by_hand)))
        else:
            children.append(_routine(name, UNKNOWN, f"not checked, because {decisive} had decided"))
    text = f"skipped at {view.time(decision.decided_at)}: {reason.describe_past(view.time)}"
    trigger = _trigger_that_fired(decision.trigger, decision.at, view)
    return (trigger, CheckNode("decision", NO, text, reason.code, tuple(children)))


def check_repeat(seen: SeenOccurrence, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of an occurrence that was reported again after its decision."""
    outcome = f"run {seen.run}" if seen.run else "no run"
    text = f"{describe_occurrence(seen)} had been decided before, at {view.time(seen.at)}: {outcome}"
    return (_trigger_that_fired(seen.trigger, seen.at, view), CheckNode("decision", NO, text, "repeated"))


def check_instant(at: datetime, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of an instant of which nothing is on record: because nothing was due, or it is to come."""
    due = [trigger for trigger, schedule in view.schedules.items() if _is_due(schedule, at)]
    children = tuple(_trigger_at(trigger, at, view) for trigger in view.summaries or view.schedules)
    is_ahead = at > view.now
    if due:
        verb = "will be due" if is_ahead else "was due"
        trigger = CheckNode("trigger", YES, f"{verb} at {view.time(at)}", None, children)
    else:
        sources = [child for child in children if child.result is UNKNOWN]
        result = UNKNOWN if sources and not is_ahead and not view.has_daemon else NO
        trigger = CheckNode("trigger", result, "nothing is due then" if is_ahead else "nothing was due", None, children)
    checks = tuple(_check_at(name, at, view, is_ahead=is_ahead) for name in DECISION_CHECKS)
    no = next((check for check in checks if check.result is NO), None)
    if is_ahead and due and no is not None:
        return (trigger, CheckNode("decision", NO, f"it will be skipped or wait: {no.text}", no.reason, checks))
    text = "it is decided when it is due" if is_ahead else "there is no decision on record"
    return (trigger, CheckNode("decision", UNKNOWN, text, None, checks))


def check_now(view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a job that is paused, disabled or unusable, or has never run."""
    children = tuple(_trigger_at(trigger, view.now, view) for trigger in view.summaries or view.schedules)
    has_next = view.next_at is not None
    text = f"next due at {view.time(view.next_at)}" if has_next else "nothing is due"
    checks = tuple(_check_at(name, view.now, view, is_ahead=True) for name in DECISION_CHECKS)
    no = next((check for check in checks if check.result is NO), None)
    decision = CheckNode("decision", NO, no.text, no.reason, checks) if no else None
    return (
        CheckNode("trigger", YES if has_next else NO, text, None, children),
        decision or CheckNode("decision", UNKNOWN, "it is decided when it is due", None, checks),
    )


def find_check(checks: Mapping[str, tuple[type[Reason], ...]], reason: Reason) -> str | None:
    """Return the check that gives a reason; None if none of these does."""
    return next((name for name, reasons in checks.items() if isinstance(reason, reasons)), None)


def _routine(name: str, result: CheckResult, text: str) -> CheckNode:
    """Return a check with nothing to say but that it passed, or was not reached."""
    return CheckNode(name, result, text, is_routine=True)


def _describe_passed(name: str, is_by_hand: bool) -> str:
    if is_by_hand and name in _BY_HAND:
        return "not checked, because the run was started by hand"
    return _PASSED[name]


def _trigger_that_fired(trigger: str, at: datetime, view: JobView) -> CheckNode:
    if trigger == MANUAL:
        return CheckNode("trigger", YES, f"started by hand at {view.time(at)}", Manual.code)
    others = [other for other in view.summaries or view.schedules if other != trigger]
    fired = CheckNode(trigger, YES, _join(view.summaries.get(trigger), f"for {view.time(at)}"))
    children = (fired, *(_trigger_at(other, at, view) for other in others))
    verb = "was due" if trigger in view.schedules else "fired"
    return CheckNode("trigger", YES, f"{quote(trigger)} {verb} at {view.time(at)}", None, children)


def _trigger_at(trigger: str, at: datetime, view: JobView) -> CheckNode:
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


def _decision_of_run(run: Run, view: JobView) -> CheckNode:
    is_by_hand = run.trigger == MANUAL
    is_event = isinstance(run.cause, Fired)
    children = []
    for name in DECISION_CHECKS:
        text, is_routine = _describe_passed(name, is_by_hand), True
        if is_event and name in _BY_HAND:
            text = "not checked, because an event waits for the job instead"
        elif name == "catch_up" and not is_by_hand:
            text, is_routine = _describe_delay(run)
        elif name == "overlap" and run.conditions.other_runs:
            text = f'other open runs: {run.conditions.other_runs} (overlap = "{run.conditions.overlap}")'
            is_routine = False
        elif name == "needs" and not run.conditions.needs:
            text = "the job needs no other job"
        children.append(CheckNode(name, YES, text, is_routine=is_routine))
    text = f"decided to run at {view.time(run.queued_at)}: {run.cause.text}"
    facts = (
        ExplanationFact("occurrence", f"for {view.time(run.scheduled_for)}"),
        ExplanationFact("other open runs", str(run.conditions.other_runs)),
    )
    return CheckNode("decision", YES, text, run.cause.code, tuple(children), facts)


def _describe_delay(run: Run) -> tuple[str, bool]:
    """Return how long after its instant a run was decided, and whether that is nothing to speak of."""
    if isinstance(run.cause, CaughtUp):
        return run.cause.text, False
    delay = run.queued_at - run.scheduled_for
    if delay < timedelta(seconds=1):
        return "it was decided when it was due", True
    return f"it was decided {format_elapsed(delay)} after it was due", False


def _start_of(run: Run, view: JobView) -> CheckNode:
    """Return the checks between the decision and the attempt that is next, or was last."""
    if run.is_in_queue:
        children = tuple(_passed_start_check(name, run, view) for name in START_CHECKS)
        code = None if run.reason is None else run.reason.code
        return CheckNode("start", NO, f"waiting: {run.describe_reason(view.time)}", code, children)
    if run.attempt and (run.state.active or run.state.final):
        waited = "" if run.started_at is None else _describe_wait(run.started_at - run.queued_at)
        children = tuple(_passed_start_check(name, run, view) for name in START_CHECKS)
        return CheckNode("start", YES, f"started at {view.time(run.started_at)}{waited}", None, children)
    block: Reason | None = run.reason if run.state.final else view.waiting.get(run.id, (None, ""))[0]
    decisive = None if block is None else find_check(START_CHECKS, block)
    if block is None or decisive is None:
        why = run.describe_reason(view.time) if run.reason else view.waiting.get(run.id, (None, "it is next"))[1]
        code = None if run.reason is None else run.reason.code
        children = tuple(_waited_check(name, run, view, UNKNOWN) for name in START_CHECKS)
        return CheckNode("start", NO, f"not started: {why}", code, children)
    text = block.describe_past(view.time) if run.state.final else block.describe(view.time)
    nodes, is_reached = [], True
    for name in START_CHECKS:
        if name == decisive:
            nodes.append(CheckNode(name, NO, text, block.code, _parts_of_block(block, text)))
            is_reached = False
        else:
            nodes.append(_waited_check(name, run, view, YES if is_reached else UNKNOWN))
    verb = "skipped" if run.state is RunState.SKIPPED else "waiting"
    return CheckNode("start", NO, f"{verb}: {text}", block.code, tuple(nodes))


def _describe_wait(wait: timedelta) -> str:
    return "" if wait < timedelta(milliseconds=1) else f", {format_elapsed(wait)} after the decision"


def _passed_start_check(name: str, run: Run, view: JobView) -> CheckNode:
    node = _waited_check(name, run, view, YES)
    if name == "guards":
        guards = tuple(
            CheckNode(guard, YES if result.allows else NO, result.reason, facts=_guard_facts(guard, view))
            for guard, result in run.conditions.guards.items()
        )
        text = "not checked, because the run was started by hand" if run.trigger == MANUAL and not guards else node.text
        return CheckNode(name, YES, text, node.reason, guards, is_routine=node.is_routine and not guards)
    if name == "resources" and run.conditions.resources:
        parts = tuple(
            CheckNode(resource, YES, f"takes {units}") for resource, units in run.conditions.resources.items()
        )
        return CheckNode(name, YES, node.text, node.reason, parts)
    if name == "needs" and run.conditions.needs:
        return CheckNode(
            name, YES, node.text, node.reason, tuple(CheckNode(job, YES, "met") for job in run.conditions.needs)
        )
    return node


def _waited_check(name: str, run: Run, view: JobView, otherwise: CheckResult) -> CheckNode:
    """Return a check that doesn't block the run now, with what the run has waited for there before."""
    waits = [reason for reason in run.waited_for if isinstance(reason, START_CHECKS[name])]
    if waits:
        text = "; ".join(reason.describe_past(view.time) for reason in waits)
        return CheckNode(name, otherwise, f"waited: {text}", waits[0].code)
    return _routine(name, otherwise, _PASSED[name] if otherwise is YES else "not reached yet")


def _parts_of_block(reason: Reason, text: str) -> tuple[CheckNode, ...]:
    match reason:
        case GuardBlocked():
            return (CheckNode(reason.guard, NO, text, reason.code),)
        case NeedFailed() | NeedNeverRan() | NeedRunning():
            return (CheckNode(reason.job, NO, text, reason.code),)
    return ()


def _attempts_of(run: Run, view: JobView) -> CheckNode:
    children = tuple(_attempt_nodes(run, view))
    if run.state is RunState.SUCCEEDED:
        return CheckNode("attempts", YES, "succeeded", None, children)
    if run.state.final:
        reason = run.describe_reason(view.time)
        text = f"{run.state.text}: {reason}" if reason else run.state.text
        return CheckNode("attempts", NO, text, None if run.reason is None else run.reason.code, children)
    return CheckNode("attempts", UNKNOWN, f"{run.state.text}, attempt {run.attempt}", None, children)


def _attempt_nodes(run: Run, view: JobView) -> Iterator[CheckNode]:
    for attempt in run.attempts:
        result = YES if attempt.state is RunState.SUCCEEDED else NO
        yield CheckNode(f"attempt {attempt.number}", result, f"{attempt.end_text}")
    if run.state.active and not run.is_in_queue:
        silence = f"; {view.waiting[run.id][1]}" if run.id in view.waiting else ""
        yield CheckNode(f"attempt {run.attempt}", UNKNOWN, f"{run.state.text}{silence}")
    if run.adopted_at is not None:
        yield CheckNode("taken over", YES, f"by a new daemon at {view.time(run.adopted_at)}")


def _check_at(name: str, at: datetime, view: JobView, *, is_ahead: bool) -> CheckNode:
    """Return the result of a check for an instant without a record, as far as it can be computed, or is known now."""
    unknown = _routine(name, UNKNOWN, "nothing is on record of it" if not is_ahead else "it is checked when it is due")
    if name == "usable":
        return (
            _routine(name, YES, _PASSED[name])
            if view.problem is None
            else CheckNode(name, NO, view.problem, "unusable")
        )
    if name == "guards":
        return _guards_at(at, view)
    if not is_ahead:
        return unknown
    if name == "enabled":
        disabled = view.disabled_by
        return CheckNode(name, NO, disabled, Disabled.code) if disabled else _routine(name, YES, _PASSED[name])
    off = view.find_off_by_hand(at)
    if name == "paused":
        if isinstance(off, Paused):
            return CheckNode(name, NO, off.describe(view.time), off.code)
        return _routine(name, YES, "the job is not paused then")
    if name == "skip":
        if isinstance(off, SkippedByHand):
            return CheckNode(name, NO, off.describe(view.time), off.code)
        return _routine(name, YES, "the start is not skipped by hand")
    return unknown


def _guard_facts(name: str, view: JobView) -> tuple[ExplanationFact, ...]:
    """Return what a guard looks at, in its own words, where these say more than its name."""
    summary = view.guard_summaries.get(name, name)
    return () if summary == name else (ExplanationFact("guard", summary),)


def _guards_at(at: datetime, view: JobView) -> CheckNode:
    children = []
    for name, guard in view.guards.items():
        if guard is None:
            what = "it is asked" if name == EXECUTOR_GUARD else "it reads the machine"
            facts = _guard_facts(name, view)
            children.append(CheckNode(name, UNKNOWN, f"{what} when a run is to start", facts=facts))
        else:
            answer = guard.evaluate(at)
            code = None if answer.allows else GuardBlocked.code
            result = YES if answer.allows else NO
            children.append(CheckNode(name, result, answer.reason, code, facts=_guard_facts(name, view)))
    results = [child.result for child in children]
    if not children:
        return _routine("guards", YES, "the job has no guards")
    if NO in results:
        first = next(child for child in children if child.result is NO)
        return CheckNode("guards", NO, f"guard {quote(first.name)}: {first.text}", GuardBlocked.code, tuple(children))
    result = UNKNOWN if UNKNOWN in results else YES
    return CheckNode("guards", result, "all that can be computed say yes", None, tuple(children))
