"""The lists of checks that the engine makes, with the reasons that they give, and checks that were not reached.

Every tree has all of them, so that a reader sees what was not looked at, too: a skip has no start, and a minute at
which nothing was due not even a decision.
"""

from collections.abc import Mapping

from rae_auto.explain.check_node import CheckNode, CheckResult, ExplanationFact
from rae_auto.explain.job_view import JobView
from rae_auto.model.guard import EXECUTOR_GUARD
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.reasons import (
    Disabled,
    FeedbackLoop,
    GuardBlocked,
    GuardsPending,
    InternalFault,
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

PASSED: Mapping[str, str] = {
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

NEEDS_NOTHING = "the job needs no other job"


def find_check(checks: Mapping[str, tuple[type[Reason], ...]], reason: Reason) -> str | None:
    """Return the check that gives a reason; None if none of these does."""
    return next((name for name, reasons in checks.items() if isinstance(reason, reasons)), None)


def routine(name: str, result: CheckResult, text: str) -> CheckNode:
    """Return a check with nothing to say but that it passed, or was not reached."""
    return CheckNode(name, result, text, is_routine=True)


def not_reached(name: str, text: str, view: JobView) -> CheckNode:
    """Return a check that was not made, with what it would have looked at, as the job is defined now."""
    return CheckNode(name, UNKNOWN, text, None, tuple(_parts_of(name, view)), is_routine=True)


def start_not_reached(text: str, view: JobView) -> tuple[CheckNode, CheckNode]:
    """Return the checks of a start and of attempts where there was no run to start."""
    # Why stands once, at the start itself; and guards and needs once, at the decision, which looks at them first.
    checks = (
        routine(name, UNKNOWN, _OPEN) if name in DECISION_CHECKS else not_reached(name, _OPEN, view)
        for name in START_CHECKS
    )
    return CheckNode("start", UNKNOWN, text, None, tuple(checks)), attempts_not_reached(text, view)


_OPEN = "not reached"


def attempts_not_reached(text: str, view: JobView) -> CheckNode:
    """Return the checks of attempts where none was made."""
    retry = CheckNode("retry", UNKNOWN, _OPEN, None, (), retry_facts(view), is_routine=True)
    return CheckNode("attempts", UNKNOWN, text, None, (retry,))


def retry_facts(view: JobView) -> tuple[ExplanationFact, ...]:
    """Return how often an attempt is repeated, as the job is defined now."""
    if view.definition is None:
        return ()
    attempts = view.definition.retry_policy.attempts
    return (ExplanationFact("retry", f"{format_count(attempts, 'attempt')} at most, as the job is defined now"),)


def guard_facts(name: str, view: JobView) -> tuple[ExplanationFact, ...]:
    """Return what a guard looks at, in its own words, where these say more than its name."""
    summary = view.guard_summaries.get(name, name)
    return () if summary == name else (ExplanationFact("guard", summary),)


def _parts_of(name: str, view: JobView) -> list[CheckNode]:
    job = view.definition
    if name == "guards":
        asked = [guard for guard in view.guards if guard != EXECUTOR_GUARD]
        return [CheckNode(guard, UNKNOWN, "not asked", None, (), guard_facts(guard, view)) for guard in asked]
    if name == "needs" and job is not None:
        return [CheckNode(need, UNKNOWN, "not looked at") for need in job.needs]
    if name == "resources" and job is not None:
        return [CheckNode(one, UNKNOWN, f"it would take {units}") for one, units in job.resources.items()]
    return []
