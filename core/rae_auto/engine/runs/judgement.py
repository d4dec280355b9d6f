"""Judgement of results: what counts as success is decided by the job, in one place."""

from rae_auto.model.job import Job
from rae_auto.model.policies import FailOn
from rae_auto.model.reasons import AttemptError, End, Killed, OtherExitCode, SuccessCode, WroteToStderr
from rae_auto.model.run import Result, RunState


def judge_result(job: Job, result: Result) -> tuple[RunState, End | None]:
    """Return whether an attempt succeeded, and why, where its exit code alone doesn't say it.

    An error that its executor reports, and a signal, are failures whatever the job says.
    """
    if result.error or result.signal is not None:
        return RunState.FAILED, explain_failure(result)
    code, codes = result.exit_code, job.success_codes
    if code is None or code not in codes:
        return RunState.FAILED, None if code is None or codes == (0,) else OtherExitCode(code, codes)
    if FailOn.STDERR in job.fail_on and result.stderr is not None:
        return RunState.FAILED, WroteToStderr(result.stderr)
    return RunState.SUCCEEDED, SuccessCode(code) if code else None


def explain_failure(result: Result) -> End | None:
    """Return the error of an attempt, or the signal that ended it; None if it ended by itself."""
    if result.error:
        return AttemptError(result.error)
    return Killed(result.signal) if result.signal is not None else None
