"""The log lines that tell of runs."""

from datetime import timedelta

from loguru import logger

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.run import Run, RunState

_ENDED = {
    RunState.SUCCEEDED: "INFO",
    RunState.FAILED: "ERROR",
    RunState.TIMED_OUT: "ERROR",
    RunState.LOST: "ERROR",
    RunState.CANCELLED: "WARNING",
    RunState.INTERRUPTED: "WARNING",
    RunState.SKIPPED: "INFO",
}


_JUMPED = {
    ClockJump.SLEPT: "the machine slept for {}",
    ClockJump.SET_FORWARD: "the clock was set forward by {}",
    ClockJump.SET_BACK: "the clock was set back by {}; nothing that was decided is decided again",
}


def log_run(run: Run) -> None:
    """Log that a run started, is to be tried again, or is over."""
    log = logger.bind(job=run.job, run=run.id)
    if run.state is RunState.STARTING:
        log.info("started" if run.attempt == 1 else "started, attempt {}", run.attempt)
    elif run.state is RunState.RETRYING:
        log.warning("attempt {} {}; the next is at {}", run.attempt, _how(run), _clock(run))
    elif run.state.final:
        log.log(_ENDED[run.state], "{}{}", str(run.state).replace("_", " "), _details(run))


def log_jump(jump: ClockJump, by: timedelta) -> None:
    """Log that time made a jump."""
    logger.warning(_JUMPED[jump], format_duration(timedelta(seconds=round(by.total_seconds()))))


def _how(run: Run) -> str:
    last = run.attempts[-1]
    code = last.result.exit_code if last.result else None
    return f"{last.state}".replace("_", " ") + (f" (exit code {code})" if code else "")


def _clock(run: Run) -> str:
    return "once" if run.not_before is None else run.not_before.astimezone().strftime("%H:%M:%S")


def _details(run: Run) -> str:
    parts = []
    if run.started_at is not None and run.finished_at is not None:
        parts.append(f" after {(run.finished_at - run.started_at).total_seconds():.1f} s")
    if run.exit_code:
        parts.append(f", exit code {run.exit_code}")
    if run.reason is not None:
        parts.append(f": {run.reason.text}")
    # What was ended can still have something to say, such as that not all of it could be.
    last = run.attempts[-1].result if run.attempts else None
    if last is not None and last.error and last.error != (run.reason and run.reason.text):
        parts.append(f"; {last.error}")
    return "".join(parts)


def log_decision(decision: Decision) -> None:
    """Log why nothing was started, where that was decided."""
    if decision.outcome is Outcome.SKIP:
        logger.bind(job=decision.job).info("not started: {}", decision.reason.text)
