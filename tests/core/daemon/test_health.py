"""The facts of health and metrics, read from a real scheduler."""

import asyncio
from datetime import timedelta
from threading import Event

import pytest

from rae_auto import Job, NotifyPolicy, Scheduler
from rae_auto.api.plugin import Kind
from rae_auto.daemon.answers.health import read_health, read_measurements
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.runtime import engine_loop
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.time.time_meter import TimeMeter
from rae_auto.testing.memory_store import MemoryStore
from rae_plugins.loggers.console import ConsoleLogger

JOBS = [Job(id="good", command="true"), Job(id="bad", command=["sh", "-c", "exit 3"], retry_policy=1)]


async def read_all(scheduler):
    runtime = scheduler.runtime
    health = await read_health(runtime, TimeMeter(), runtime.now(), [])
    return health, {job["job"]: job for job in read_measurements(runtime)["per_job"]}


@pytest.mark.parametrize("store", ["json", "sqlite"])
def test_runs_are_counted_over_restarts_and_removals_of_history(tmp_path, store):
    async def count_after_a_run():
        async with Scheduler(directory=tmp_path, jobs=JOBS, store=store) as scheduler:
            for job in ("good", "bad"):
                await scheduler.wait(await scheduler.trigger(job))
            health, jobs = await read_all(scheduler)
            assert health["store"]["commits"] > 0
            return jobs

    asyncio.run(count_after_a_run())
    jobs = asyncio.run(count_after_a_run())
    totals = {name: {state: total["count"] for state, total in job["totals"].items()} for name, job in jobs.items()}
    assert totals == {"good": {"succeeded": 2}, "bad": {"failed": 2}}
    assert jobs["good"]["totals"]["succeeded"]["seconds"] > 0
    assert jobs["bad"]["failures"] == 2


def test_open_runs_are_counted_by_what_they_do(tmp_path):
    async def read():
        jobs = [Job(id="slow", command=["sleep", "60"], overlap="queue")]
        async with Scheduler(directory=tmp_path, jobs=jobs, store="json", shutdown_grace=timedelta(0)) as scheduler:
            for _ in range(2):
                await scheduler.trigger("slow")
            return (await read_all(scheduler))[1]

    assert asyncio.run(read())["slow"]["open"] == {"executing": 1, "pending": 1}


@pytest.mark.parametrize(("store", "has_copy"), [("json", False), ("sqlite", True)])
def test_time_of_the_newest_copy_is_known_where_a_store_makes_some(tmp_path, store, has_copy):
    async def read():
        async with Scheduler(directory=tmp_path, jobs=JOBS[:1], store=store) as scheduler:
            await scheduler.wait(await scheduler.trigger("good"))
            return (await read_all(scheduler))[0]["store"]["newest_copy_at"]

    asyncio.run(read())
    assert (asyncio.run(read()) is not None) == has_copy


def test_meter_knows_the_peak_of_the_last_minutes():
    meter = TimeMeter()
    assert meter.peak(0.0) == 0
    for minute in range(10):
        meter.add(10.0 - minute, 60.0 * minute)
        meter.add(0.5, 60.0 * minute + 1)
    assert (meter.count, meter.total_seconds) == (20, 60.0)
    assert meter.peak(60.0 * 9) == 5.0
    assert meter.peak(60.0 * 11) == 3.0
    assert meter.peak(60.0 * 100) == 0


def test_guard_that_fails_each_time_is_a_problem_without_quarantine(tmp_path):
    async def read():
        async with Scheduler(directory=tmp_path, jobs=JOBS[:1], store="json") as scheduler:
            quarantine, runtime = scheduler.runtime.quarantine, scheduler.runtime
            quarantine.failed(Kind.GUARD, "mood", "good", ValueError("it returned True"))
            quarantine.failed(Kind.TRIGGER, "tide", "good", ValueError("it ended"))
            return await read_health(runtime, TimeMeter(), runtime.now(), quarantine.problems())

    health = asyncio.run(read())
    assert health["quarantined"] == []
    # A trigger is one, too, as long as its source goes on: it is not among those that wait to be started again.
    assert [problem.split(" of ")[0] for problem in health["problems"]] == ['guard "mood"', 'trigger "tide"']
    assert "it returned True" in health["problems"][0]


def test_plugins_in_use_are_all_with_the_jobs_that_use_them(tmp_path):
    mailed, silent = NotifyPolicy(on=("failure",), via=("mail",)), NotifyPolicy(via=("mail",))
    jobs = [
        Job(id="shell", command="true", schedule=("0 3 * * *", "0 4 * * *"), notify=mailed),
        Job(id="function", python="os:getpid", notify=NotifyPolicy(on=("failure",))),
        Job(id="apart", python="os:getpid", isolated=True, notify=silent),
    ]
    notifiers = {
        "mail": PluginRef("webhook", {"url": "http://localhost:1"}),
        "pager": PluginRef("command", {"command": ["cat"]}),
        "other": PluginRef("command", {"command": ["cat"]}),
    }

    async def read():
        async with Scheduler(directory=tmp_path, jobs=jobs, store="json", notifiers=notifiers) as scheduler:
            quarantine = scheduler.runtime.quarantine
            for _ in range(2):
                quarantine.failed(Kind.STORE, "json", "commit", "the disk is slow")
            return (await read_all(scheduler))[0]["plugins"]

    log_setup.attach([ConsoleLogger()], tmp_path)
    try:
        found = {(one["kind"], one["name"]): (one["jobs"], one["failures_in_a_row"]) for one in asyncio.run(read())}
    finally:
        log_setup.detach()
    assert found == {
        ("executor", "process"): (2, 0),
        ("executor", "thread"): (1, 0),
        ("logger", "console"): (None, 0),
        ("notifier", "command"): (1, 0),
        ("notifier", "webhook"): (2, 0),
        ("store", "json"): (None, 2),
        ("trigger", "cron"): (1, 0),
    }


class HangingStore(MemoryStore):
    """Comes back from a commit once it may."""

    def __init__(self):
        super().__init__()
        self.is_asked, self.may_go = Event(), Event()
        self.may_go.set()

    def commit(self, changes):
        self.is_asked.set()
        self.may_go.wait()
        super().commit(changes)


@pytest.mark.parametrize(("limit_seconds", "is_trouble"), [(600.0, False), (0.1, True)])
def test_pending_commit_is_a_trouble_after_its_time_alone(tmp_path, monkeypatch, limit_seconds, is_trouble):
    monkeypatch.setattr(engine_loop, "SLOW_COMMIT_SECONDS", limit_seconds)
    store = HangingStore()

    async def read():
        async with Scheduler(directory=tmp_path, jobs=JOBS[:1], store=store) as scheduler:
            store.may_go.clear()
            store.is_asked.clear()
            asked = asyncio.ensure_future(scheduler.trigger("good"))
            try:
                await asyncio.to_thread(store.is_asked.wait)
                if is_trouble:
                    # The trigger is refused once the commit has taken too long.
                    await asyncio.wait({asked})
                return (await read_all(scheduler))[0]["store"]["problem"]
            finally:
                store.may_go.set()
                await asyncio.wait({asked})
                asked.exception()

    problem = asyncio.run(asyncio.wait_for(read(), 60))
    assert (problem is not None) == is_trouble
    assert problem is None or (problem.startswith("the store has not answered ") and " 0 s" not in problem)
