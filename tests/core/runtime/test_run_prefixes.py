"""A scheduler takes the start of a run's id for the id, unless a job is called so."""

import asyncio

from rae_auto import Job, Scheduler


def test_scheduler_takes_the_start_of_an_id(tmp_path):
    async def main():
        job = Job(id="sleeper", command=["sleep", "600"])
        async with Scheduler(directory=tmp_path, jobs=[job], store="json") as scheduler:
            run = await scheduler.trigger("sleeper")
            assert (await scheduler.get_run(run[:10])).id == run
            assert await scheduler.cancel(run[:10]) == [run]
            await scheduler.wait(run)
            assert (await scheduler.get_run(run[:12])).state == "cancelled"

    asyncio.run(main())
