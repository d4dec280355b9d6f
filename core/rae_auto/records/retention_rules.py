"""Retention: which parts of the history may be removed. `runtime.retention` removes them."""

from collections.abc import Mapping, Set
from datetime import datetime

from attrs import evolve

from rae_auto.api.store import RetentionRule
from rae_auto.model import documents
from rae_auto.model.policies import Retention
from rae_auto.model.run import UNSUCCESSFUL, RunState

_SHORT_KEPT_STATES = (RunState.SUCCEEDED, RunState.SKIPPED)


def rules(retention: Retention, now: datetime, job: str | None = None) -> list[tuple[str, RetentionRule]]:
    """Return the retention rule of each log, for a job or a name of events if one is given.

    Failures have a rule of their own, so that successes can't displace them.
    """
    since = now - retention.keep
    found = [
        (documents.RUNS, RetentionRule(states=_SHORT_KEPT_STATES, since=since, newest=retention.runs)),
        (
            documents.RUNS,
            RetentionRule(
                states=tuple(sorted(UNSUCCESSFUL)), since=now - retention.keep_failures, newest=retention.runs
            ),
        ),
        (documents.DECISIONS, RetentionRule(since=since, newest=retention.runs)),
        (documents.EVENTS, RetentionRule(since=since, newest=retention.events)),
    ]
    return found if job is None else [(log, evolve(rule, job=job)) for log, rule in found]


def expired_output(sizes: Mapping[str, int], job_of: Mapping[str, str], open_runs: Set[str], most: int) -> list[str]:
    """Return the runs whose output has to be removed, given its `sizes` in bytes.

    It goes where nothing is known of its run, and, the oldest first, where a job has more than `most` bytes; never
    that of an open run. Ids of runs sort by age.
    """
    left = dict.fromkeys(job_of.values(), most)
    found = []
    for run in sorted(sizes, reverse=True):
        job = job_of.get(run)
        if job is not None:
            left[job] -= sizes[run]
        if run not in open_runs and (job is None or left[job] < 0):
            found.append(run)
    return found
