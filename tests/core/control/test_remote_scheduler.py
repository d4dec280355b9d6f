"""The API of a running daemon is that of a scheduler in the program: the same methods, results and errors."""

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.core.records.test_statistics import run
from tests.support.control_peer import in_time
from tests.support.daemons import Daemons

import rae_auto
from rae_auto import (
    DaemonUnreachable,
    DuplicateJob,
    InvalidJob,
    Job,
    JobNotFound,
    NotStarted,
    RemoteScheduler,
    RunNotFound,
    RunState,
    Scheduler,
    SyncScheduler,
)
from rae_auto.control import run_ends
from rae_auto.errors import BadRequest

LOCAL_ONLY = {"open", "stop", "wait_stopped", "runtime", "event_loop"}
"""Members that start and stop a scheduler, or show its insides."""

JOBS = """
[jobs.good]
command = ["echo", "hello"]

[jobs.bad]
shell = "exit 3"

[jobs.follower]
command = ["true"]
needs = ["bad"]
"""


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    started = Daemons(tmp_path_factory.mktemp("daemon"), JOBS)
    started.serve()
    yield started
    started.kill()


def with_remote(daemons, work):
    """Return the result of `work(scheduler)` with a scheduler that is connected to the daemon."""

    async def connect_and_work():
        async with rae_auto.connect(daemons.state) as scheduler:
            return await work(scheduler)

    return in_time(connect_and_work)


def parameters(function):
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


def public_methods(cls):
    return {name for name in vars(cls) if not name.startswith("_")}


def test_remote_scheduler_has_the_methods_of_a_local_one():
    assert public_methods(RemoteScheduler) == public_methods(Scheduler) - LOCAL_ONLY


@pytest.mark.parametrize("name", sorted(public_methods(RemoteScheduler) - {"close", "directory"}))
def test_remote_methods_take_the_same_arguments(name):
    assert parameters(getattr(RemoteScheduler, name)) == parameters(getattr(Scheduler, name))


@pytest.mark.parametrize("name", sorted(public_methods(RemoteScheduler) - {"close", "directory", "events"}))
def test_blocking_methods_take_the_same_arguments(name):
    assert parameters(getattr(SyncScheduler, name)) == parameters(getattr(Scheduler, name))


def test_a_run_is_started_awaited_and_read(daemons):
    async def run_good(s):
        run = await s.wait(await s.trigger("good"))
        return run, await s.get_run(run.id), await s.history("good", limit=1), await s.read_output(run.id)

    run, again, history, output = with_remote(daemons, run_good)
    assert (run.state, run.exit_code, output) == (RunState.SUCCEEDED, 0, "hello\n")
    assert again == run
    assert history == [run]


def test_hundreds_of_calls_at_once_are_all_answered(daemons):
    async def ask_all(s):
        others = [RemoteScheduler(daemons.state) for _ in range(5)]
        return await asyncio.gather(*(one.get_job("good") for one in (s, *others) for _ in range(50)))

    assert {job.id for job in with_remote(daemons, ask_all)} == {"good"}
    assert daemons.answers()


def test_jobs_are_added_described_paused_and_removed(daemons):
    job = Job(id="added", command=["true"], schedule="0 4 * * *", retry_policy=3, priority="high")

    async def use_job(s):
        await s.add_job(job)
        await s.pause("added")
        paused = await s.get_job_status("added")
        await s.resume("added")
        listed = {info.id: info for info in await s.list_jobs()}
        kept = await s.get_job("added")
        await s.remove_job("added")
        return kept, paused, listed["added"], [info.id for info in await s.list_jobs()]

    kept, paused, listed, rest = with_remote(daemons, use_job)
    assert kept == job
    assert (paused.job, paused.paused) == ("added", True)
    assert (listed.origin, listed.priority, listed.status.paused) == ("store", job.priority, False)
    assert listed.status.next_at > datetime.now(UTC)
    assert "added" not in rest


def test_events_are_recorded_read_and_deleted(daemons):
    at = datetime.now(UTC) - timedelta(minutes=5)

    async def use_events(s):
        recorded = await s.record_event("door.opened", {"room": "kitchen"}, at)
        read = await s.recorded_events("door.*", since=at - timedelta(seconds=1))
        return recorded, read, await s.delete_events(["door.*"]), await s.recorded_events("door.*")

    recorded, read, deleted, rest = with_remote(daemons, use_events)
    assert read == [recorded]
    assert (recorded.at, recorded.data) == (at, {"room": "kitchen"})
    assert (deleted, rest) == (1, [])


def test_refusals_are_the_errors_of_a_local_scheduler(daemons):
    async def make_mistakes(s):
        with pytest.raises(JobNotFound, match='no job "goood"; did you mean "good"'):
            await s.trigger("goood")
        with pytest.raises(RunNotFound):
            await s.wait("01M8H47833EP9RSY4YD85N0BSZ")
        with pytest.raises(DuplicateJob):
            await s.add_job(Job(id="good", command=["true"]))
        with pytest.raises(BadRequest):
            await s.record_event("no name")
        with pytest.raises(BadRequest, match='unknown state "fail"'):
            await s.history(states=["fail"])
        with pytest.raises(BadRequest, match="must be a datetime"):
            await s.history(since="yesterday")
        await s.wait(await s.trigger("bad"))
        with pytest.raises(NotStarted) as refused:
            await s.trigger("follower")
        return refused.value.reason

    assert with_remote(daemons, make_mistakes) == "need_failed"


def test_function_that_only_this_program_has_is_refused(daemons):
    async def add_function(s):
        with pytest.raises(InvalidJob, match="the daemon can't import a function of this program's main module"):
            await s.add_job(Job(id="mine", python="__main__:work"))

    with_remote(daemons, add_function)


def test_statistics_and_backup_are_values(daemons, tmp_path):
    async def read_both(s):
        await s.wait(await s.trigger("good"))
        return await s.statistics("good"), await s.backup(tmp_path / "backup.jsonl")

    statistics, backup = with_remote(daemons, read_both)
    assert statistics.runs == statistics.states["succeeded"]
    assert statistics.duration.p50 >= 0
    assert backup.path.exists()
    assert backup.changes > 0


def test_events_of_the_stream_reach_the_program(daemons):
    async def listen(s):
        events, seen = s.events(), []
        reading = asyncio.ensure_future(anext(events))
        run = None
        while not reading.done():
            run = await s.trigger("good")
            await s.wait(run)
        seen.append(await reading)
        await events.aclose()
        return seen

    assert with_remote(daemons, listen)[0]["kind"]


def test_waits_share_one_connection_and_end_in_time(daemons, monkeypatch):
    opened = []
    connect = run_ends.open_connection

    def count_and_open(directory):
        opened.append(directory)
        return connect(directory)

    monkeypatch.setattr(run_ends, "open_connection", count_and_open)

    async def wait_for_many(s):
        slow = await s.add_job(Job(id="slow", command=["sleep", "60"]))
        endless = await s.trigger(slow)
        waits = [asyncio.ensure_future(s.wait(endless)) for _ in range(100)]
        good = await s.wait(await s.trigger("good"), timeout=60)
        try:
            with pytest.raises(TimeoutError, match=f"run {endless} has not finished after 0.01 s; it continues"):
                await s.wait(endless, timeout=0.01)
        finally:
            await s.cancel(endless)
        ended = await asyncio.gather(*waits)
        await s.remove_job(slow)
        return good, ended

    good, ended = with_remote(daemons, wait_for_many)
    assert good.state is RunState.SUCCEEDED
    assert {run.state for run in ended} == {RunState.CANCELLED}
    assert len(opened) == 1


def test_waits_end_with_the_daemon(tmp_path):
    own = Daemons(tmp_path, '[jobs.slow]\ncommand = ["sleep", "60"]\n')
    own.serve()
    try:

        async def wait_for_it(s):
            run = await s.trigger("slow")
            waits = [asyncio.ensure_future(s.wait(run)) for _ in range(3)]
            # It listens by then, because they share what the first one opens.
            with pytest.raises(TimeoutError):
                await s.wait(run, timeout=0.2)
            own.kill()
            return await asyncio.gather(*waits, return_exceptions=True)

        errors = with_remote(own, wait_for_it)
    finally:
        own.kill()
    assert {type(error) for error in errors} == {DaemonUnreachable}


def test_run_that_this_version_can_not_read_hides_no_other(monkeypatch, tmp_path):
    async def answer(directory, command, **arguments):
        return [run(), {**run(), "id": "later", "state": "teleported"}]

    monkeypatch.setattr("rae_auto.control.remote_scheduler.ask", answer)
    found = asyncio.run(RemoteScheduler(tmp_path).history())
    assert [one.id for one in found] == ["r"]


def test_with_gives_a_scheduler_that_blocks(daemons):
    with rae_auto.connect(daemons.state) as scheduler:
        run = scheduler.wait(scheduler.trigger("good"), timeout=60)
        assert scheduler.read_output(run.id) == "hello\n"
    session = rae_auto.connect(daemons.state).sync()
    session.open()
    assert {info.id for info in session.list_jobs()} >= {"good", "bad"}
    session.close()


@pytest.mark.parametrize("directory", ["nowhere", "."])
def test_without_a_daemon_the_error_says_how_to_start_one(directory, tmp_path: Path):
    async def connect_async():
        async with rae_auto.connect(tmp_path / directory):
            pass

    with pytest.raises(DaemonUnreachable, match="start one with 'rae-auto run'"):
        in_time(connect_async)
    with pytest.raises(DaemonUnreachable), rae_auto.connect(tmp_path / directory):
        pass
