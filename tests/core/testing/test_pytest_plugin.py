"""The plugin of pytest: its fixtures, its mark, and what it costs who doesn't use it."""

import asyncio
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.testing.harness.leaks import watch_for_leaks
from rae_auto.testing.pytest_plugin import (  # noqa: F401 - also where the entry point isn't installed yet
    rae_daemon,
    rae_listener,
    rae_play,
    rae_timer,
)
from rae_auto.testing.time_limits import limit_calls, run_within_limit

MODULE = "rae_auto.testing.pytest_plugin"


@frozen(kw_only=True)
class Noon(ScheduleTrigger):
    """Fires at noon, UTC."""

    type = "noon"
    hour: int = field(default=12, metadata={"help": "the hour"})

    def next_after(self, instant):
        due = instant.astimezone(UTC).replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return due if due > instant else due + timedelta(days=1)


def test_play_returns_what_ran_and_why(rae_play):  # noqa: F811
    played = rae_play(
        '[jobs.lunch]\ncommand = ["true"]\ntrigger = { type = "noon" }\n'
        '[jobs.tea]\ncommand = ["true"]\ntrigger = { type = "noon", hour = 16 }\n'
        'guards = [{ type = "weekday", days = ["sun"] }]',
        days=2,
        start=datetime(2026, 1, 31, tzinfo=UTC),
        plugins=[Noon],
    )
    assert played.of("lunch") == [datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC)]
    assert played.of("tea") == [datetime(2026, 2, 1, 16, tzinfo=UTC)]
    assert played.starts[0].reason


def test_daemon_runs_a_job(rae_daemon):  # noqa: F811
    async def main():
        async with rae_daemon('[jobs.hello]\ncommand = ["true"]\ntrigger = { type = "manual" }') as scheduler:
            run = await scheduler.trigger("hello")
            return (await scheduler.wait(run)).state

    assert asyncio.run(main()) == "succeeded"


def test_timer_and_listener_share_their_clocks(rae_timer, rae_listener):  # noqa: F811
    asyncio.run(rae_timer.advance(60))
    assert rae_listener.timer.now() == rae_timer.now()


def test_limit_interrupts_an_endless_loop():
    def endless():
        while True:
            pass

    with pytest.raises(AssertionError, match=r"the test hangs: .*test_pytest_plugin.py:\d+"):
        limit_calls(endless, 1)()


def test_leaks_name_a_blocked_loop():
    async def busy():
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass

    with pytest.raises(AssertionError, match=r"busy .*kept the event loop busy"), watch_for_leaks():
        asyncio.run(busy())


def test_leaks_name_a_thread_that_is_left():
    end = threading.Event()
    with pytest.raises(AssertionError, match="the thread forgotten is left"), watch_for_leaks():
        threading.Thread(target=end.wait, name="forgotten").start()
    end.set()


def run_by_asyncio(coroutine):
    asyncio.run(coroutine)


def run_in_a_suite(coroutine):
    run_within_limit(coroutine, "the test")


def run_by_hand(coroutine):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(coroutine)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("run", [run_by_asyncio, run_in_a_suite, run_by_hand])
def test_leaks_name_a_task_that_is_left(run):
    kept = []

    async def forgotten():
        await asyncio.sleep(60)

    async def forget():
        kept.append(asyncio.create_task(forgotten()))
        kept[0]._log_destroy_pending = False  # asyncio would say so too, later, on standard error

    with pytest.raises(AssertionError, match=r"the task .*forgotten \(.*py:\d+\) is left; await it"), watch_for_leaks():
        run(forget())


@pytest.mark.parametrize("run", [run_by_asyncio, run_in_a_suite])
def test_leaks_allow_tasks_that_are_cancelled_and_awaited(run):
    async def tidy():
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    with watch_for_leaks():
        run(tidy())


def test_unused_plugin_imports_nothing_of_rae_auto():
    code = (
        "import sys, pytest, rae_auto.testing.pytest_plugin; print(*(m for m in sys.modules if m.startswith('rae_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"rae_auto", "rae_auto._version", "rae_auto.testing", MODULE}
