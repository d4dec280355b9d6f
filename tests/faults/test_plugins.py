"""Plugins that raise, hang, block or return wrong types: the daemon and the other plugins go on."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from tests.support.control_peer import in_time
from tests.support.log_lines import captured_log
from tests.support.waiting import eventually

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.api import Assignment, Execution, Executor, Notice, Notifier, ScheduleTrigger
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.control.client import Client
from rae_auto.engine.plan import Settings
from rae_auto.errors import SchedulerError
from rae_auto.explain.engine_source import explain_job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import NotifyPolicy
from rae_auto.model.run import Result
from rae_auto.registry import Registry
from rae_auto.runtime.concurrency import background_tasks
from rae_auto.runtime.execution import executions
from rae_auto.runtime.reporting import notifications

ANSWERS: dict[str, Callable[[datetime], Any]] = {
    "raises": lambda _: 1 // 0,
    "exits": lambda _: sys.exit(3),
    "naive": lambda _: datetime(2200, 1, 1),
    "text": lambda _: "tomorrow",
    "the same": lambda instant: instant,
    "the past": lambda instant: instant - timedelta(days=1),
}
WORDS = {
    "raises": "ZeroDivisionError",
    "exits": "SystemExit",
    "naive": "no time zone",
    "text": "is not a datetime",
    "the same": "isn't after",
    "the past": "isn't after",
}
healed: list[str] = []


@frozen
class Odd(ScheduleTrigger):
    """Answers as it is told to."""

    type = "odd"
    answer: str = "raises"

    def next_after(self, instant: datetime) -> datetime | None:
        if healed:
            return datetime(2200, 1, 1, tzinfo=UTC)
        found: datetime | None = ANSWERS[self.answer](instant)
        return found


@frozen
class Stubborn(Notifier):
    """Can't be cancelled."""

    type = "stubborn"

    async def notify(self, notice: Notice) -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


@frozen
class Liar(Executor):
    """Returns what is no execution."""

    type = "liar"

    async def start(self, assignment: Assignment) -> Execution:
        return "started"  # type: ignore[return-value]

    async def close(self) -> None:
        await asyncio.Event().wait()


@frozen
class Sleeper(Executor):
    """Blocks in its start, even when cancelled, until it is woken."""

    type = "sleeper"

    async def start(self, assignment: Assignment) -> Execution:
        while not healed:
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(0.05):
                    await asyncio.Event().wait()
        return Late()


class Late(Execution):
    """Comes too late."""

    handle: Mapping[str, Any] = {}

    async def wait(self) -> Result:
        return Result(exit_code=0)

    async def cancel(self, grace: timedelta) -> None:
        healed.append("ended")


class Source:
    """The installed plugins, and those of these tests."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.mine: dict[tuple[Kind, str], type[Plugin]] = {
            (Kind.TRIGGER, "odd"): Odd,
            (Kind.NOTIFIER, "stubborn"): Stubborn,
            (Kind.EXECUTOR, "liar"): Liar,
            (Kind.EXECUTOR, "sleeper"): Sleeper,
        }

    def names(self, kind: Kind) -> set[str]:
        return {*self.registry.names(kind), *(name for known, name in self.mine if known is kind)}

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return self.mine.get((kind, name)) or self.registry.get(kind, name)


@pytest.fixture(autouse=True)
def _sick() -> None:
    healed.clear()


@pytest.fixture
def log() -> Iterator[list[str]]:
    with captured_log("{level} {message}", "ERROR") as lines:
        yield lines


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("answer", ANSWERS)
def test_schedule_with_bad_result_is_quarantined_alone(tmp_path, log, answer):
    odd = Job(id="odd", command="true", schedule=(TriggerRef(id="t", type="odd", options={"answer": answer}),))

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[odd, Job(id="good", command="true")], plugins=Source()) as s:
            by_hand = [await s.wait(await s.trigger(job)) for job in ("odd", "good")]
            held = s.runtime.quarantine.problems(), (await s.get_job_status("odd")).next_at
            why = [
                (await explain_job(s, "odd")).facts[-1],
                await explain_job(s, "odd", datetime(2200, 1, 1, tzinfo=UTC)),
            ]
            healed.append("yes")
            await s.runtime.reconfigure([odd], Settings(), "UTC", {})
            return by_hand, held, why, s.runtime.quarantine.problems(), (await s.get_job_status("odd")).next_at

    by_hand, ((problem,), at), (fact, future), problems, next_at = in_time(work)
    assert [run.state for run in by_hand] == [RunState.SUCCEEDED] * 2
    assert WORDS[answer] in problem
    assert "rae-auto reload" in problem
    assert fact.subject == "trigger t"
    assert fact.text.startswith("is quarantined after 1 failure in unknown: next_after ")
    assert "for its author: " in fact.text
    assert future.answer.endswith(f': its trigger "t" {fact.text}')
    assert at is None
    assert len(log) == 1
    assert (problems, next_at) == ([], datetime(2200, 1, 1, tzinfo=UTC))


@pytest.mark.requirement("R35")
def test_a_notifier_that_ignores_its_cancellation_holds_up_no_end(tmp_path, log, monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(background_tasks, "CLOSE_TIMEOUT_SECONDS", 0.1)

    async def work():
        job = Job(id="a", command="false", notify=NotifyPolicy(on=("failure",)))
        notifiers = {"ops": PluginRef("stubborn")}
        async with Scheduler(directory=tmp_path, jobs=[job], notifiers=notifiers, plugins=Source()) as s:
            await s.wait(await s.trigger("a"))

    loop = asyncio.new_event_loop()
    background_tasks.run_until_complete(asyncio.wait_for(work(), 60), loop)
    assert loop.is_closed()
    assert any("it has not returned within" in line and "for its author: limit" in line for line in log)


@pytest.mark.requirement("R35")
def test_executor_with_bad_result_fails_the_run_and_close_is_bounded(tmp_path, log):
    async def work():
        async with Scheduler(
            directory=tmp_path, jobs=[Job(id="a", command="true", executor=PluginRef("liar"))], plugins=Source()
        ) as s:
            return await s.wait(await s.trigger("a"))

    run = in_time(work)
    assert run.state is RunState.FAILED
    assert "is not an Execution" in run.attempts[-1].result.error
    assert any("an executor did not end within 1 s" in line for line in log)


@pytest.mark.requirement("R35")
def test_executor_that_never_starts_holds_no_run_open(tmp_path, monkeypatch):
    monkeypatch.setattr(executions, "FIND_TIMEOUT_SECONDS", 0.1)
    job = Job(id="a", command="true", executor=PluginRef("sleeper"), timeout="0.1s", kill_after="0s")

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[job], plugins=Source()) as s:
            run = await s.wait(await s.trigger("a"))
            healed.append("woken")
            await asyncio.to_thread(eventually, lambda: "ended" in healed)
            return run

    run = in_time(work)
    assert run.state is RunState.TIMED_OUT
    assert "did not start it in time" in run.attempts[-1].result.error


BLOCKER = '''
import asyncio
import threading
import time
from attrs import frozen
from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl


@frozen
class Blocker(Notifier):
    """Blocks the event loop, or as many threads as it gets."""

    type = "blocker"
    threads: bool = False

    async def notify(self, notice: Notice) -> None:
        if self.threads:
            await asyncio.gather(*(asyncio.to_thread(threading.Event().wait) for _ in range(50)))
        time.sleep(2.5)


@hookimpl
def rae_notifiers():
    return [Blocker]
'''


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a notifier that blocks, and the distribution that it comes from."""
    info = tmp_path / "site" / "rae_blocker-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rae_blocker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rae_auto.notifiers]\nblocker = rae_blocker\n")
    (info.parent / "rae_blocker.py").write_text(BLOCKER)
    config = tmp_path / "rae.toml"
    notifier = '[notifiers.ops]\ntype = "blocker"\nthreads = false\n'
    job = '[jobs.bad]\ncommand = ["false"]\nnotify = { on = ["failure"] }\n'
    config.write_text(f'loggers = ["file"]\n{notifier}{job}')
    config.chmod(0o600)
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def answers() -> bool:
    try:
        with Client() as client:
            return bool(client.call("ping"))
    except SchedulerError:
        return False


@contextlib.contextmanager
def daemon(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a daemon with the plugins of the site."""
    environment = {**os.environ, "PYTHONPATH": str(home / "site")}
    command = [sys.executable, "-m", "rae_auto", "run", "--config", str(home / "rae.toml")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: process.poll() is not None or answers())
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()


@pytest.mark.requirement("R35")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the watchdog needs interval timers")
def test_what_blocks_the_loop_is_named_with_its_distribution_and_line(home):
    with daemon(home), Client() as client:
        client.call("trigger", job="bad", request=None)
        (problem,) = eventually(lambda: client.call("status")["problems"])
        line = 1 + BLOCKER.splitlines().index("        time.sleep(2.5)")
        assert 'notifier "blocker" of rae_blocker 1.0' in problem
        assert f"rae_blocker.py:{line} (notify)" in problem
        assert problem in "".join(path.read_text() for path in (home / "state").rglob("*.log"))


@pytest.mark.requirement("R35")
def test_plugin_that_blocks_its_threads_delays_nothing_else(home):
    config = home / "rae.toml"
    config.write_text(config.read_text().replace("threads = false", "threads = true"))
    with daemon(home) as process, Client() as client:
        client.call("trigger", job="bad", request=None)
        eventually(lambda: [run for run in client.call("history", job="bad") if run["state"] == "failed"])
        # These read and write files in threads.
        config.write_text(config.read_text() + '[jobs.new]\ncommand = ["true"]\n')
        assert client.call("reload")["added"] == ["new"]
        client.call("record_event", name="big", data={"text": "x" * 60_000}, at=None)
        assert len(client.call("list_events", names=["big"])) == 1
        process.kill()
