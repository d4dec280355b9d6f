"""Why a job ran, didn't run, or waits: one line that answers, then the facts behind it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.engine.words import cause_in_words, in_words
from rae_auto.model.decision import Decision
from rae_auto.model.instants import parse_instant
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Attempt, Run, RunState

NEAR = timedelta(minutes=1)
"""How far from what was asked an occurrence may lie to be meant."""


@frozen(kw_only=True)
class Standing:
    """How a job stands, and what is on record of it: runs and decisions, the newest first."""

    job: str
    enabled: bool
    paused: bool
    next_at: datetime | None
    runs: Sequence[Run]
    decisions: Sequence[Decision]
    waiting: Mapping[str, str]
    """Why an open run waits, by its id."""


@frozen
class Why:
    """The answer, and the facts behind it, a line each."""

    answer: str
    facts: tuple[str, ...]


def why_run(run: Run, standing: Standing) -> Why:
    """Why this run is as it is."""
    return Why(_answer(run, standing), (*_facts(run), *_outlook(standing)))


def why_at(at: datetime, standing: Standing, due_before: datetime | None, due_after: datetime | None) -> Why:
    """What became of the occurrence at about `at`; `due_before` and `due_after` are the schedules' instants around."""
    run = min(standing.runs, key=lambda run: abs(run.scheduled_for - at), default=None)
    decision = min(standing.decisions, key=lambda decision: _distance(decision, at), default=None)
    to_run = abs(run.scheduled_for - at) if run else timedelta.max
    to_decision = _distance(decision, at) if decision else timedelta.max
    if decision is not None and to_decision < to_run and to_decision <= NEAR:
        return Why(
            f"{standing.job} did not run at {_time(at)}: {in_words(decision)}", (*_skip(decision), *_outlook(standing))
        )
    if run is not None and to_run <= NEAR:
        return why_run(run, standing)
    if due_before is not None and abs(due_before - at) <= NEAR:
        known = min((run.scheduled_for for run in standing.runs), default=None)
        why = (
            "nothing is on record of that time any more" if known is None or due_before < known else "it has no record"
        )
        return Why(f"{standing.job} was due at {_time(due_before)}, but {why}", tuple(_outlook(standing)))
    parts = [f"before that {_time(due_before)}"] if due_before else []
    parts += [f"after that {_time(due_after)}"] if due_after else []
    around = f" (due {', '.join(parts)})" if parts else ", and has no schedule"
    return Why(f"{standing.job} did not run at {_time(at)}: it was not due{around}", tuple(_outlook(standing)))


def why_now(standing: Standing) -> Why:
    """Why the job does what it does at present, or what became of its latest occurrence."""
    opened = [run for run in standing.runs if not run.state.final]
    if opened:
        return why_run(opened[-1], standing)
    if not standing.enabled or standing.paused:
        how = "is paused; 'rae-auto resume' lets it go on" if standing.paused else "is disabled (enabled = false)"
        return Why(f"{standing.job} {how}", tuple(_latest(standing)))
    run = standing.runs[0] if standing.runs else None
    decision = standing.decisions[0] if standing.decisions else None
    if decision is not None and (run is None or decision.decided_at > run.queued_at):
        answer = f"{standing.job} did not run at {_time(decision.at)}: {in_words(decision)}"
        return Why(answer, (*_skip(decision), *_outlook(standing)))
    if run is not None:
        return why_run(run, standing)
    return Why(f"{standing.job} has not run yet{_next(standing)}", ())


def _distance(decision: Decision, at: datetime) -> timedelta:
    if decision.reason is Reason.MISSED:
        first, last = parse_instant(decision.facts["from"]), parse_instant(decision.facts["until"])
        return timedelta(0) if first <= at <= last else min(abs(first - at), abs(last - at))
    return abs(decision.at - at)


def _answer(run: Run, standing: Standing) -> str:
    name = f"{run.job} (run {run.id})"
    if run.state.active:
        begun = run.attempt_started_at or run.queued_at
        return f"{name} is {run.state} since {_time(begun)}: {cause_in_words(run.cause)}"
    if not run.state.final:
        return f"{name} waits since {_time(run.queued_at)}: {standing.waiting.get(run.id, 'for its turn')}"
    ended = f"{name} {str(run.state).replace('_', ' ')} at {_time(run.finished_at)}"
    if run.state is RunState.SUCCEEDED:
        return f"{ended}; it ran since {cause_in_words(run.cause)}"
    code = f"exit code {run.exit_code}" if run.exit_code else None
    return f"{ended}: {', '.join(filter(None, [code, run.reason])) or cause_in_words(run.cause)}"


def _facts(run: Run) -> list[str]:
    facts = [
        f"trigger {run.trigger}, for {_time(run.scheduled_for)}: {cause_in_words(run.cause)} ({run.cause})",
        f"queued at {_time(run.queued_at)}",
    ]
    if run.started_at is not None:
        waited = (run.started_at - run.queued_at).total_seconds()
        facts.append(f"started at {_time(run.started_at)}, after {waited:.1f} s of waiting")
    facts.extend(map(_attempt, run.attempts))
    if run.finished_at is not None:
        facts.append(f"{run.state} at {_time(run.finished_at)}{f': {run.reason}' if run.reason else ''}")
    return facts


def _attempt(attempt: Attempt) -> str:
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    line = f"attempt {attempt.number} {attempt.state} after {took:.1f} s"
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


def _skip(decision: Decision) -> list[str]:
    return [
        f"trigger {decision.trigger}, for {_time(decision.at)}: skipped ({decision.reason})",
        f"decided at {_time(decision.decided_at)}",
        *(f"{name}: {value}" for name, value in decision.facts.items()),
    ]


def _latest(standing: Standing) -> list[str]:
    return _facts(standing.runs[0]) if standing.runs else []


def _outlook(standing: Standing) -> list[str]:
    return [f"{standing.job} is due next at {_time(standing.next_at)}"] if standing.next_at else []


def _next(standing: Standing) -> str:
    return (
        f"; it is due next at {_time(standing.next_at)}"
        if standing.next_at
        else ", and has no schedule: 'rae-auto trigger' starts it"
    )


def _time(instant: datetime | None) -> str:
    return "-" if instant is None else instant.astimezone().isoformat(" ", "seconds")


def as_json(why: Why) -> dict[str, Any]:
    """As the control command answers."""
    return {"answer": why.answer, "facts": list(why.facts)}
