"""The tree of checks behind an explanation: each check of the engine, in its order, with what it found.

The engine decides an occurrence by the checks of `DECISION_CHECKS`: the first that refuses gives the reason, and those
behind it are not reached. A run that was decided then passes `START_CHECKS`, as often as something changes, and waits
for the first that blocks it. So the tree follows from the records: what a record names said no, what comes before it
said yes, and what comes after it is unknown. So is what is not checked at all: of a run by hand whether its job is off,
and what its guards say; of one with --force the jobs that it needs. Every tree has all checks.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rae_auto.explain.check_lists import (
    DECISION_CHECKS,
    NEEDS_NOTHING,
    NO,
    PASSED,
    START_CHECKS,
    UNKNOWN,
    YES,
    attempts_not_reached,
    find_check,
    guard_facts,
    not_reached,
    retry_facts,
    routine,
    start_not_reached,
)
from rae_auto.explain.check_node import CheckNode, CheckResult, ExplanationFact
from rae_auto.explain.checks import wait_before_start
from rae_auto.explain.instant_checks import check_trigger
from rae_auto.explain.job_view import JobView, describe_occurrence
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.job_state import SeenOccurrence
from rae_auto.model.primitives.formatting import format_count, format_elapsed, quote
from rae_auto.model.reasons import CaughtUp, Fired, GuardBlocked, Manual, NeedFailed, NeedNeverRan, NeedRunning, Reason
from rae_auto.model.run import Run, RunState

_BY_SCHEDULE = ("enabled", "paused", "skip", "catch_up")
"""Checks of a decision that are made for schedules alone. An event waits instead."""

_NOT_BY_HAND = (*_BY_SCHEDULE, "guards")
_NOT_FORCED = ("needs", "needs_running")


def check_run(run: Run, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a run."""
    return (
        _trigger_that_fired(run.trigger, run.scheduled_for, view),
        _decision_of_run(run, view),
        _start_of(run, view),
        _attempts_of(run, view) if run.attempt else attempts_not_reached("no attempt was made", view),
    )


def check_skip(decision: Decision, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of a decision not to run."""
    reason = decision.reason
    decisive = find_check(DECISION_CHECKS, reason)
    cause = Manual() if decision.trigger == MANUAL else None
    children, is_reached = [], True
    for name in DECISION_CHECKS:
        if name == decisive:
            text = reason.describe_past(view.time)
            children.append(_blocking_check(name, reason, text))
            is_reached = False
        elif is_reached:
            children.append(_not_made(name, cause, view) or routine(name, YES, PASSED[name]))
        else:
            children.append(not_reached(name, f"not checked, because {decisive} had decided", view))
    # The reason itself is at the check that gave it, once.
    text = f"skipped at {view.time(decision.decided_at)} by the check {quote(decisive or reason.code)}"
    trigger = _trigger_that_fired(decision.trigger, decision.at, view)
    decided = CheckNode("decision", NO, text, reason.code, tuple(children), _facts_of_skip(decision, view))
    return (trigger, decided, *start_not_reached("not reached, because it was skipped when it was decided", view))


def check_repeat(seen: SeenOccurrence, view: JobView) -> tuple[CheckNode, ...]:
    """Return the checks of an occurrence that was reported again after its decision."""
    outcome = f"run {seen.run}" if seen.run else "no run"
    text = f"{describe_occurrence(seen)} had been decided before, at {view.time(seen.at)}: {outcome}"
    checks = tuple(not_reached(name, "not checked again", view) for name in DECISION_CHECKS)
    decided = CheckNode("decision", NO, text, "repeated", checks)
    start = start_not_reached("not reached, because it had been decided before", view)
    return (_trigger_that_fired(seen.trigger, seen.at, view), decided, *start)


def _facts_of_skip(decision: Decision, view: JobView) -> tuple[ExplanationFact, ...]:
    """Return the occurrence, and how many starts the decision is about, if these are several."""
    facts = [ExplanationFact("occurrence", f"for {view.time(decision.at)}")]
    if decision.since is not None:
        count = format_count(decision.count, "start")
        facts.append(ExplanationFact("together", f"{count} since {view.time(decision.since)}"))
    return tuple(facts)


def _not_made(name: str, cause: object, view: JobView) -> CheckNode | None:
    """Return a check that is not made for runs of this cause, or None."""
    if isinstance(cause, Manual) and name in _NOT_BY_HAND:
        return not_reached(name, "not checked, because the run was started by hand", view)
    if isinstance(cause, Manual) and cause.forced and name in _NOT_FORCED:
        return not_reached(name, "not checked, because the run was started with --force", view)
    return None


def _trigger_that_fired(trigger: str, at: datetime, view: JobView) -> CheckNode:
    if trigger == MANUAL:
        return CheckNode("trigger", YES, f"started by hand at {view.time(at)}", Manual.code)
    others = [other for other in view.summaries or view.schedules if other != trigger]
    summary = view.summaries.get(trigger)
    fired = CheckNode(trigger, YES, f"{f'{summary}: ' if summary else ''}for {view.time(at)}")
    children = (fired, *(check_trigger(other, at, view) for other in others))
    verb = "was due" if trigger in view.schedules else "fired"
    return CheckNode("trigger", YES, f"{quote(trigger)} {verb} at {view.time(at)}", None, children)


def _decision_of_run(run: Run, view: JobView) -> CheckNode:
    is_event = isinstance(run.cause, Fired)
    children: list[CheckNode] = []
    for name in DECISION_CHECKS:
        text, is_routine = PASSED[name], True
        if (unmade := _not_made(name, run.cause, view)) is not None:
            children.append(unmade)
            continue
        if is_event and name in (*_BY_SCHEDULE, "needs"):
            children.append(not_reached(name, "not checked, because an event waits for the job instead", view))
            continue
        if name == "catch_up":
            text, is_routine = _describe_delay(run)
        elif name == "overlap" and run.conditions.other_runs:
            text = f'other open runs: {run.conditions.other_runs} (overlap = "{run.conditions.overlap}")'
            is_routine = False
        elif name == "needs" and not run.conditions.needs:
            text = NEEDS_NOTHING
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
        wait = None if run.started_at is None else wait_before_start(run, run.started_at)
        waited = "" if wait is None else f", {format_elapsed(wait)} after the decision"
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
            nodes.append(_blocking_check(name, block, text))
            is_reached = False
        else:
            node = _waited_check(name, run, view, YES if is_reached else UNKNOWN)
            unmade = _not_made(name, run.cause, view) if is_reached and node.is_routine else None
            nodes.append(unmade or node)
    verb = "skipped" if run.state is RunState.SKIPPED else "waiting"
    return CheckNode("start", NO, f"{verb}, by the check {quote(decisive)}", block.code, tuple(nodes))


def _passed_start_check(name: str, run: Run, view: JobView) -> CheckNode:
    has_guards = name == "guards" and run.conditions.guards
    node = _waited_check(name, run, view, YES)
    # The guard of an executor is asked for runs by hand, too.
    if node.is_routine and not has_guards and (unmade := _not_made(name, run.cause, view)) is not None:
        return unmade
    if name == "guards":
        guards = tuple(
            CheckNode(guard, YES if result.allows else NO, result.reason, facts=guard_facts(guard, view))
            for guard, result in run.conditions.guards.items()
        )
        return CheckNode(name, YES, node.text, node.reason, guards, is_routine=node.is_routine and not guards)
    if name == "resources" and run.conditions.resources:
        parts = tuple(
            CheckNode(resource, YES, f"takes {units}") for resource, units in run.conditions.resources.items()
        )
        return CheckNode(name, YES, node.text, node.reason, parts)
    if name == "needs" and node.is_routine and not run.conditions.needs and not isinstance(run.cause, Fired):
        return routine(name, YES, NEEDS_NOTHING)
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
    return routine(name, otherwise, PASSED[name] if otherwise is YES else "not reached yet")


def _blocking_check(name: str, reason: Reason, text: str) -> CheckNode:
    """Return the check that gave a reason; where a guard or a needed job said no, that has the words, and only that."""
    match reason:
        case GuardBlocked():
            part = CheckNode(reason.guard, NO, text, reason.code)
        case NeedFailed() | NeedNeverRan() | NeedRunning():
            part = CheckNode(reason.job, NO, text, reason.code)
        case _:
            return CheckNode(name, NO, text, reason.code)
    return CheckNode(name, NO, f"{quote(part.name)} forbade it", reason.code, (part,))


def _attempts_of(run: Run, view: JobView) -> CheckNode:
    children = (*_attempt_nodes(run, view), _retry_of(run, view))
    if run.state is RunState.SUCCEEDED:
        return CheckNode("attempts", YES, "succeeded", None, children)
    if run.state.final:
        reason = run.describe_reason(view.time)
        text = f"{run.state.text}: {reason}" if reason else run.state.text
        return CheckNode("attempts", NO, text, None if run.reason is None else run.reason.code, children)
    return CheckNode("attempts", UNKNOWN, f"{run.state.text}, attempt {run.attempt}", None, children)


def _retry_of(run: Run, view: JobView) -> CheckNode:
    """Return whether another attempt follows the latest one, by the policy of the job as it is defined now."""
    facts = retry_facts(view)
    if run.state is RunState.SUCCEEDED:
        return CheckNode("retry", YES, "not needed, because it succeeded", None, (), facts, is_routine=True)
    if run.state.active:
        return CheckNode("retry", UNKNOWN, "decided when the attempt ends", None, (), facts, is_routine=True)
    if not run.state.final:
        return CheckNode("retry", YES, f"attempt {run.attempt + 1} is to follow", None, (), facts)
    text = f"no attempt followed attempt {run.attempt}, which was {run.state.text}"
    return CheckNode("retry", NO, text.replace("was failed", "failed"), None, (), facts)


def _attempt_nodes(run: Run, view: JobView) -> Iterator[CheckNode]:
    for attempt in run.attempts:
        result = YES if attempt.state is RunState.SUCCEEDED else NO
        yield CheckNode(f"attempt {attempt.number}", result, f"{attempt.end_text}")
    if run.state.active and not run.is_in_queue:
        silence = f"; {view.waiting[run.id][1]}" if run.id in view.waiting else ""
        yield CheckNode(f"attempt {run.attempt}", UNKNOWN, f"{run.state.text}{silence}")
    if run.adopted_at is not None:
        yield CheckNode("taken over", YES, f"by a new daemon at {view.time(run.adopted_at)}")
