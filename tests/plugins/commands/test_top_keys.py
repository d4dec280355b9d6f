"""Keys of `rae-auto top` over the records of a real daemon."""

import asyncio
from collections.abc import Iterator
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


async def wait_for(pilot: Any, app: TopApp, part: str, *words: str) -> str:
    for _ in range(600):
        await pilot.pause(0.05)
        if all(word in text_of(app, part) for word in words):
            return text_of(app, part)
    raise AssertionError(f"{part} shows {text_of(app, part)}")


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
            await wait_for(pilot, app, "pane", "nightly", "bad", "✖", "▫ expected")
            await pilot.press("m")
            await wait_for(pilot, app, "pane", "Mon", "Sun", "✖1", "▫1")
            await pilot.press("s")
            await wait_for(pilot, app, "pane", "nightly", "of 30")
            await play(app, pilot)
            await pilot.press("escape")
            await wait_for(pilot, app, "title", "output")
            assert "simulation" not in text_of(app, "title")

    async def play(app: TopApp, pilot: Any) -> None:
        if "▶" in text_of(app, "pane").splitlines()[0]:
            await pilot.press("space")
        await wait_for(pilot, app, "pane", "‖")
        paused = text_of(app, "pane")
        await pilot.pause(0.3)
        assert text_of(app, "pane") == paused
        await pilot.press("full_stop")
        for _ in range(100):
            await pilot.pause(0.05)
            if text_of(app, "pane") != paused:
                break
        assert "03:00" in text_of(app, "pane").splitlines()[0]

    asyncio.run(drive())
