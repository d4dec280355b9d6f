"""Durable command runs per second against bare `posix_spawn` and `waitpid`: `python tests/benchmarks/commands.py`."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from rae_auto import Job, Scheduler

COMMAND = "/bin/true"
AT_ONCE = 8


def main(count: int) -> None:
    bare = spawned(count)
    print(f"bare posix_spawn and waitpid: {bare:.0f} per second")
    ours = asyncio.run(run(count))
    print(f"rae-auto, each durable, with its exit status and output on disk: {ours:.0f} per second, {ours / bare:.2f}")


def spawned(count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        os.waitpid(os.posix_spawn(COMMAND, [COMMAND], os.environ), 0)
    return count / (time.perf_counter() - began)


async def run(count: int) -> float:
    jobs = [Job(name=f"job-{n}", command=COMMAND) for n in range(count)]
    with tempfile.TemporaryDirectory() as place:
        async with Scheduler(directory=Path(place), max_parallel=AT_ONCE) as scheduler:
            await scheduler.add_jobs(jobs)
            events, left = scheduler.events(), count
            began = time.perf_counter()
            asking = asyncio.gather(*(scheduler.trigger(job.id) for job in jobs))
            async for event in events:
                left -= event["kind"] == "run" and event["run"]["state"] == "succeeded"
                if not left:
                    break
            await asking
            return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
