"""Histories of many runs in SQLite, and how long commits take beside their pruning."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rae_auto import Run, RunState
from rae_auto.api.store import Append, Put, RetentionRule
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job import JobId
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Due, Overlapping
from rae_auto.model.run import Attempt, Result
from rae_plugins.stores.sqlite import SqliteStore

JOBS = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def entries(count: int, jobs: int = JOBS) -> Iterator[Append]:
    """Runs of so many jobs in turns, of which one in fifty failed, and a tenth as many skips."""
    chance = random.Random(1)
    for number in range(count):
        job, at = JobId(f"job-{number % jobs}"), START + timedelta(seconds=20 * number)
        started, ended = at + timedelta(milliseconds=chance.randrange(9)), at + timedelta(seconds=chance.expovariate(1))
        state = RunState.SUCCEEDED if chance.random() < 0.98 else RunState.FAILED
        result = Result(exit_code=int(state is RunState.FAILED))
        run = Run(
            id=RunId(f"{number:026}"),
            job=job,
            trigger="cron",
            key=at.isoformat(),
            scheduled_for=at,
            queued_at=at,
            cause=Due(),
            state=state,
            started_at=started,
            attempt_started_at=started,
            finished_at=max(started, ended),
            attempt=1,
            exit_code=result.exit_code,
            attempts=(Attempt(1, started, max(started, ended), state, result),),
        )
        yield Append(documents.RUNS, run.id, job, state, at, documents.dump(run))
        if number % 10 == 0:
            skip = Decision(job, "cron", at.isoformat(), at, Outcome.SKIP, Overlapping(RunId("r"), at), at)
            yield Append(documents.DECISIONS, run.id, job, skip.reason.code, at, documents.dump(skip))


def fill(directory: Path, count: int, jobs: int = JOBS) -> SqliteStore:
    store = SqliteStore()
    store.open(directory)
    batch = []
    for entry in entries(count, jobs):
        batch.append(entry)
        if len(batch) == 10_000:
            store.commit(batch)
            batch.clear()
    store.commit(batch)
    return store


def commits_beside_pruning(store: SqliteStore, count: int) -> list[float]:
    """Prune a fifth of the runs; return how long commits took that came while a step was going on, in seconds.

    The store's thread does one thing after the other, so each waits for the whole step before it.
    """
    rule = RetentionRule(since=START + timedelta(seconds=4 * count), newest=count)
    took = []
    began = time.perf_counter()
    while store.prune(documents.RUNS, rule):
        store.commit([Put("benchmark", "commit", {"step": len(took)})])
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
    return took
