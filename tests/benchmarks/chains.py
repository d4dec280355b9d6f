"""Delay between a job's end and the start of the next one of a chain: `python tests/benchmarks/chains.py [RUNS]`.

Each run of `child` follows one of `parent` by a job trigger, and each of `grandchild` one of `child` by a combination
of two. Thread executor, no-op function, SQLite store: the parent's end is durable before it is published, the
decision to run the child before it starts, and what a combination was told before it fires.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from rae_auto import Job, Scheduler, TriggerRef

BOTH = [{"type": "job", "jobs": ["parent"]}, {"type": "job", "jobs": ["child"]}]
JOBS = [
    Job(id="parent", python="time:time"),
    Job(id="child", python="time:time", schedule=TriggerRef("job", {"jobs": ["parent"]})),
    Job(
        id="grandchild",
        python="time:time",
        schedule=TriggerRef("combine", {"sequence": BOTH, "within": "1h"}),
    ),
]


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        async with Scheduler(directory=place, jobs=JOBS) as scheduler:
            for number in range(count):
                await scheduler.trigger("parent")
                # One after the other, so that nothing but the chain itself is measured.
                runs = {job.id: await ended(scheduler, job.id, number + 1) for job in JOBS}
    report("job", runs["parent"], runs["child"])
    report("combine", runs["child"], runs["grandchild"])


async def ended(scheduler: Scheduler, job: str, count: int) -> Sequence[Any]:
    """All runs of a job, once so many are over."""
    events = scheduler.events()
    while True:
        found = [run for run in await scheduler.history(job, limit=count) if run.state.final]
        if len(found) == count:
            await events.aclose()
            return found
        await anext(events)


def report(name: str, before: Sequence[Any], after: Sequence[Any]) -> None:
    """From an end to the start that follows it."""
    pairs = zip(before, after, strict=True)
    delays = [(second.started_at - first.finished_at).total_seconds() * 1000 for first, second in pairs]
    cut = quantiles(delays, n=100, method="inclusive")
    print(f"{name}: {len(delays)} runs, p50 {cut[49]:.1f} ms, p99 {cut[98]:.1f} ms, at most {max(delays):.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
