"""The log lines that tell of runs."""

from loguru import logger

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


def log_run(run: Run) -> None:
    """Log that a run started, is to be tried again, or is over."""
    log = logger.bind(job=run.job, run=run.id)
    if run.state is RunState.STARTING:
        log.info("started" if run.attempt == 1 else "started, attempt {}", run.attempt)
    elif run.state is RunState.RETRYING:
        log.warning("attempt {} {}; the next is at {}", run.attempt, _how(run), _clock(run))
    elif run.state.final:
        log.log(_ENDED[run.state], "{}{}", str(run.state).replace("_", " "), _details(run))


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
    if run.reason and run.reason != run.state:
        parts.append(f": {run.reason}")
    return "".join(parts)
