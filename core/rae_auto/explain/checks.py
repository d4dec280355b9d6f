"""The chain of facts behind an answer: trigger, occurrence, what each policy said, wait, start, end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.engine.runs.guards import KEPT_BACK_BY
from rae_auto.engine.words import cause_in_words, in_words, reason_in_words
from rae_auto.explain.job_view import JobView, repetition
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Attempt, Run, RunState
from rae_auto.registry.trigger_text import schedule_text

_ORDER = (
    ({Reason.DISABLED}, "enabled", "yes"),
    ({Reason.PAUSED}, "paused", "no"),
    ({Reason.OVERLAP, Reason.QUEUE_FULL, Reason.CEILING}, "overlap", "nothing in the way"),
    ({Reason.QUEUE_LIMIT}, "queue", "there is room"),
    ({Reason.NEED_FAILED, Reason.NEED_NEVER_RAN}, "needs", "met"),
    ({Reason.GUARD}, "guards", "let it start"),
    ({Reason.RATE}, "rate", "not too often"),
)
"""The policies in the order in which the engine asks them: which reasons are whose, and what each says else."""


_LONGEST_EVENT = 300
"""Characters that are shown of what a source told."""


@frozen
class Fact:
    """One link of the chain."""

    of: str
    text: str

    def __str__(self) -> str:
        return f"{self.of}: {self.text}"


def of_run(run: Run, standing: JobView) -> Iterator[Fact]:
    """All that is known of a run."""
    yield from _occurrence(run.trigger, run.key, run.scheduled_for, standing)
    if run.event:
        yield Fact("event", _short(json.dumps(run.event, ensure_ascii=False)))
    yield Fact("decided", f"run at {standing.time(run.queued_at)}: {cause_in_words(run.cause)} ({run.cause})")
    if run.facts.get("because"):
        yield Fact("missed", f"{run.facts['because']}")
    yield from _policies_of(run)
    if run.trigger == MANUAL and standing.definition and standing.definition.guards:
        yield Fact("guards", "not asked, since somebody wants the run")
    yield from _wait(run, standing)
    if run.started_at is not None:
        waited = max(0.0, (run.started_at - run.queued_at).total_seconds())
        yield Fact("started", f"at {standing.time(run.started_at)}, after {waited:.1f} s of waiting")
    for attempt in run.attempts:
        yield Fact(f"attempt {attempt.number}", _attempt(attempt))
    if run.finished_at is not None:
        why = f": {reason_in_words(run.reason)}" if run.reason else ""
        yield Fact("ended", f"{words(run.state)} at {standing.time(run.finished_at)}{why}")
    for seen in standing.repeated:
        if seen.run == run.id:
            last = standing.time(seen.repeated_at)
            yield Fact(
                "repeated", f"{repetition(seen)} was told {seen.repeats} more times, at last {last}; it ran once"
            )


def of_skip(decision: Decision, standing: JobView) -> Iterator[Fact]:
    """All that is known of a decision not to run."""
    yield from _occurrence(decision.trigger, decision.key, decision.at, standing)
    yield Fact("decided", f"skip at {standing.time(decision.decided_at)} ({decision.reason})")
    if decision.reason is Reason.MISSED:
        counted = f"{'more than ' if decision.facts.get('more') else ''}{decision.facts.get('counted')}"
        yield Fact("catch_up", f"{in_words(decision)}: {counted} given up")
        return
    for reasons, policy, else_says in _ORDER:
        if decision.reason in reasons:
            yield Fact(policy, in_words(decision))
            return
        if decision.trigger == MANUAL and policy in ("enabled", "paused"):
            yield Fact(policy, "doesn't count for what is asked for by hand")
        else:
            yield Fact(policy, else_says)


def outlook(standing: JobView) -> Iterator[Fact]:
    """What is to come."""
    if standing.next_at is not None:
        yield Fact("next", f"due at {standing.time(standing.next_at)}")
    if not standing.has_daemon:
        yield Fact("daemon", "no daemon is running; 'rae-auto run' starts one")


def words(state: RunState) -> str:
    """A state as a word for people."""
    return str(state).replace("_", " ")


def _occurrence(trigger: str, key: str, at: datetime, standing: JobView) -> Iterator[Fact]:
    refs = standing.definition.schedule if standing.definition else ()
    ref = next((ref for ref in refs if ref.id == trigger), None)
    yield Fact("trigger", f"{trigger}{f' ({schedule_text(ref)})' if ref and schedule_text(ref) != trigger else ''}")
    named = "" if trigger in standing.schedules or trigger == MANUAL else f", key {key!r}"
    yield Fact("occurrence", f"for {standing.time(at)}{named}")
    for remark in (standing.note(trigger, at), standing.elsewhere(trigger, at)):
        if remark is not None:
            yield Fact("clock", remark)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_EVENT else f"{text[:_LONGEST_EVENT]}…"


def _policies_of(run: Run) -> Iterator[Fact]:
    if run.trigger == MANUAL:
        yield Fact("enabled", "asked for by hand, so that neither enabled nor paused counts")
    else:
        yield Fact("enabled", "yes, and not paused")
    others = run.facts.get("others", 0)
    open_ones = (
        f"{others} other {'run was' if others == 1 else 'runs were'} open" if others else "no other run was open"
    )
    yield Fact("overlap", f"{run.facts.get('overlap', 'skip')}: {open_ones}")
    if run.facts.get("needs"):
        yield Fact("needs", f"{_list(run.facts, 'needs')}{_met(run)}")
    for name, result in dict(run.facts.get("guards", {})).items():
        yield Fact(f"guard {name}", f"{result}")
    if run.facts.get("resources"):
        yield Fact("resources", f"{_list(run.facts, 'resources')}")


def _met(run: Run) -> str:
    if run.started_at is not None:
        return ": the latest run of each had succeeded when this one started"
    return f": {reason_in_words(run.reason)}" if run.state is RunState.SKIPPED and run.reason else ""


def _list(facts: Mapping[str, Any], name: str) -> str:
    values: Sequence[Any] = facts[name]
    return ", ".join(map(str, values))


def _wait(run: Run, standing: JobView) -> Iterator[Fact]:
    reasons = [_wait_in_words(reason, run) for reason in run.waited_for]
    if not run.state.final and not run.state.active:
        reasons.append(standing.waiting.get(run.id, (None, "for its turn"))[1])
    waited = run.started_at is not None and (run.started_at - run.queued_at).total_seconds() >= 1
    if waited and not reasons:
        reasons = ["as many runs as max_parallel allows were active"]
    if reasons:
        yield Fact("waited", "; ".join(dict.fromkeys(reasons)))


def _wait_in_words(reason: str, run: Run) -> str:
    guard = run.facts.get(KEPT_BACK_BY)
    return f"guard {guard} (guards)" if reason == Reason.GUARD and guard else reason_in_words(reason)


def _attempt(attempt: Attempt) -> str:
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    line = f"{words(attempt.state)} after {took:.1f} s"
    if attempt.result is None:
        return line
    used = []
    if attempt.result.cpu_time is not None:
        used.append(f"{attempt.result.cpu_time.total_seconds():.1f} s on the processor")
    if attempt.result.max_memory is not None:
        used.append(f"{attempt.result.max_memory / (1 << 20):.1f} MB of memory")
    error = attempt.result.error
    usage = f" (used {', '.join(used)})" if used else ""
    return f"{line}{usage}{f': {error}' if error else ''}"
