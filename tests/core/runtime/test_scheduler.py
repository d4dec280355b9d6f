"""The API that programs use: real store, real executors, real clock."""

import asyncio
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from textwrap import indent

import pytest
from tests.support.control_peer import in_time

from rae_auto import (
    BadRequest,
    Cron,
    DuplicateJob,
    Interval,
    InvalidJob,
    Job,
    JobActivity,
    JobNotFound,
    NotStarted,
    Once,
    Priority,
    RetryPolicy,
    RunNotFound,
    RunState,
    Scheduler,
    SchedulerClosed,
    StoreLocked,
    SyncScheduler,
    TriggerRef,
)
from rae_auto.errors import StoreError

STORES = ["sqlite", "json"]


def run_with_scheduler(work, directory, **options):
    """Run `work(scheduler)` with an open scheduler."""

    async def main():
        async with asyncio.timeout(60):
            async with Scheduler(directory=directory, **options) as scheduler:
                return await work(scheduler)

    return asyncio.run(main())


@pytest.mark.parametrize("store", STORES)
def test_a_job_is_added_run_and_on_record(tmp_path, store):
    async def work(s):
        job = await s.add_job(Job(name="greet", command="echo", args=["hello"], priority=Priority.HIGH))
        run = await s.wait(await s.trigger(job))
        (entry,) = await s.list_jobs()
        return run, entry, await s.history("greet")

    run, entry, history = run_with_scheduler(work, tmp_path, store=store)
    assert (run.state, run.exit_code, run.attempt) == (RunState.SUCCEEDED, 0, 1)
    assert (entry.id, entry.origin, entry.priority) == ("greet", "store", Priority.HIGH)
    assert entry.status.last_state is RunState.SUCCEEDED
    assert history == [run]
    assert (tmp_path / "output" / run.job / f"{run.id}.1.log").read_text() == "hello\n"


@pytest.mark.parametrize("store", STORES)
def test_jobs_and_history_are_there_after_a_restart(tmp_path, store):
    async def first(s):
        await s.add_job(Job(name="sum", python="operator:add", args=[1, 2], schedule="0 4 * * *"))
        return await s.wait(await s.trigger("sum"))

    async def second(s):
        return await s.get_job("sum"), await s.history(), await s.get_job_status("sum")

    run = run_with_scheduler(first, tmp_path, store=store)
    job, history, status = run_with_scheduler(second, tmp_path, store=store)
    assert (job.python, job.args) == ("operator:add", (1, 2))
    assert history == [run]
    assert run.attempts[0].result.value == 3
    assert status.last_run == run.id
    assert status.next_at is not None


def test_schedules_start_jobs_by_themselves(tmp_path):
    jobs = [
        Job(name="often", python="time:time", schedule=Interval("1s")),
        Job(name="cron", python="time:time", schedule=Cron("* * * * * *")),
    ]

    async def work(s):
        waiting = {"once", "often", "cron"}
        # Not before the scheduler runs, which takes long on a busy machine: a start before that is none.
        soon = datetime.now(UTC) + timedelta(seconds=3)
        await s.add_job(Job(name="once", python="time:time", schedule=Once(soon)))
        async for event in s.events():
            if event["kind"] == "run" and event["run"]["state"] == "succeeded":
                waiting.discard(event["run"]["job"])
            if not waiting:
                break
        return soon, await s.history("once")

    soon, (run,) = run_with_scheduler(work, tmp_path, jobs=jobs)
    assert run.scheduled_for == soon
    assert run.started_at >= soon


def test_a_failing_job_is_tried_again(tmp_path):
    job = Job(name="bad", command="false", retry_policy=RetryPolicy(attempts=2, delay="10ms"))

    async def work(s):
        return await s.wait(await s.trigger("bad"))

    run = run_with_scheduler(work, tmp_path, jobs=[job])
    assert (run.state, run.attempt, run.exit_code) == (RunState.FAILED, 2, 1)


def test_a_timeout_ends_it(tmp_path):
    async def work(s):
        return await s.wait(await s.trigger("slow"))

    run = run_with_scheduler(work, tmp_path, jobs=[Job(name="slow", command=["sleep", "600"], timeout="100ms")])
    assert run.state is RunState.TIMED_OUT


def test_a_run_is_cancelled_by_its_id_or_its_job(tmp_path):
    async def work(s):
        ends = []
        for by_job in (True, False):
            run = await s.trigger("slow")
            assert (await s.get_job_status("slow")).activity is JobActivity.RUNNING
            assert await s.cancel("slow" if by_job else run) == [run]
            ends.append(await s.wait(run))
        return ends

    ends = run_with_scheduler(work, tmp_path, jobs=[Job(name="slow", command=["sleep", "600"])])
    assert {run.state for run in ends} == {RunState.CANCELLED}


def test_what_can_not_be_started_ends_with_a_line_that_says_why(tmp_path):
    async def work(s):
        return [await s.wait(await s.trigger(name)) for name in ("no-program", "no-module")]

    jobs = [Job(name="no-program", command="no-such-program-here"), Job(name="no-module", python="nowhere:main")]
    runs = run_with_scheduler(work, tmp_path, jobs=jobs)
    assert [run.state for run in runs] == [RunState.FAILED, RunState.FAILED]
    assert "no-such-program-here" in runs[0].reason.text
    assert "nowhere" in runs[1].reason.text
    assert all("\n" not in run.reason.text for run in runs)


def test_refusals_are_errors_of_the_package(tmp_path):
    async def work(s):
        await s.add_job(Job(name="a", command=["sleep", "600"]))
        with pytest.raises(DuplicateJob):
            await s.add_job(Job(name="a", command="true"))
        with pytest.raises(InvalidJob, match="crom"):
            await s.add_job(Job(name="b", command="true", schedule=TriggerRef("crom")))
        with pytest.raises(InvalidJob, match="61"):
            await s.add_job(Job(name="b", command="true", schedule="61 * * * *"))
        with pytest.raises(JobNotFound):
            await s.trigger("b")
        with pytest.raises(JobNotFound):
            await s.get_job_status("b")
        with pytest.raises(RunNotFound):
            await s.get_run("b")
        await s.trigger("a")
        with pytest.raises(NotStarted, match=r"\(overlap\)"):
            await s.trigger("a")
        await s.close(timedelta(0))
        with pytest.raises(SchedulerClosed):
            await s.trigger("a")

    run_with_scheduler(work, tmp_path)


def test_a_refused_job_keeps_none_of_the_others_from_being_added(tmp_path):
    async def work(s):
        jobs = [Job(name=f"job-{n}", command="true", needs=[f"job-{n - 1500}"] * (n >= 1500)) for n in range(2_300)]
        with pytest.raises(DuplicateJob, match="job-7"):
            await s.add_jobs([*jobs[:300], jobs[7], *jobs[300:]])
        with pytest.raises(InvalidJob, match="crom"):
            await s.add_jobs(
                [Job(name="b", command="true", schedule=TriggerRef("crom")), Job(name="c", command="true")]
            )
        with pytest.raises(BadRequest, match='one is the text "d"'):
            await s.add_jobs(job for job in (Job(name="e", command="true"), "d"))
        assert await s.add_jobs(jobs, replace=True) == [job.id for job in jobs]
        return [info.id for info in await s.list_jobs()]

    expected = [*(f"job-{n}" for n in range(2_300)), "c", "e"]
    assert run_with_scheduler(work, tmp_path) == expected


def test_jobs_that_were_added_at_once_are_all_there_after_a_kill(tmp_path):
    text = "import asyncio, os\nfrom rae_auto import Job, Scheduler\n\nasync def main():\n" + indent(
        f"async with Scheduler(directory={os.fspath(tmp_path)!r}) as s:\n"
        "    await s.add_jobs(Job(name=f'job-{n}', command='true') for n in range(600))\n"
        "    os.kill(os.getpid(), 9)\n",
        "    ",
    )
    subprocess.run([sys.executable, "-c", f"{text}\nasyncio.run(main())"], check=False, timeout=60)

    async def work(s):
        return len(await s.list_jobs())

    assert run_with_scheduler(work, tmp_path) == 600


@pytest.mark.requirement("R3")
def test_a_repeated_request_leads_to_one_run(tmp_path):
    async def work(s):
        return await asyncio.gather(*(s.trigger("a", request="same") for _ in range(5)))

    assert len(set(run_with_scheduler(work, tmp_path, jobs=[Job(name="a", python="time:time")]))) == 1


def test_pause_and_resume(tmp_path):
    async def work(s):
        await s.pause("a")
        paused = await s.get_job_status("a")
        await s.resume("a")
        return paused, await s.get_job_status("a")

    paused, resumed = run_with_scheduler(work, tmp_path, jobs=[Job(name="a", command="true")])
    assert (paused.activity, resumed.activity) == (JobActivity.PAUSED, JobActivity.IDLE)


def test_history_is_filtered(tmp_path):
    async def work(s):
        for name in ("good", "bad", "good"):
            await s.wait(await s.trigger(name))
        everything = await s.history()
        return (
            [run.job for run in everything],
            [run.job for run in await s.history(states=["failed"])],
            len(await s.history("good", limit=1)),
            await s.history(since=datetime.now(UTC)),
            len(await s.history(until=everything[-1].queued_at)),
        )

    jobs = [Job(name="good", command="true"), Job(name="bad", command="false")]
    assert run_with_scheduler(work, tmp_path, jobs=jobs) == (["good", "bad", "good"], ["bad"], 1, [], 1)


def test_a_removed_job_is_gone_after_a_restart_too(tmp_path):
    async def first(s):
        await s.add_job(Job(name="a", command="true"))
        await s.remove_job("a")

    async def second(s):
        return await s.list_jobs()

    run_with_scheduler(first, tmp_path)
    assert run_with_scheduler(second, tmp_path) == []


@pytest.mark.requirement("R24")
def test_a_second_scheduler_is_refused_with_the_pid_of_the_first(tmp_path):
    async def work(s):
        with pytest.raises(StoreLocked, match=f"in use by process {os.getpid()}") as refused:
            await Scheduler(directory=tmp_path).open()
        return refused.value.pid

    assert run_with_scheduler(work, tmp_path) == os.getpid()


CALLS = {
    "list_jobs": (),
    "get_job": ("a",),
    "get_job_status": ("a",),
    "add_job": (Job(id="b", command="true"),),
    "remove_job": ("a",),
    "trigger": ("a",),
    "cancel": ("a",),
    "pause": ("a",),
    "get_run": ("a",),
    "wait": ("a",),
    "read_output": ("a",),
    "history": (),
    "statistics": (),
    "record_event": ("a",),
    "recorded_events": (),
    "delete_events": ("a",),
    "backup": ("a",),
}


@pytest.mark.parametrize("call", CALLS)
def test_unopened_and_closed_schedulers_say_how_to_open_them(tmp_path, call):
    async def use_unopened_and_closed():
        scheduler = Scheduler(directory=tmp_path)
        with pytest.raises(SchedulerClosed, match="use it as 'async with Scheduler"):
            await getattr(scheduler, call)(*CALLS[call])
        async with scheduler:
            pass
        with pytest.raises(SchedulerClosed, match="use it as 'async with Scheduler"):
            await getattr(scheduler, call)(*CALLS[call])

    in_time(use_unopened_and_closed)
    sync = SyncScheduler(directory=tmp_path)
    with pytest.raises(SchedulerClosed, match="use it as 'with SyncScheduler"):
        getattr(sync, call)(*CALLS[call])


def test_relative_state_directory_serves_commands_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def run_command(s):
        await s.add_job(Job(id="a", command=["echo", "hello"]))
        return await s.read_output((await s.wait(await s.trigger("a"))).id)

    assert run_with_scheduler(run_command, "state") == "hello\n"


@pytest.mark.parametrize(
    ("job", "output"),
    [
        (Job(id="a", shell="echo hello; printf 'caf\\303\\251 \\377'"), "hello\ncafé \\xff"),
        (Job(id="a", command="true"), ""),
    ],
)
def test_output_of_a_run_is_read_as_text(tmp_path, job, output):
    async def run_and_read(s):
        await s.add_job(job)
        run = await s.wait(await s.trigger("a"))
        return await s.read_output(run.id), await s.read_output(run.id, 1)

    assert run_with_scheduler(run_and_read, tmp_path) == (output, output)


class TestFromOtherThreads:
    def test_the_facade_of_a_running_scheduler_serves_many_threads_at_once(self, tmp_path):
        async def work(s):
            sync, errors = SyncScheduler.of(s), []

            def client(number):
                try:
                    name = f"job-{number}"
                    sync.add_job(Job(name=name, python="time:time"))
                    for _ in range(5):
                        assert sync.wait(sync.trigger(name), timeout=30).state is RunState.SUCCEEDED
                    assert len(sync.history(name)) == 5
                    sync.remove_job(name)
                except Exception as error:
                    errors.append(error)

            threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            return errors, await s.list_jobs()

        assert run_with_scheduler(work, tmp_path) == ([], [])

    def test_without_an_event_loop(self, tmp_path):
        with SyncScheduler(directory=tmp_path) as s:
            s.add_jobs([Job(name="a", python="math:sqrt", args=[4]), Job(name="b", command="false")])
            assert s.wait(s.trigger("a"), 30).attempts[0].result.value == 2
            assert s.wait(s.trigger("b"), 30).state is RunState.FAILED
            s.pause("a")
            assert s.get_job_status("a").paused
            s.resume("a")
            assert [info.id for info in s.list_jobs()] == ["a", "b"]
            assert s.get_job("b").argv == ("false",)
            assert len(s.history()) == 2
        with pytest.raises(SchedulerClosed):
            s.trigger("a")

    def test_its_own_event_loop_gets_an_error_instead_of_a_deadlock(self, tmp_path):
        async def call_blocking(s):
            with pytest.raises(RuntimeError, match="await the Scheduler's method"):
                SyncScheduler.of(s).list_jobs()

        run_with_scheduler(call_blocking, tmp_path)

    def test_open_and_close_serve_a_session_without_with(self, tmp_path):
        s = SyncScheduler(directory=tmp_path)
        for _ in range(2):
            s.open()
            with pytest.raises(RuntimeError, match="open already"):
                s.open()
            assert s.list_jobs() == []
            s.close()
        with pytest.raises(SchedulerClosed):
            s.list_jobs()

    def test_a_wait_that_takes_too_long_says_so(self, tmp_path):
        with SyncScheduler(directory=tmp_path) as s:
            run = s.trigger(s.add_job(Job(id="long", command=["sleep", "60"])))
            with pytest.raises(TimeoutError, match=f"run {run} has not finished after 0.01 s; it continues"):
                s.wait(run, timeout=0.01)
            s.cancel(run)

    def test_an_error_at_the_start_reaches_the_caller(self, tmp_path):
        with SyncScheduler(directory=tmp_path), pytest.raises(StoreLocked), SyncScheduler(directory=tmp_path):
            pass


WATCH_THE_NETWORK = """
import asyncio, socket, sys
from pathlib import Path
from rae_auto import Job, Scheduler

used = []

def record(event, arguments):
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"):
        if not (arguments and getattr(arguments[0], "family", None) == getattr(socket, "AF_UNIX", None)):
            used.append(event)

async def main():
    jobs = [Job(name="a", command=[sys.executable, "--version"])]
    async with Scheduler(directory=Path(sys.argv[1]), jobs=jobs) as scheduler:
        await scheduler.wait(await scheduler.trigger("a"))

sys.addaudithook(record)
asyncio.run(main())
print(used)
"""


@pytest.mark.requirement("S26")
@pytest.mark.skipif(sys.platform == "win32", reason="event loops of Windows use a socket of their own")
def test_scheduler_uses_no_network(tmp_path):
    command = [sys.executable, "-c", WATCH_THE_NETWORK, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout == "[]\n"


def test_refused_backup_leaves_no_reader_behind(tmp_path):
    """An iterator that was left unfinished would keep deleted events in the file."""
    target = tmp_path / "backup"
    target.write_text("another file")

    async def work():
        async with Scheduler(directory=tmp_path / "state", store="sqlite") as s:
            await s.record_event("door.opened")
            with pytest.raises(StoreError, match="already exists") as refusal:
                await s.backup(target)
            assert await s.delete_events("*") == 1
            return refusal

    assert in_time(work).type is StoreError
