"""Errors in exit records of attempts that ended because of their worker: nothing of them runs, and they didn't fail."""

WORKER_ENDED = "ended with its worker"
LEASE_OVER = "ended because its worker was not in touch with the scheduler any more"

NO_LEASE = "not started, because its worker was not in touch with the scheduler"
"""The answer to a request that came too late; it is no exit record."""

REASONS = (WORKER_ENDED, LEASE_OVER)
