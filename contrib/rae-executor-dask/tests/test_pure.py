"""What needs no cluster: which workers fit, and the files that say where an attempt may start."""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rae_executor_dask import DaskExecutor, cluster_link, probe
from rae_executor_dask.cluster import claims
from rae_executor_dask.cluster.claims import NEVER, ClaimFiles, is_never
from rae_executor_dask.cluster.fitting import find_problem
from rae_executor_dask.cluster.settings import ClusterSettings

from rae_auto.model.guard import EXECUTOR_GUARD, GuardResult
from rae_auto.model.reasons import GuardBlocked, NoWorker
from rae_auto.runtime.execution.reach import check_readiness
from rae_auto.testing.harness.skipping_loop import SkippingLoop

SCHEDULER = "tcp://10.0.0.5:8786"
PLAIN = {"resources": {}, "status": "running"}
LARGE = {"resources": {"gpu": 2.0, "nas": 1.0}, "status": "running"}
PAUSED = {**LARGE, "status": "paused"}

FAILING_HELPER = """
from rae_executor_dask.cluster import __main__, connection, helper
async def fail(*_):
    raise OSError("no space left on device")
{part} = fail
__main__.main()
"""


def make_settings(claims: Path) -> str:
    return ClusterSettings(SCHEDULER, str(claims), "~", 60.0).to_text()


@pytest.mark.parametrize(
    ("workers", "labels", "resources", "problem"),
    [
        ([PLAIN], [], {}, None),
        ([PLAIN, LARGE], ["nas"], {"gpu": 2}, None),
        ([], [], {}, f"{SCHEDULER} has no workers; start one with 'dask worker {SCHEDULER}'"),
        ([PLAIN], ["nas"], {}, 'none of its 1 worker has label "nas"; start one with --resources "nas=1"'),
        ([PLAIN, LARGE], [], {"gpu": 3}, 'none of its 2 workers has 3 of "gpu"; start one with --resources "gpu=3"'),
        ([PAUSED], ["nas"], {}, f"{SCHEDULER} has 1 worker, but none takes tasks now"),
    ],
)
def test_problem_names_what_no_worker_has(workers: list, labels: list, resources: dict, problem: str | None) -> None:
    by_address = {f"tcp://10.0.0.{number}:1": worker for number, worker in enumerate(workers)}
    assert find_problem(by_address, SCHEDULER, labels, resources) == problem


def test_first_claim_of_an_attempt_counts(tmp_path: Path) -> None:
    one, other = ClaimFiles(tmp_path), ClaimFiles(tmp_path)
    assert one.read("run.1") is None
    first = one.write("run.1", {"relay": "a"})
    assert first["relay"] == "a"
    assert other.write("run.1", NEVER) == first == other.read("run.1")
    assert is_never(other.write("run.2", NEVER)) and is_never(one.write("run.2", {"relay": "b"}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.1", "run.2"]


def test_age_of_a_claim_goes_by_a_clock_that_can_not_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, wall = 1_000.0, 50_000.0
    monkeypatch.setattr(claims, "read_boot_clock", lambda: clock)
    monkeypatch.setattr(claims, "read_boot", lambda: boot)
    monkeypatch.setattr(claims.time, "time", lambda: wall)
    boot = "first"
    claim = ClaimFiles(tmp_path).write("run.1", {"relay": "a"})
    clock, wall = 1_030.0, 10.0
    assert ClaimFiles.find_age(claim) == 30.0, "the wall clock was set back"
    boot, clock, wall = "second", 5.0, 50_200.0
    assert ClaimFiles.find_age(claim) == 200.0, "the machine was started again"
    assert ClaimFiles.find_age({"relay": "a"}) == 0.0, "a claim of an earlier version"


def test_run_has_the_reason_no_worker_within_5_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the cluster says nothing at all: here the helper is silent, and the clock of the daemon skips."""
    # It reads what it is asked, and has no answer.
    monkeypatch.setattr(cluster_link, "HELPER_COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))

    async def ask() -> tuple[GuardResult, float]:
        executor, loop = DaskExecutor(scheduler=SCHEDULER, labels=["gpu"]), asyncio.get_running_loop()
        await executor.open(tmp_path)
        opened: asyncio.Future[DaskExecutor] = loop.create_future()
        opened.set_result(executor)
        asked_at = loop.time()
        found, seconds = await check_readiness(opened), loop.time() - asked_at
        await executor.close()
        return found, seconds

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        found, seconds = runner.run(ask())
    reason = GuardBlocked.from_result(EXECUTOR_GUARD, found)
    assert isinstance(reason, NoWorker) and SCHEDULER in reason.text
    # The engine asks in the turn in which the run is decided.
    assert seconds <= 5.0


def test_queued_attempt_is_given_back_within_5_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last worker that could take it leaves; then the run has the reason `no_worker`."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster import helper

    left_at = 7.7

    async def play() -> float:
        loop, given_back = asyncio.get_running_loop(), asyncio.Event()

        async def identity(**_: Any) -> dict[str, Any]:
            return {"workers": {} if loop.time() >= left_at else {"tcp://10.0.0.6:1": LARGE}}

        def report(message: dict[str, Any]) -> None:
            assert message == {"token": "run.1", "never": True}
            given_back.set()

        one = helper.Helper(ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0), report)
        scheduler = SimpleNamespace(identity=identity)
        one._connection.client = SimpleNamespace(scheduler=scheduler, submit=lambda *_, **__: loop.create_future())
        work = {"name": "a", "labels": ["gpu"], "resources": {}, "priority": 0, "request": {}}
        one.handle({"do": "spawn", "token": "run.1", "run": "run", "request": work})
        working = asyncio.create_task(one.run())
        await given_back.wait()
        working.cancel()
        return loop.time() - left_at

    async def call(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def keep_connected(*_: Any) -> None:
        await asyncio.Event().wait()

    # Threads take no time here, because the clock would skip it.
    monkeypatch.setattr(helper.asyncio, "to_thread", call)
    monkeypatch.setattr(helper.ClusterConnection, "keep", keep_connected)
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        monkeypatch.setattr(helper, "time", SimpleNamespace(monotonic=runner.get_loop().time))
        seconds = runner.run(play())
    assert 2.0 < seconds <= 5.0


def test_cancel_is_one_message_that_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster import helper
    from rae_executor_dask.cluster.tracked_attempt import TrackedAttempt

    async def play() -> list[tuple[float, dict[str, Any]]]:
        loop, sent = asyncio.get_running_loop(), []

        async def call(address: str, message: dict[str, Any], seconds: float) -> dict[str, Any]:
            if message["do"] == "poll":
                await asyncio.Event().wait()
            sent.append((loop.time(), message))
            return {"relay": "r", "answers": [None] * len(message["messages"])}

        one = helper.Helper(ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0), lambda _: None)
        monkeypatch.setattr(one._connection, "call", call)
        attempt = one._attempts["run.1"] = TrackedAttempt("run.1", "run", lambda _: None)
        attempt.claim = {"address": "tcp://10.0.0.6:1", "relay": "r"}
        one._follow(attempt, "tcp://10.0.0.6:1")
        await asyncio.sleep(3.21)
        one.handle({"do": "end", "token": "run.1", "grace": 5.0})
        await asyncio.sleep(10)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return sent

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        monkeypatch.setattr(helper, "time", SimpleNamespace(monotonic=runner.get_loop().time))
        ((sent_at, message),) = runner.run(play())
    assert sent_at == 3.21
    (end,) = message["messages"]
    assert (message["do"], end["do"], end["token"], end["grace"]) == ("batch", "end", "run.1", pytest.approx(5.0))


def test_line_of_output_is_passed_on_when_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is always a question under way to the worker, and its answer is reported without a wait."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster import helper
    from rae_executor_dask.cluster.tracked_attempt import TrackedAttempt

    printed_at = [1.23, 1.24, 3.0, 31.7]

    async def play() -> list[float]:
        loop, reported_at = asyncio.get_running_loop(), []
        waiting = list(printed_at)

        async def call(address: str, message: dict[str, Any], seconds: float) -> dict[str, Any]:
            # A worker holds the question until there is a line, or for as long as it was asked to.
            pause = min(waiting[0] - loop.time() if waiting else seconds, message["seconds"])
            await asyncio.sleep(pause)
            reports = []
            if waiting and loop.time() >= waiting[0]:
                waiting.pop(0)
                reports = [{"token": "run.1", "at": 0, "data": "bGluZQo="}]
            return {"relay": "r", "reports": reports}

        one = helper.Helper(ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0), lambda _: None)
        monkeypatch.setattr(one._connection, "call", call)
        attempt = one._attempts["run.1"] = TrackedAttempt("run.1", "run", lambda _: reported_at.append(loop.time()))
        attempt.claim = {"address": "tcp://10.0.0.6:1", "relay": "r"}
        one._follow(attempt, "tcp://10.0.0.6:1")
        await asyncio.sleep(60)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return reported_at

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(play()) == pytest.approx(printed_at, abs=1e-6)


@pytest.mark.parametrize("part", ["helper.Helper._tend", "connection.ClusterConnection.keep"])
def test_helper_ends_at_once_when_a_part_of_its_work_does(tmp_path: Path, part: str) -> None:
    """Not at the next request of the daemon, which may come in hours."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    with subprocess.Popen(
        [sys.executable, "-c", FAILING_HELPER.format(part=part), make_settings(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as helper:
        try:
            assert helper.wait(60) == 1
            assert helper.stderr is not None
            assert helper.stderr.read().splitlines()[-1] == b"OSError: no space left on device"
        finally:
            helper.kill()


def test_helper_that_can_not_be_understood_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_link, "HELPER_COMMAND", (sys.executable, "-c", "print('not JSON')"))

    async def ask() -> str | None:
        executor = DaskExecutor(scheduler=SCHEDULER)
        await executor.open(tmp_path)
        problem = await executor.check_readiness()
        await executor.close()
        return problem

    assert "its report can't be read" in (asyncio.run(ask()) or "")


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        (FAILING_HELPER.format(part="helper.Helper._tend"), "OSError: no space left on device"),
        ("print('not JSON')", "Expecting value"),
    ],
)
def test_doctor_says_that_the_helper_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, cause: str
) -> None:
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    monkeypatch.setattr(cluster_link, "HELPER_COMMAND", (sys.executable, "-c", program))
    monkeypatch.setattr(probe, "PROBE_SECONDS", 60.0)
    (problem,) = DaskExecutor(scheduler=SCHEDULER).problems(tmp_path)
    assert problem.startswith(f"the helper has ended ({cause}")


def test_doctor_has_its_answer_however_the_helper_ends_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        'import os, sys\nprint(\'{"open": true, "problem": null}\', flush=True)\n'
        "sys.stdin.readline()\nprint('{\"id\": 1, \"problem\": null}', flush=True)\nsys.exit('too late')"
    )
    monkeypatch.setattr(cluster_link, "HELPER_COMMAND", (sys.executable, "-c", program))
    assert DaskExecutor(scheduler=SCHEDULER).problems(tmp_path) == ()


def test_scheduler_silent_during_a_start_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission never arrives, the connection is made again, and the task asks again."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster import helper

    address, permitted = "tcp://10.0.0.6:1", 0
    claim = {"token": "run.1", "relay": "r", "address": address, "place": "p", "boot": "b", "pids": "q"}

    async def play() -> None:
        nonlocal permitted
        is_silent, asked = True, asyncio.Event()

        async def call(_: str, message: dict[str, Any], __: float) -> dict[str, Any]:
            nonlocal permitted
            asked.set()
            if is_silent or message["do"] == "poll":
                await asyncio.Event().wait()
            permitted += message["messages"][0]["do"] == "spawn"
            return {"relay": "r", "answers": [None]}

        one = helper.Helper(ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0), lambda _: None)
        monkeypatch.setattr(one._connection, "call", call)
        work = {"name": "a", "labels": [], "resources": {}, "priority": 0, "request": {}}
        one.handle({"do": "spawn", "token": "run.1", "run": "run", "request": work})
        one._handle_event(claim)
        await asked.wait()
        is_silent = False
        for problem in ("the connection has ended", None):
            one._note_connection(problem)
        for _ in range(100):
            # As the task does.
            await asyncio.sleep(0.5)
            one._handle_event(claim)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def to_thread(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(helper.asyncio, "to_thread", to_thread)
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(play())
    assert permitted > 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"scheduler": "10.0.0.5"}, "must be the address of a scheduler"),
        ({"scheduler": SCHEDULER, "resources": {"gpu": 0}}, "must be more than 0"),
        ({"scheduler": SCHEDULER, "lease": "0s"}, "must be more than 0s"),
        ({"scheduler": SCHEDULER, "ca_file": "ca.pem"}, 'use a "tls://" address'),
        ({"scheduler": "tls://10.0.0.5:8786", "cert_file": "a.pem"}, "need each other"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DaskExecutor(**options)
