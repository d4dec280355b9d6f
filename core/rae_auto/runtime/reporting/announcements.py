"""Reports of the engine's steps: log lines, and messages of the event stream."""

from typing import Any

from rae_auto.api.events import Event
from rae_auto.engine.effects import (
    ClockJumped,
    DeliveryFailed,
    Discard,
    ExpectationBreached,
    ExpectationMet,
    JobChanged,
    QueueLeft,
    Reply,
    Start,
    Step,
)
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.primitives.names import RunId
from rae_auto.model.records import run_record
from rae_auto.model.run import Run, RunState
from rae_auto.runtime.reporting.decision_log import DecisionLog
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.reporting.run_log import (
    log_breach,
    log_breach_end,
    log_failed_delivery,
    log_jump,
    log_queue_end,
    log_run,
)

_UNANNOUNCED = frozenset({Start, Reply})
"""The effects of almost every step, of which nothing is reported."""


def announce(step: Step, broadcast: EventStream, decisions: DecisionLog) -> None:
    """Report a step whose changes are durable, to the log and to the event stream."""
    started = {effect.run.id for effect in step.effects if type(effect) is Start}
    for change in step.changes:
        if type(change.value) is Run and type(change) is not Discard:
            decisions.end(change.value.job)
            _announce_run(change.value, broadcast, started)
    for decision in step.decisions:
        _announce_decision(decision, broadcast, decisions)
    for effect in step.effects:
        if type(effect) in _UNANNOUNCED:
            continue
        match effect:
            case JobChanged(job, what):
                broadcast.publish({"kind": "job", "job": job, "change": what})
            case ExpectationBreached(job, breach):
                log_breach(job.id, breach)
                broadcast.publish({"kind": breach.code, "job": job.id, "text": breach.text, "over": False})
            case ExpectationMet(job, breach, run):
                log_breach_end(breach, run)
                broadcast.publish({"kind": breach.code, "job": job.id, "text": breach.text, "over": True})
            case QueueLeft():
                log_queue_end(effect)
            case DeliveryFailed(notice, others):
                log_failed_delivery(notice, others)
            case ClockJumped(jump, by):
                log_jump(jump, by)


def announce_event(broadcast: EventStream, event: Event) -> None:
    """Report a recorded event to the event stream."""
    if broadcast.has_subscribers:
        broadcast.publish({"kind": "event", "event": {**documents.dump(event), "data": event.data}})


def _announce_run(run: Run, broadcast: EventStream, started: set[RunId]) -> None:
    # A run that is starting is saved again when it is to end, or was found after a restart: it has not started twice.
    if run.state is not RunState.STARTING or run.is_in_queue:
        log_run(run)
    elif run.id in started:
        started.discard(run.id)
        log_run(run)
    if broadcast.has_subscribers:
        broadcast.publish({"kind": "run", "run": run_record(run)})


def _announce_decision(decision: Decision, broadcast: EventStream, decisions: DecisionLog) -> None:
    decisions.add(decision)
    if broadcast.has_subscribers:
        broadcast.publish(_decision_event(decision))


def _decision_event(decision: Decision) -> dict[str, Any]:
    """Return a decision as a message of the event stream."""
    return {
        "kind": "decision",
        "job": decision.job,
        "trigger": decision.trigger,
        "at": decision.at.isoformat(),
        "outcome": decision.outcome.value,
        "reason": decision.reason.code,
        "text": decision.reason.text,
        "run_id": decision.run,
    }
