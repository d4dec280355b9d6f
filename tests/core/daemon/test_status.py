"""The facts of the status: no promise of a run that won't happen, and the jobs that need attention."""

import asyncio

from rae_auto import Job, Scheduler
from rae_auto.daemon.commands import Commands
from rae_auto.runtime.reporting import log_setup
from rae_plugins.loggers.console import ConsoleLogger

JOBS = (
    Job(id="daily", command="true", schedule="0 4 * * *"),
    Job(id="off", command="true", schedule="0 4 * * *", enabled=False),
    Job(id="bad", command=["sh", "-c", "exit 3"]),
)


async def refuse(*_, **__):
    raise AssertionError


def read_status_after(directory, act, *, is_paused=False):
    """The status, the list of jobs and why "daily" doesn't run, after `act(scheduler)`."""

    async def read():
        async with Scheduler(directory=directory, jobs=JOBS, store="json", enabled=not is_paused) as scheduler:
            await act(scheduler)
            commands = Commands(scheduler, None, refuse, refuse, list, is_paused=is_paused)
            return await commands.status({}), await commands.list({}), await commands.why({"job": "daily"})

    return asyncio.run(read())


async def do_nothing(_):
    pass


def test_only_jobs_that_will_start_are_next(tmp_path):
    status, jobs, _ = read_status_after(tmp_path, do_nothing)
    assert [job["job"] for job in status["next"]] == ["daily"]
    assert status["disabled"] == ["off"]
    assert [job["id"] for job in jobs if job["next_at"]] == ["daily"]


def test_paused_jobs_are_named_and_not_next(tmp_path):
    status, jobs, _ = read_status_after(tmp_path, lambda scheduler: scheduler.pause("daily"))
    assert (status["next"], status["paused"]) == ([], ["daily"])
    assert [job["id"] for job in jobs if job["next_at"]] == []


def test_failures_are_named_with_their_runs(tmp_path):
    runs = []

    async def fail(scheduler):
        runs.append(await scheduler.trigger("bad"))
        await scheduler.wait(runs[0])

    status, _, _ = read_status_after(tmp_path, fail)
    assert [(job["job"], job["run_id"], job["state"]) for job in status["failed"]] == [("bad", runs[0], "failed")]


def test_daemon_started_paused_promises_nothing_and_says_why(tmp_path):
    status, _, why = read_status_after(tmp_path, do_nothing, is_paused=True)
    assert (status["next"], status["disabled_by"]) == ([], "the daemon was started with --paused")
    assert why["answer"] == "daily does not start by itself: the daemon was started with --paused"


def test_store_and_loggers_are_named_in_their_own_words(tmp_path):
    async def act(scheduler):
        log_setup.attach([ConsoleLogger(level="WARNING")], tmp_path)

    status, _, _ = read_status_after(tmp_path, act)
    log_setup.detach()
    assert (status["store"], status["loggers"]) == ("json", ["console level WARNING"])
