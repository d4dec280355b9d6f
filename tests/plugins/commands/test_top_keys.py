"""Keys of `rae-auto top` over the records of a real daemon."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.testing.commands import FakeClient, FakeContext
from rae_plugins.commands.top.app import TopApp

JOBS = """
[jobs.nightly]
command = ["true"]
schedule = "0 3 * * *"
[jobs.bad]
shell = "exit 3"
"""


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    home = tmp_path_factory.mktemp("daemon")
    daemons = Daemons(home, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    run = daemons.ask("trigger", job="bad")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)
    yield daemons
    daemons.stop()
    daemons.end()


def text_of(app: TopApp, part: str) -> str:
    return str(app.query_one(f"#{part}").render())


async def wait_until(pilot: Any, holds: Callable[[], bool], describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, describe()
        await pilot.pause(0.05)


async def wait_for(pilot: Any, app: TopApp, part: str, *words: str) -> str:
    await wait_until(
        pilot,
        lambda: all(word in text_of(app, part) for word in words),
        lambda: f"{part} shows {text_of(app, part)}, not all of {words}",
    )
    return text_of(app, part)


def marks_of_this_month(daemons: Daemons) -> list[str]:
    """Return what the calendar has: a failure unless that was last month, and starts unless today is the last day."""
    now = datetime.now(UTC)
    (run,) = daemons.ask("history", job="bad")
    has_failed = datetime.fromisoformat(run["finished_at"]).month == now.month
    is_last_day = (now + timedelta(days=1)).month != now.month
    return ["✕1"] * has_failed + ["▫1"] * (not is_last_day)


def context_of(daemons: Daemons) -> FakeContext:
    context = FakeContext(daemons.state, FakeClient({}))
    context.config = daemons.config
    return context


def test_keys_show_timeline_month_and_simulation(daemons: Daemons) -> None:
    async def drive() -> None:
        app = TopApp(context_of(daemons))
        async with app.run_test(size=(110, 34)) as pilot:
            await wait_for(pilot, app, "verdict", '"bad"')
            await pilot.press("t")
            await wait_for(pilot, app, "pane", "nightly", "bad", "✕", "▫ expected")
            await pilot.press("m")
            await wait_for(pilot, app, "pane", "Mon", "Sun", *marks_of_this_month(daemons))
            await pilot.press("s")
            await wait_for(pilot, app, "pane", "nightly", "assumed: runs of ", "decisions")
            await play(app, pilot)
            await pilot.press("escape")
            await wait_until(pilot, lambda: "simulation" not in text_of(app, "title"), lambda: text_of(app, "title"))
            assert "output" in text_of(app, "title")

    async def play(app: TopApp, pilot: Any) -> None:
        if "▶" in text_of(app, "pane").splitlines()[0]:
            await pilot.press("space")
        await wait_for(pilot, app, "pane", "‖")
        paused = text_of(app, "pane")
        await pilot.pause(0.3)
        assert text_of(app, "pane") == paused
        await pilot.press("full_stop")
        await wait_until(pilot, lambda: text_of(app, "pane") != paused, lambda: "it is still paused")
        assert "03:00" in text_of(app, "pane").splitlines()[0]

    asyncio.run(drive())
