"""JSON views of runs and jobs: plain objects, with instants in ISO 8601 with offset."""

from datetime import datetime, timedelta
from typing import Any

from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.job_info import JobInfo
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.reasons.base import TimeFormat, time_text
from rae_auto.model.reasons.causes import Manual
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import Attempt, Result, Run, RunState

_NO_RESULT = Result()


def _instant(value: datetime | None) -> str | None:
    # Instants of records are in UTC, and mostly in the store's document already.
    return None if value is None else format_instant(value)


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


def run_record(run: Run, time: TimeFormat = time_text, seen_until: datetime | None = None) -> dict[str, Any]:
    """Return the JSON of a run, as `history --json` prints it; its durations stay true if the clock is set.

    `time` shows the instants in the text of the reason. `seen_until` is when a daemon saw active runs last, if
    none sees them now.
    """
    last = run.attempts[-1].result if run.attempts else None
    return {
        "run_id": run.id,
        "job": run.job,
        "trigger": run.trigger,
        "scheduled_for": format_instant(run.scheduled_for),
        "queued_at": format_instant(run.queued_at),
        "started_at": _instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "state": run.state.value,
        "seen_until": _instant(seen_until) if run.state.active else None,
        "attempt": run.attempt,
        "exit_code": run.exit_code,
        "reason": None if run.reason is None else run.reason.code,
        "reason_text": None if run.reason is None else run.describe_reason(time) or None,
        "remark": None if last is None else last.remark,
        "value": None if last is None else last.value,
        "given": _given_record(run),
        "triggered_by": requester_record(run.cause.by) if isinstance(run.cause, Manual) else None,
        "duration": _seconds(run.duration),
        "overran_at": _instant(run.overran_at),
        "attempts": [_attempt_record(run, attempt) for attempt in run.attempts],
    }


def waiting_record(run: Run, waiting_for: str | None) -> dict[str, Any]:
    """Return the JSON of a run that waits: `not_before` is the end of a delay that was chosen for it."""
    return {
        **run_record(run),
        "waiting_since": format_instant(run.waiting_since),
        "not_before": _instant(run.not_before),
        "waiting_for": waiting_for,
    }


def _given_record(run: Run) -> dict[str, Any] | None:
    """Return the inputs given by hand, without the values of variables, which may be secrets; None without inputs."""
    event = run.event if run.trigger == MANUAL else None
    if not run.inputs and not event:
        return None
    return {"env": sorted(run.inputs.env), "args": list(run.inputs.args), "event": event or None}


def decision_record(decision: Decision, time: TimeFormat = time_text) -> dict[str, Any]:
    """Return the JSON of a decision that led to no run, as `history --decisions` prints it beside runs."""
    return {
        "run_id": None,
        "job": decision.job,
        "trigger": decision.trigger,
        "scheduled_for": _instant(decision.at),
        "decided_at": _instant(decision.decided_at),
        "since": _instant(decision.since),
        "count": decision.count,
        "state": RunState.SKIPPED.value,
        "reason": decision.reason.code,
        "reason_text": decision.reason.describe_past(time),
    }


def _attempt_record(run: Run, attempt: Attempt) -> dict[str, Any]:
    result = attempt.result or _NO_RESULT
    return {
        "number": attempt.number,
        "state": attempt.state.value,
        "started_at": format_instant(attempt.started_at),
        "finished_at": format_instant(attempt.finished_at),
        "seen_until": _instant(attempt.seen_until),
        "duration": _seconds(run.duration_of(attempt)),
        "exit_code": result.exit_code,
        "signal": result.signal,
        "error": result.error,
        "remark": result.remark,
        "cpu_time": _seconds(result.cpu_time),
        "max_memory": result.max_memory,
        "exited_at": _instant(attempt.exited_at),
        "end_requested_at": _instant(attempt.end_requested_at),
        "killed_at": _instant(attempt.killed_at),
        "gone_at": _instant(attempt.gone_at),
    }


def undelivered_record(notice: OutboxNotice) -> dict[str, Any]:
    """Return the JSON of a notice that is not delivered yet."""
    return {
        "id": notice.id,
        "notifier": notice.notifier,
        "kind": notice.kind.value,
        "job": notice.job,
        "run_id": notice.run,
        "text": notice.text,
        "decided_at": _instant(notice.decided_at),
        "state": notice.progress.value,
        "hold": notice.hold and notice.hold.value,
        "held_until": _instant(notice.held_until),
        "tries": notice.tries,
        "error": notice.error,
        "next_try_at": _instant(notice.next_try_at),
        "given_up_at": _instant(notice.given_up_at),
        "left_out": notice.left_out,
    }


def requester_record(by: Requester | None) -> dict[str, Any] | None:
    """Return the JSON of the requester of a job or a run; `run_id` is empty for a run that can't be identified."""
    if by is None:
        return None
    return {
        "at": _instant(by.at),
        "via": by.via.value,
        "user": by.user,
        "client": by.client,
        "run_id": by.run,
        "job": by.job,
        "text": by.describe(),
    }


def job_record(info: JobInfo) -> dict[str, Any]:
    """Return the JSON of a job in a list."""
    status = info.status
    return {
        "id": info.id,
        "name": info.name,
        "origin": info.origin,
        "enabled": status.enabled,
        "paused": status.paused,
        "paused_until": _instant(status.paused_until),
        "pause_note": status.pause_note,
        "paused_at": _instant(status.paused_at),
        "skips": [{"at": _instant(s.at), "requested_at": _instant(s.requested_at)} for s in status.skips],
        "expected_by": _instant(status.expected_by),
        "overdue_at": _instant(status.overdue_at),
        "overrunning": list(status.overrunning),
        "activity": status.activity.value,
        "schedule": list(info.schedule),
        "guards": list(info.guards),
        "executor": info.executor,
        "next_at": _instant(status.next_at),
        "delayed_until": _instant(status.delayed_until),
        "counts_from": {trigger: _instant(at) for trigger, at in status.counts_from.items()},
        "last_state": status.last_state,
        "last_run": status.last_run,
        "last_finished_at": _instant(status.last_finished_at),
        "failures": status.failures,
        "open": list(status.open),
        "added_by": requester_record(info.added_by),
        "priority": info.priority.name.lower(),
        "problems": list(info.problems),
    }
