"""Errors in exit records of attempts that ended because of their worker: nothing of them runs, and they didn't fail."""

WORKER_ENDED = "ended with its worker"
LEASE_OVER = "ended because its worker was not in touch with the scheduler any more"

REASONS = (WORKER_ENDED, LEASE_OVER)
