"""Workers, schedulers, keepers, helpers and daemons killed and stopped: nothing is lost, nothing runs twice."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from campaign import Campaign
from dask_cluster import DaskCluster

from rae_auto.api import Execution, NeverStarted
from rae_auto.model.policies import Priority
from rae_auto.model.run import QueuePlace, Result
from rae_auto.testing.harness.counted_attempts import CountedAttempts, until
from rae_plugins.executors.remote import request

LIMIT_SECONDS = 100.0

output, starts = CountedAttempts.output, CountedAttempts.starts


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene()

    asyncio.run(limited())


def is_alive(pid: str) -> bool:
    return psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE


def test_killed_worker_loses_the_attempt_once_it_is_gone(cluster: DaskCluster, open_executor: Any, assign: Any) -> None:
    """Dask runs the task of a dead worker again, on the other one; that starts nothing."""
    worker = cluster.add_worker(resources="doomed=1")

    async def scene() -> None:
        executor = await open_executor(resources={"doomed": 1})
        attempt = assign("sleep 300 & echo $$ $!; wait")
        execution = await executor.start(attempt)
        await until(lambda: len(output(attempt).split()) == 2)
        pids = output(attempt).split()
        cluster.kill(worker)
        cluster.add_worker(resources="doomed=1")
        assert await execution.wait() is None
        assert [is_alive(pid) for pid in pids] == [False, False]
        assert starts(attempt) == 1
        await executor.close()

    run(scene)


def test_killed_keeper_leaves_nothing(cluster: DaskCluster, open_executor: Any, assign: Any) -> None:
    worker = cluster.add_worker(resources="kept=1")

    async def scene() -> None:
        executor = await open_executor(labels=["kept"])
        attempt = assign("sleep 300 & echo $$ $!; wait")
        execution = await executor.start(attempt)
        await until(lambda: len(output(attempt).split()) == 2)
        pids = output(attempt).split()
        os.kill(cluster.find_keepers(worker, Path(executor.directory))[1].pid, signal.SIGKILL)
        assert await execution.wait() is None
        assert [is_alive(pid) for pid in pids] == [False, False]
        # The worker has another keeper now.
        second = assign("exit 4")
        result = await (await executor.start(second)).wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(second)) == (4, 1)
        await executor.close()

    run(scene)
    cluster.kill(worker)


def test_stopped_worker_is_followed_by_another(cluster: DaskCluster, open_executor: Any, assign: Any) -> None:
    worker = cluster.add_worker(resources="frozen=1")

    async def scene() -> None:
        executor = await open_executor(labels=["frozen"])
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.05; done; echo last; exit 7")
        execution = await executor.start(attempt)
        await until(lambda: "begun" in output(attempt))
        worker.suspend()
        (Path(attempt.job.cwd) / "go").touch()
        result = await execution.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, output(attempt), starts(attempt)) == (7, "begun\nlast\n", 1)
        await executor.close()

    run(scene)
    cluster.kill(worker)


def test_job_of_a_stopped_worker_ends_with_the_lease(cluster: DaskCluster, open_executor: Any, assign: Any) -> None:
    worker = cluster.add_worker(resources="leased=1")

    async def scene() -> None:
        executor = await open_executor(labels=["leased"], lease="2s")
        attempt = assign("echo $$; sleep 300")
        execution = await executor.start(attempt)
        await until(lambda: bool(output(attempt).split()))
        worker.suspend()
        assert await execution.wait() is None
        assert not is_alive(output(attempt).split()[0])
        worker.resume()
        # What it does when it wakes is of no account.
        await asyncio.sleep(1.0)
        assert starts(attempt) == 1
        await executor.close()

    run(scene)
    cluster.kill(worker)


def test_lost_without_a_worker_there_is_proven_by_the_lease(
    cluster: DaskCluster, make_executor: Any, assign: Any, tmp_path: Path
) -> None:
    """The only worker of a machine is stopped. Dask drops it before the lease is over; that proves nothing yet."""
    own = DaskCluster(tmp_path / "cluster", beside=cluster)
    own.start()
    silent = own.add_worker(resources="here=1", HOME=str(tmp_path / "here"))
    own.add_worker(resources="there=1", HOME=str(tmp_path / "there"))

    async def scene() -> None:
        executor = make_executor(scheduler=own.address, directory="~/runs", resources={"here": 1}, lease="8s")
        (tmp_path / "state").mkdir(mode=0o700)
        await executor.open(tmp_path / "state")
        attempt = assign("echo $$; sleep 300")
        execution = await executor.start(attempt)
        await until(lambda: bool(output(attempt).split()))
        silent.suspend()
        await until(lambda: execution.is_out_of_reach)
        assert await execution.wait() is None
        assert not is_alive(output(attempt).split()[0])
        assert starts(attempt) == 1
        await executor.close()

    run(scene)
    own.close()


def test_scheduler_gone_and_back(cluster: DaskCluster, open_executor: Any, assign: Any) -> None:
    """One attempt has ended meanwhile, one was running, and one waits for a worker: true status, lost, started."""

    async def scene() -> None:
        executor = await open_executor()
        running = assign("echo $$; sleep 300")
        first = await executor.start(running)
        await until(lambda: bool(output(running).split()))
        waiting = assign("exit 5")
        cluster.restart_scheduler()
        third = await executor.start(waiting)
        cluster.add_worker(threads=8, resources="box=1 slots=2")
        assert await first.wait() is None
        assert not is_alive(output(running).split()[0])
        result = await third.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(waiting), starts(running)) == (5, 1, 1)
        await executor.close()

    run(scene)


def test_new_daemon_adopts_with_the_true_exit_status(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        first, second = await open_executor(), await open_executor()
        running = assign("echo begun; until [ -e go ]; do sleep 0.05; done; echo last; exit 6")
        ended = assign("echo begun; until [ -e early ]; do sleep 0.05; done; echo last; exit 5")
        executions = [await first.start(running), await first.start(ended)]
        await until(lambda: output(running) == output(ended) == "begun\n")
        await first.close()
        place = Path(running.job.cwd)
        (place / "early").touch()
        found = await second.find(ended, executions[1].handle)
        result = await found.wait() if isinstance(found, Execution) else found
        assert isinstance(result, Result)
        assert (result.exit_code, output(ended)) == (5, "begun\nlast\n")
        found = await second.find(running, executions[0].handle)
        assert isinstance(found, Execution)
        (place / "go").touch()
        result = await found.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, output(running), starts(running)) == (6, "begun\nlast\n", 1)
        await second.close()

    run(scene)


def test_attempt_that_was_not_permitted_never_starts(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = await open_executor()
        attempt = assign("echo too late")
        found = await executor.find(attempt, None)
        assert (await found.wait() if isinstance(found, Execution) else found) == NeverStarted()
        late = await executor.start(attempt)
        assert await late.wait() == NeverStarted()
        assert starts(attempt) == 0
        await executor.close()

    run(scene)


def test_attempt_is_spawned_once_however_often_it_is_asked_for(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executors = [await open_executor(lease=f"{60 + number}s") for number in range(3)]
        attempt = assign("sleep 0.2; exit 6")
        executions = [await executor.start(attempt) for executor in executors]
        first, *_ = await asyncio.wait(
            {asyncio.ensure_future(execution.wait()) for execution in executions}, timeout=60
        )
        assert starts(attempt) == 1
        assert {getattr(task.result(), "exit_code", None) for task in first} == {6}
        for executor in executors:
            await executor.close()

    run(scene)


def test_killed_helper_is_replaced(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = await open_executor()
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.05; done; exit 3")
        execution = await executor.start(attempt)
        await until(lambda: "begun" in output(attempt))
        executor._link.process.terminate()
        await until(lambda: execution.is_out_of_reach)
        (Path(attempt.job.cwd) / "go").touch()
        result = await execution.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(attempt)) == (3, 1)
        await executor.close()

    run(scene)


def test_label_that_no_worker_has_is_named(open_executor: Any) -> None:
    async def scene() -> None:
        executor = await open_executor(labels=["nowhere"])
        problem = await executor.check_readiness() or ""
        assert 'label "nowhere"; start one with --resources "nowhere=1"' in problem
        await executor.close()

    run(scene)


def test_doctor_tests_the_cluster(make_executor: Any) -> None:
    assert make_executor(labels=["box"]).problems(Path()) == ()
    (line,) = make_executor(labels=["nowhere"]).problems(Path())
    assert 'label "nowhere"' in line
    (line,) = make_executor(scheduler="tcp://127.0.0.1:9").problems(Path())
    assert "see whether the scheduler is up" in line


def test_random_faults_double_and_lose_nothing(cluster: DaskCluster, tmp_path: Path) -> None:
    own = DaskCluster(tmp_path / "cluster", beside=cluster)
    own.start()
    for _ in range(2):
        own.add_worker(threads=2)
    campaign = Campaign(own, tmp_path, seed=5)
    wrong: list[str] = []

    async def scene() -> None:
        wrong.extend(await campaign.run(6))

    run(scene)
    own.close()
    assert wrong == []


def test_queued_attempt_is_given_back_when_its_worker_leaves(
    cluster: DaskCluster, open_executor: Any, assign: Any
) -> None:
    worker = cluster.add_worker(threads=1, resources="leaving=1")

    async def scene() -> None:
        executor = await open_executor(labels=["leaving"])
        running, queued = assign("echo begun; sleep 300"), assign("echo never")
        first = await executor.start(running)
        await until(lambda: "begun" in output(running))
        second = await executor.start(queued)
        cluster.kill(worker)
        assert await second.wait() == NeverStarted()
        assert await first.wait() is None
        assert starts(queued) == 0
        await executor.close()

    run(scene)


def test_cancel_of_a_queued_attempt_is_immediate(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = await open_executor(resources={"slots": 2})
        running, queued = assign("echo begun; until [ -e go ]; do sleep 0.05; done"), assign("echo never")
        first = await executor.start(running)
        await until(lambda: "begun" in output(running))
        second = await executor.start(queued)
        await asyncio.sleep(0.3)
        assert starts(queued) == 0, "two attempts have the same resource"
        await second.cancel(timedelta(seconds=60))
        result = await second.wait()
        assert isinstance(result, Result)
        assert "no worker had taken it yet" in (result.error or "")
        (Path(running.job.cwd) / "go").touch()
        await first.wait()
        assert starts(queued) == 0
        await executor.close()

    run(scene)


def test_worker_enforces_the_timeout_while_no_daemon_does(
    open_executor: Any, assign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "TIMEOUT_MARGIN_SECONDS", 0.0)

    async def scene() -> None:
        first, second = await open_executor(), await open_executor()
        attempt = assign("echo $$; sleep 300", timeout="0.5s", kill_after="0s")
        execution = await first.start(attempt)
        await until(lambda: bool(output(attempt).split()))
        await first.close()
        await until(lambda: not is_alive(output(attempt).split()[0]))
        found = await second.find(attempt, execution.handle)
        result = await found.wait() if isinstance(found, Execution) else found
        assert isinstance(result, Result)
        assert "its timeout was over" in (result.error or "")
        await second.close()

    run(scene)


def test_attempt_taken_just_before_the_daemon_died_counts_from_then(open_executor: Any, assign: Any) -> None:
    """A worker takes an attempt out of the queue, and the daemon dies before it knows: the next one has the start."""

    async def scene() -> None:
        first, second = await open_executor(resources={"slots": 2}), await open_executor()
        running = assign("echo begun; until [ -e go ]; do sleep 0.05; done")
        queued = assign("date +%s.%N; until [ -e last ]; do sleep 0.05; done; exit 7")
        place = Path(queued.job.cwd)
        await first.start(running)
        await until(lambda: "begun" in output(running))
        execution = await first.start(queued)
        assert execution.queue == QueuePlace(first.scheduler, "a worker with 2 slots free")
        leaving = asyncio.ensure_future(execution.leave_queue())
        await asyncio.sleep(0.3)
        assert not leaving.done(), "it counts as started in the queue"
        # As a daemon that is about to be killed: what the helper reports from now on reaches nothing.
        execution.handle_report = lambda _: None
        (place / "go").touch()
        await until(lambda: starts(queued) == 1)
        leaving.cancel()
        await first.close()
        await asyncio.sleep(0.5)
        found = await second.find(queued, execution.handle)
        assert isinstance(found, Execution)
        age = await found.leave_queue()
        await until(lambda: bool(output(queued)))
        assert age is not None
        assert abs(time.time() - age.total_seconds() - float(output(queued))) < 5.0 and age > timedelta(seconds=0.5)
        (place / "last").touch()
        result = await found.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(queued)) == (7, 1)
        await second.close()

    run(scene)


def test_attempt_that_ran_while_no_daemon_did_has_its_true_start(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        first, second = await open_executor(), await open_executor()
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.05; done; exit 7")
        before = datetime.now(UTC)
        execution = await first.start(attempt)
        await until(lambda: starts(attempt) == 1)
        await first.close()
        (Path(attempt.job.cwd) / "go").touch()
        await until(lambda: list(Path(first.directory).glob(f"*/runs/{attempt.run}*/out.exit")))
        ended = datetime.now(UTC)
        found = await second.find(attempt, execution.handle)
        result = await found.wait() if isinstance(found, Execution) else found
        assert isinstance(result, Result)
        assert result.exit_code == 7 and result.started_at is not None
        assert before < result.started_at < ended
        await second.close()

    run(scene)


def test_higher_priority_leaves_the_queue_first(open_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = await open_executor(resources={"slots": 2})
        note = 'echo "$RAE_RUN_ID" >> order'
        running = assign("echo begun; until [ -e go ]; do sleep 0.05; done")
        low, high = assign(note, priority=Priority.LOW), assign(note, priority=Priority.HIGH)
        executions = [await executor.start(running)]
        await until(lambda: "begun" in output(running))
        executions += [await executor.start(low), await executor.start(high)]
        await asyncio.sleep(0.5)
        place = Path(running.job.cwd)
        (place / "go").touch()
        await asyncio.gather(*(execution.wait() for execution in executions))
        assert (place / "order").read_text().split() == [high.run, low.run]
        await executor.close()

    run(scene)
