"""The log lines about runs and decisions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from loguru import logger

from rae_auto.engine.effects import QueueLeft
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.expectations import Breach, Overdue
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.escaping import shorten_line
from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.model.reasons import HandedOver, InQueue
from rae_auto.model.run import Run, RunState
from rae_auto.runtime.reporting.log_setup import in_log_zone

SHOWN_ID_CHARACTERS = 12
"""The part of a run's id that a line shows; commands take it for the id."""

_MAX_SUBJECT_CHARACTERS = 80

_LEVELS = {
    RunState.STARTING: "INFO",
    RunState.SUCCEEDED: "INFO",
    RunState.FAILED: "ERROR",
    RunState.TIMED_OUT: "ERROR",
    RunState.LOST: "ERROR",
    RunState.CANCELLED: "WARNING",
    RunState.INTERRUPTED: "WARNING",
    RunState.SKIPPED: "INFO",
}

_UNLOGGED = (RunState.QUEUED, RunState.RUNNING)

_lazy = logger.opt(lazy=True)

_JUMP_TEXTS = {
    ClockJump.SLEPT: "the machine slept for {}",
    ClockJump.SET_FORWARD: "the clock was set forward by {}",
    ClockJump.SET_BACK: "the clock was set back by {}; no occurrence is repeated",
}


def log_run(run: Run) -> None:
    """Log that a run started, will be retried, or ended."""
    if run.state in _UNLOGGED:
        return
    level = "WARNING" if run.state is RunState.RETRYING else _LEVELS[run.state]
    # Lazy, because a program with a scheduler mostly has no log, and a line costs more than the decision.
    log = _lazy.bind(job=run.job, run=run.id, state=run.state.value)
    log.log(level, "{}", lambda: _describe(run))


def _describe(run: Run) -> str:
    """Return that a run started, will be retried, or ended, in words."""
    name = _name(run)
    if isinstance(run.reason, HandedOver):
        place = "in the queue of" if isinstance(run.reason, InQueue) else "not confirmed by"
        return f"waits {name}: {place} {run.reason.queue}, for {run.reason.wanted}"
    if run.state is RunState.STARTING:
        return f"started {name}" if run.attempt == 1 else f"started {name}, attempt {run.attempt}"
    if run.state is RunState.RETRYING:
        return f"attempt {run.attempt} {run.attempts[-1].end_text} {name}; next at {_next_attempt_time(run)}"
    return f"{run.state.text} {name}{_details(run)}"


def _name(run: Run) -> str:
    """Return what identifies the run among those of its job: the start of its id, and its subject, such as a file."""
    subject = _subject(run.event or {})
    return f"({run.id[:SHOWN_ID_CHARACTERS]}{f', {subject}' if subject else ''})"


def _subject(event: Mapping[str, Any]) -> str:
    """Return the first text of an event, or the first of the first list of texts and how many more there are."""
    for value in event.values():
        if isinstance(value, str) and value:
            return shorten_line(value, _MAX_SUBJECT_CHARACTERS)
        if isinstance(value, list) and value and isinstance(value[0], str):
            more = f" and {len(value) - 1} more" if len(value) > 1 else ""
            return f"{shorten_line(value[0], _MAX_SUBJECT_CHARACTERS)}{more}"
    return ""


def log_jump(jump: ClockJump, by: timedelta) -> None:
    """Log a jump of the clock."""
    logger.warning(_JUMP_TEXTS[jump], format_elapsed(by))


def log_queue_end(end: QueueLeft) -> None:
    """Log that an attempt left a queue elsewhere, or that the machine that was asked to start it has confirmed it."""
    name, queue = _name(end.run), end.reason.queue
    log = logger.bind(job=end.run.job, run=end.run.id)
    if isinstance(end.reason, InQueue):
        taken_by = f", by {shorten_line(end.taken_by, _MAX_SUBJECT_CHARACTERS)}" if end.taken_by else ""
        log.info("taken {}: from the queue of {} after {}{}", name, queue, format_elapsed(end.waited), taken_by)
    else:
        log.info("confirmed {}: {} has started it", name, queue)


def log_breach(job: str, breach: Breach) -> None:
    """Log that a job is overdue, or that a run of it is running for too long."""
    if isinstance(breach, Overdue):
        logger.bind(job=job).warning("overdue: {}", breach.describe(_local_time))
    else:
        logger.bind(job=job, run=breach.run).warning("runs too long: {}", breach.describe(_local_time))


def log_breach_end(breach: Breach, run: Run) -> None:
    """Log that a breach is over."""
    what = "no longer overdue" if isinstance(breach, Overdue) else "ended after running too long"
    logger.bind(job=run.job, run=run.id).info("{} {}", what, _name(run))


def log_failed_delivery(notice: OutboxNotice, others: int) -> None:
    """Log that a notice, and `others` more, could not be delivered: the first time, and the last one."""
    text = f"{notice.text} (and {others} more)" if others else notice.text
    log = logger.bind(job=notice.job, **({"run": notice.run} if notice.run else {}))
    what = f'notifier "{notice.notifier}" failed'
    if notice.given_up_at is not None:
        tries = format_count(notice.tries, "time")
        log.error("{} {}: {}; not delivered, and not tried again: {}", what, tries, notice.error, text)
    elif notice.next_try_at is not None:
        level, again = "ERROR" if notice.tries == 1 else "DEBUG", in_log_zone(notice.next_try_at).strftime("%H:%M:%S")
        log.log(level, "{}: {}; not delivered yet, next try at {}: {}", what, notice.error, again, text)


def _next_attempt_time(run: Run) -> str:
    return "once" if run.not_before is None else in_log_zone(run.not_before).strftime("%H:%M:%S")


def _local_time(instant: datetime) -> str:
    """Return an instant as the log shows that of each line."""
    return in_log_zone(instant).strftime("%Y-%m-%d %H:%M:%S")


def _details(run: Run) -> str:
    parts = []
    if run.duration is not None:
        parts.append(f" after {format_elapsed(run.duration)}")
    if run.exit_code:
        parts.append(f", exit code {run.exit_code}")
    if run.reason is not None:
        parts.append(f": {run.reason.describe(_local_time)}")
    # An executor may add that a process could not be killed, for instance.
    last = run.attempts[-1].result if run.attempts else None
    if last is not None and last.error and last.error != (run.reason and run.reason.text):
        parts.append(f"; {last.error}")
    if run.remark:
        parts.append(f"; {run.remark}")
    return "".join(parts)


def log_decision(decision: Decision) -> None:
    """Log a decision not to run, with its reason."""
    if decision.outcome is Outcome.SKIP:
        logger.bind(job=decision.job, state=RunState.SKIPPED.value).info(
            "skipped: {}", decision.reason.describe(_local_time)
        )
