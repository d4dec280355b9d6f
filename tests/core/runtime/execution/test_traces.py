"""TRACEPARENT of real processes: jobs that follow others belong to the trace of the first."""

import asyncio
from contextlib import aclosing

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.model.primitives.trace import traceparent_of

PRINT = 'echo "$TRACEPARENT"'


def follow(name, *jobs, **options):
    return Job(id=name, shell=PRINT, schedule=TriggerRef("job", {"jobs": list(jobs), **options}))


JOBS = [
    Job(id="first", shell=PRINT),
    follow("second", "first"),
    follow("third", "second"),
    follow("both", "first", "third", mode="all", within="1h"),
    Job(id="own", shell=PRINT, env={"TRACEPARENT": "mine"}),
]


async def find_run(scheduler, job):
    async with aclosing(scheduler.events()) as changes:
        while not (runs := [run for run in await scheduler.history(job=job) if run.state.final]):
            await anext(changes)
    return runs[0], (await scheduler.read_output(runs[0].id)).strip()


def test_followers_belong_to_the_trace_of_the_first_run(tmp_path):
    async def play():
        async with Scheduler(directory=tmp_path, jobs=JOBS, store="json") as scheduler:
            run = await scheduler.wait(await scheduler.trigger("first"))
            found = [await find_run(scheduler, job) for job in ("first", "second", "third", "both")]
            await scheduler.trigger("own")
            return run, found, (await find_run(scheduler, "own"))[1]

    run, found, own = asyncio.run(play())
    assert found[0][1] == traceparent_of(run.id, 1, None)
    traces = [printed.split("-") for _, printed in found]
    assert {trace[1] for trace in traces} == {traces[0][1]}
    assert len({trace[2] for trace in traces}) == 4, "each run has a part of its own"
    assert own == "mine"
