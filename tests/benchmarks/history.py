"""A million runs in SQLite, and how soon history and stats answer: `python tests/benchmarks/history.py`."""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto import Retention, Run, RunState, Scheduler
from rae_auto.api.store import Append, Put, RetentionRule
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job import JobId
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Due, Overlapping
from rae_auto.model.run import Attempt, Result
from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite import SqliteStore

JOBS = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def entries(count: int) -> Iterator[Append]:
    """Runs, of which one in fifty failed, and a tenth as many skips."""
    chance = random.Random(1)
    for number in range(count):
        job, at = JobId(f"job-{number % JOBS}"), START + timedelta(seconds=20 * number)
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


def fill(directory: Path, count: int) -> SqliteStore:
    store = SqliteStore()
    store.open(directory)
    batch = []
    for entry in entries(count):
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


async def timed(what: str, ask: Callable[[], Awaitable[Any]]) -> None:
    """Print the best and the worst of five."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    print(f"{what:44} {min(took) * 1000:6.1f} to {max(took) * 1000:6.1f} ms")


async def ask(directory: Path, count: int) -> None:
    middle = START + timedelta(seconds=10 * count)
    # What is measured is a history of this size, not how it shrinks.
    retention = Retention(keep="36500d", keep_failures="36500d", runs=1_000_000)
    scheduler = Scheduler(directory=directory, retention=retention)
    async with scheduler as s:
        await timed("history", s.history)
        await timed("history JOB", lambda: s.history("job-7"))
        await timed("history JOB --state failed", lambda: s.history("job-7", states=["failed"]))
        await timed("history --state failed", lambda: s.history(states=["failed"]))
        await timed("history --state failed --state lost", lambda: s.history(states=["failed", "lost"]))
        await timed("history --state lost (there is none)", lambda: s.history(states=["lost"]))
        await timed("history --until, half way", lambda: s.history(until=middle))
        await timed("history JOB --since, half way", lambda: s.history("job-7", since=middle))
        await timed("stats", s.statistics)
        await timed("stats JOB", lambda: s.statistics("job-7"))


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        store = fill(claim_state_directory(Path(place) / "state"), count)
        print(f"{count} runs written in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        store.prune(documents.RUNS, RetentionRule(since=START, newest=count, states=("succeeded", "skipped")))
        print(f"{'a step of pruning that finds nothing':44} {(time.perf_counter() - began) * 1000:6.1f} ms")
        took = sorted(commits_beside_pruning(store, count))
        middle, late = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
        print(f"{'a commit beside pruning, p50 and p99':44} {middle:6.1f}    {late:6.1f} ms, {len(took)} steps")
        store.close()
        asyncio.run(ask(Path(place) / "state", count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
