"""The log lines about runs and decisions."""

from datetime import datetime, timedelta

from loguru import logger

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.run import Run, RunState

_LEVELS = {
    RunState.SUCCEEDED: "INFO",
    RunState.FAILED: "ERROR",
    RunState.TIMED_OUT: "ERROR",
    RunState.LOST: "ERROR",
    RunState.CANCELLED: "WARNING",
    RunState.INTERRUPTED: "WARNING",
    RunState.SKIPPED: "INFO",
}


_JUMP_TEXTS = {
    ClockJump.SLEPT: "the machine slept for {}",
    ClockJump.SET_FORWARD: "the clock was set forward by {}",
    ClockJump.SET_BACK: "the clock was set back by {}; no occurrence is repeated",
}


def log_run(run: Run) -> None:
    """Log that a run started, will be retried, or ended."""
    log = logger.bind(job=run.job, run=run.id)
    if run.state is RunState.STARTING:
        log.info("started" if run.attempt == 1 else "started, attempt {}", run.attempt)
    elif run.state is RunState.RETRYING:
        log.warning("attempt {} {}; next at {}", run.attempt, run.attempts[-1].end_text, _next_attempt_time(run))
    elif run.state.final:
        log.log(_LEVELS[run.state], "{}{}", run.state.text, _details(run))


def log_jump(jump: ClockJump, by: timedelta) -> None:
    """Log a jump of the clock."""
    logger.warning(_JUMP_TEXTS[jump], format_elapsed(by))


def _next_attempt_time(run: Run) -> str:
    return "once" if run.not_before is None else run.not_before.astimezone().strftime("%H:%M:%S")


def _local_time(instant: datetime) -> str:
    """Return an instant as the log shows that of each line."""
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _details(run: Run) -> str:
    parts = []
    if run.started_at is not None and run.finished_at is not None:
        parts.append(f" after {format_elapsed(run.finished_at - run.started_at)}")
    if run.exit_code:
        parts.append(f", exit code {run.exit_code}")
    if run.reason is not None:
        parts.append(f": {run.reason.describe(_local_time)}")
    # An executor may add a remark, such as that a process could not be killed.
    last = run.attempts[-1].result if run.attempts else None
    if last is not None and last.error and last.error != (run.reason and run.reason.text):
        parts.append(f"; {last.error}")
    return "".join(parts)


def log_decision(decision: Decision) -> None:
    """Log a decision not to run, with its reason."""
    if decision.outcome is Outcome.SKIP:
        logger.bind(job=decision.job).info("skipped: {}", decision.reason.describe(_local_time))
