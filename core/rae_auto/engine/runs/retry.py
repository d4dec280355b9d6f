"""Retries: whether an attempt is repeated, and after how long."""

from collections.abc import Iterable
from datetime import timedelta

from rae_auto.model.policies import Backoff, RetryOn, RetryPolicy
from rae_auto.model.primitives.names import digest
from rae_auto.model.run import Attempt, Result, Run, RunState

MAX_RECOVERIES = 3
"""Number of times that a run is started again after a crash; a job that kills the daemon must not loop.

Attempts that never started count too. To repeat them doubles nothing, but a start that ends the daemon before there is
a trace of it, in an executor or a driver, looks the same as a power cut, and comes back at each restart.
"""

_COUNTED_AS = {
    RunState.FAILED: RetryOn.FAILURE,
    RunState.TIMED_OUT: RetryOn.TIMEOUT,
    RunState.LOST: RetryOn.LOST,
}


def should_retry(policy: RetryPolicy, run: Run, end: RunState, result: Result | None) -> bool:
    """Tell whether the policy wants another attempt after this end."""
    if run.attempt >= policy.attempts or _COUNTED_AS.get(end) not in policy.on:
        return False
    exit_code = result.exit_code if result else None
    return end is not RunState.FAILED or policy.exit_codes is None or exit_code in policy.exit_codes


def can_recover(attempts: Iterable[Attempt]) -> bool:
    """Tell whether a run with these attempts, of which the last was lost, may be started once more."""
    return sum(attempt.state is RunState.LOST for attempt in attempts) < MAX_RECOVERIES


def retry_delay(policy: RetryPolicy, run: Run) -> timedelta:
    """Return how long to wait after the run's current attempt.

    Jitter lengthens the delay by a share that is a hash of run and attempt: spread over jobs, the same in a replay.
    """
    steps = max(run.attempt - 1, 0)
    if policy.backoff is Backoff.EXPONENTIAL:
        # Beyond 2**63 the cap has long decided.
        factor = 2 ** min(steps, 63)
    else:
        factor = steps + 1 if policy.backoff is Backoff.LINEAR else 1
    seconds = min(policy.delay.total_seconds() * factor, policy.max_delay.total_seconds())
    return timedelta(seconds=seconds * (1 + policy.jitter * hash_fraction(run.id, str(run.attempt))))


def hash_fraction(*words: str) -> float:
    """Return a number in [0, 1) that looks random and depends on the words alone."""
    # 53 bits: more would round up to 1.0 in a float.
    return (int.from_bytes(digest("\0".join(words), 8), "big") >> 11) / 2**53
