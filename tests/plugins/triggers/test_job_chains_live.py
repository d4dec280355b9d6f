"""Jobs that start each other, and combinations of triggers, in a real scheduler: over restarts and reloads too."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import in_time

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.engine.plan import Settings
from rae_auto.errors import InvalidJob, JobInUse
from rae_auto.model.primitives.trace import traceparent_of


def job(id: str, *schedule: TriggerRef, **fields: Any) -> Job:
    return Job(id=id, **{"python": "time:time", **fields}, schedule=schedule)


def after(*jobs: str, **options: Any) -> TriggerRef:
    return TriggerRef("job", {"jobs": list(jobs), **options})


def combine(**options: Any) -> TriggerRef:
    return TriggerRef("combine", options)


def part(type: str, **options: Any) -> dict[str, Any]:
    return {"type": type, **options}


def run_with_scheduler(directory: Path, work: Callable[[Scheduler], Awaitable[Any]], *jobs: Job) -> Any:
    async def main() -> Any:
        async with Scheduler(directory=directory, jobs=jobs, timezone="UTC") as scheduler:
            return await work(scheduler)

    return in_time(main)


async def runs(scheduler: Scheduler, job: str, count: int = 1) -> list[Any]:
    """The runs of a job, oldest first, once so many are over."""
    events = scheduler.events()
    while True:
        found = [run for run in await scheduler.history(job) if run.state.final]
        if len(found) >= count:
            return found[::-1]
        await anext(events)


async def run(scheduler: Scheduler, job: str) -> Any:
    return await scheduler.wait(await scheduler.trigger(job))


async def wait_until_stored(scheduler: Scheduler, directory: Path, run: Any, *trigger: str) -> None:
    """Once a trigger has stored that it received a run."""
    file = directory.joinpath("triggers", *trigger, "pattern.json")
    while not (file.exists() and run.id in file.read_text()):  # noqa: ASYNC110 - a file sets no event
        await asyncio.sleep(0.005)


def test_end_of_a_job_starts_a_chain_of_jobs(tmp_path):
    async def work(scheduler):
        first = await run(scheduler, "a")
        (second,), (third,) = await runs(scheduler, "b"), await runs(scheduler, "c")
        return first, second, third

    first, second, third = run_with_scheduler(tmp_path, work, job("a"), job("b", after("a")), job("c", after("b")))
    assert (second.trigger, second.key, second.scheduled_for) == ("job", first.id, first.finished_at)
    assert (third.key, third.event["job"]) == (second.id, "b")
    assert second.event | {"seconds": 0} == {
        "job": "a",
        "run_id": first.id,
        "state": "succeeded",
        "exit_code": 0,
        "seconds": 0,
        "traceparent": traceparent_of(first.id, 1, None),
    }


def test_failure_starts_the_job_for_failures(tmp_path):
    async def work(scheduler):
        for name in ("good", "bad"):
            await run(scheduler, name)
        (alarm,) = await runs(scheduler, "alarm")
        await runs(scheduler, "log", 2)
        return alarm.event["job"], len(await scheduler.history("alarm"))

    jobs = (
        job("good"),
        job("bad", python="os:strerror"),
        job("alarm", after("good", "bad", on="failure")),
        job("log", after("good", "bad", on="any"), overlap="allow"),
    )
    assert run_with_scheduler(tmp_path, work, *jobs) == ("bad", 1)


@pytest.mark.requirement("R37")
def test_restart_repeats_no_chained_run(tmp_path):
    jobs = job("a"), job("b", after("a"))

    async def first(scheduler):
        await run(scheduler, "a")
        await runs(scheduler, "b")

    async def second(scheduler):
        await run(scheduler, "a")
        await runs(scheduler, "b", 2)
        return len(await scheduler.history("b"))

    run_with_scheduler(tmp_path, first, *jobs)
    assert run_with_scheduler(tmp_path, second, *jobs) == 2


def test_run_ending_during_downtime_starts_the_next(tmp_path):
    go = tmp_path / "go"
    jobs = job("a", python=None, shell=f"until test -e {go}; do sleep 0.01; done"), job("b", after("a"))

    async def first(scheduler):
        started = await scheduler.trigger("a")
        async for event in scheduler.events():
            if event["kind"] == "run" and event["run"]["state"] == "running":
                break
        await scheduler.close(leave_running=True)
        return started

    async def second(scheduler):
        (child,) = await runs(scheduler, "b")
        return child

    parent = run_with_scheduler(tmp_path / "state", first, *jobs)
    go.touch()
    assert run_with_scheduler(tmp_path / "state", second, *jobs).key == parent


def test_all_combines_cron_job_and_manual_runs(tmp_path):
    parts = [part("cron", expression="* * * * * *"), part("job", jobs=["a"]), part("job", jobs=["by-hand"])]

    async def work(scheduler):
        a, by_hand = await run(scheduler, "a"), await run(scheduler, "by-hand")
        (combined,) = await runs(scheduler, "c")
        return a, by_hand, combined

    jobs = job("a"), job("by-hand"), job("c", combine(all=parts, within="1h"))
    a, by_hand, combined = run_with_scheduler(tmp_path, work, *jobs)
    names = [part_event["trigger"] for part_event in combined.event["parts"]]
    cron, first, second = combined.event["parts"]
    assert names == ["cron", "job", "job-2"]
    assert (first["key"], second["key"]) == (a.id, by_hand.id)
    assert cron["event"] == {"due": cron["at"]}
    assert second["event"]["job"] == "by-hand"


def test_any_combines_a_job_and_a_combination(tmp_path):
    inner = part("combine", sequence=[part("job", jobs=["a"]), part("job", jobs=["b"])], within="1h")

    async def work(scheduler):
        b = await run(scheduler, "b")
        await wait_until_stored(scheduler, tmp_path, b, "c", "combine", "combine")
        for name in ("a", "b", "x"):
            await run(scheduler, name)
        return sorted(
            [part_event["trigger"] for part_event in one.event["parts"]] for one in await runs(scheduler, "c", 2)
        )

    combined = combine(any=[part("job", jobs=["x"]), part("manual"), inner])
    # The two may overlap.
    jobs = job("a"), job("b"), job("x"), job("c", combined, overlap="allow")
    assert run_with_scheduler(tmp_path, work, *jobs) == [["combine"], ["job"]]


BOTH = (job("a"), job("b"), job("c", combine(all=[part("job", jobs=["a"]), part("job", jobs=["b"])], within="1h")))


def test_restart_within_a_window_forgets_nothing(tmp_path):
    async def first(scheduler):
        a = await run(scheduler, "a")
        await wait_until_stored(scheduler, tmp_path, a, "c", "combine")
        return a

    async def second(scheduler):
        b = await run(scheduler, "b")
        (combined,) = await runs(scheduler, "c")
        return b, combined

    a = run_with_scheduler(tmp_path, first, *BOTH)
    b, combined = run_with_scheduler(tmp_path, second, *BOTH)
    assert [part_event["key"] for part_event in combined.event["parts"]] == [a.id, b.id]


def test_reload_of_the_same_configuration_forgets_nothing(tmp_path):
    async def work(scheduler):
        a = await run(scheduler, "a")
        await wait_until_stored(scheduler, tmp_path, a, "c", "combine")
        await scheduler.runtime.reconfigure(BOTH, Settings(), "UTC", {})
        b = await run(scheduler, "b")
        (combined,) = await runs(scheduler, "c")
        return [part_event["key"] for part_event in combined.event["parts"]] == [a.id, b.id]

    assert run_with_scheduler(tmp_path, work, *BOTH)


def test_added_job_may_follow_a_job_but_not_close_a_cycle(tmp_path):
    async def work(scheduler):
        await scheduler.add_jobs([job("a"), job("b", after("a"))])
        with pytest.raises(InvalidJob, match='is triggered by job "bb", which does not exist; did you mean "b"'):
            await scheduler.add_job(job("c", combine(any=[part("job", jobs=["bb"])])))
        with pytest.raises(InvalidJob, match="would start itself: a -> b -> a; remove one of these triggers"):
            await scheduler.add_job(job("a", combine(any=[part("job", jobs=["b"])])), replace=True)
        with pytest.raises(InvalidJob, match="would start itself: d -> d"):
            await scheduler.add_job(job("d", after("d")))
        with pytest.raises(JobInUse, match='triggers "b"; remove that'):
            await scheduler.remove_job("a")
        await scheduler.remove_job("b")
        await scheduler.remove_job("a")

    run_with_scheduler(tmp_path, work)


def test_cycle_among_stored_jobs_is_found(tmp_path):
    """Stored jobs are loaded with the jobs that they follow."""

    async def first(scheduler):
        await scheduler.add_jobs([job("a"), job("b", after("a"))])

    async def second(scheduler):
        with pytest.raises(JobInUse, match='triggers "b"'):
            await scheduler.remove_job("a")
        await run(scheduler, "a")
        (child,) = await runs(scheduler, "b")
        return child.state

    run_with_scheduler(tmp_path, first)
    assert run_with_scheduler(tmp_path, second) is RunState.SUCCEEDED


def test_schedule_due_during_downtime_counts_in_the_window(tmp_path):
    trigger = combine(all=[part("interval", every="200ms"), part("job", jobs=["a"])], within="1h")
    jobs = job("a"), job("c", trigger)

    async def first(scheduler):
        file = tmp_path / "triggers" / "c" / "combine" / "interval" / "schedule.json"
        while not file.exists():  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0.005)

    async def second(scheduler):
        await run(scheduler, "a")
        return len(await runs(scheduler, "c"))

    run_with_scheduler(tmp_path, first, *jobs)
    assert run_with_scheduler(tmp_path, second, *jobs) == 1
