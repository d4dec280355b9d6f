"""Start-up with 10,000 stored jobs, adding them, and no-op runs per second: `python tests/benchmarks/start_up.py`."""

import asyncio
import sys
import tempfile
import time

from rae_auto import Job, Scheduler


async def main(size: int) -> None:
    jobs = [Job(name=f"job-{n}", python="time:time", schedule=f"{n % 60} {n % 24} * * *") for n in range(size)]
    with tempfile.TemporaryDirectory() as place:
        async with Scheduler(directory=place) as scheduler:
            began = time.perf_counter()
            await scheduler.add_jobs(jobs)
            print(f"add {size} jobs, durably: {time.perf_counter() - began:.2f} s")
        began = time.perf_counter()
        async with Scheduler(directory=place, max_parallel=64) as scheduler:
            run = await scheduler.trigger("job-0")
            await scheduler.wait(run)
            print(f"restart with {size} stored jobs to the end of the first run: {time.perf_counter() - began:.2f} s")
            await runs_per_second(scheduler, min(size, 5_000))


async def runs_per_second(scheduler: Scheduler, count: int) -> None:
    began, left = time.perf_counter(), count
    events = scheduler.events()
    asking = asyncio.gather(*(scheduler.trigger(f"job-{n}") for n in range(count)))
    async for event in events:
        left -= event["kind"] == "run" and event["run"]["state"] == "succeeded"
        if not left:
            break
    await asking
    print(f"durable no-op runs: {count / (time.perf_counter() - began):.0f} per second")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
