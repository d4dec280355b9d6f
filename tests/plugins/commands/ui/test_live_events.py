"""The stream of events for browsers finds the daemon again, and a change of page doesn't wait."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from tests.support.waiting import until

from rae_auto.errors import DaemonUnreachable
from rae_auto.testing.commands import FakeClient, FakeContext
from rae_plugins.commands.ui import live_events
from rae_plugins.commands.ui.live_events import LiveEvents

WITHIN_SECONDS = 30


class Daemon(FakeClient):
    """A daemon whose events come when a test says so; None is its end."""

    def __init__(self) -> None:
        super().__init__({"ping": {}})
        self.queue: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self.subscriptions: SimpleQueue[bool] = SimpleQueue()

    def events(self) -> Iterator[Mapping[str, Any]]:
        self.subscriptions.put(True)
        while (event := self.queue.get()) is not None:
            yield event


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before the daemon is looked for again; none is waited for."""
    found: list[float] = []
    monkeypatch.setattr(live_events.time, "sleep", found.append)
    return found


async def subscribed(daemon: Daemon) -> None:
    await asyncio.to_thread(daemon.subscriptions.get, timeout=WITHIN_SECONDS)


def test_page_after_another_one_is_live_without_a_pause(pauses: list[float]) -> None:
    daemon = Daemon()

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon))
        first = live.messages()
        assert (await anext(first)).startswith("event: hello")
        await subscribed(daemon)
        assert (await anext(first)).startswith("event: change")
        await first.aclose()
        read_at = live.version
        daemon.queue.put({"kind": "run"})  # It happens while one page is left and the next isn't there yet.
        await until(lambda: live.version != read_at)
        second = live.messages()
        assert version_in(await anext(second)) == live.version > read_at
        daemon.queue.put({"kind": "run"})
        assert (await anext(second)).startswith("event: change")
        await second.aclose()

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert pauses == []


def version_in(message: str) -> int:
    return int(json.loads(message.partition("data: ")[2])["version"])


def test_page_that_is_read_while_something_listens_is_read_once(pauses: list[float]) -> None:
    daemon = Daemon()

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon))
        live.listen()
        await until(lambda: live.version >= 0)
        read_at = live.version
        messages = live.messages()
        assert version_in(await anext(messages)) == read_at
        daemon.queue.put({"kind": "run"})
        assert '"run"' in await anext(messages), "nothing before that says that the page is out of date"
        live.note_computed()
        assert (await anext(messages)).startswith("event: change")
        await messages.aclose()

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))


def test_page_that_is_read_without_a_subscription_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    monkeypatch.setattr(live_events, "GRACE_SECONDS", 0.0)

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon))
        read_at = live.version
        messages = live.messages()
        assert version_in(await anext(messages)) == read_at < 0
        assert (await anext(messages)).startswith("event: change")
        await messages.aclose()

        def is_over() -> bool:
            daemon.queue.put({"kind": "run"})
            return live.version < 0

        await until(is_over)
        assert live.version != read_at, "what has happened since isn't known"

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))


def test_pages_of_a_standby_look_again_in_a_while(pauses: list[float]) -> None:
    """The events are at the leader, and this daemon may lead next."""
    daemon, answers = Daemon(), iter([{"refusal": "this daemon stands by"}] * 2 + [{}])
    daemon.answers = {"ping": lambda: next(answers)}

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon))
        messages = live.messages()
        await anext(messages)
        assert (await anext(messages)).startswith("event: change")
        await subscribed(daemon)
        await messages.aclose()

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert pauses == [live_events.STANDBY_SECONDS] * 2


def test_daemon_that_ends_is_found_again(pauses: list[float]) -> None:
    daemon = Daemon()

    async def look() -> None:
        context = FakeContext(Path("/nowhere"), daemon)
        live = LiveEvents(context)
        messages = live.messages()
        await anext(messages)
        await subscribed(daemon)
        daemon.queue.put(None)
        await subscribed(daemon)
        assert (await anext(messages)).startswith(("event: down", "event: change"))
        await messages.aclose()
        daemon.queue.put({"kind": "run"})

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert pauses == [live_events.RETRY_SECONDS]


def test_missing_daemon_is_looked_for_in_short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    context = FakeContext(Path("/nowhere"))
    intervals: list[float] = []

    def appear(seconds: float) -> None:
        intervals.append(seconds)
        if len(intervals) == 3:
            context.client = daemon

    monkeypatch.setattr(live_events.time, "sleep", appear)

    async def look() -> None:
        with pytest.raises(DaemonUnreachable):
            context.connect()
        messages = LiveEvents(context).messages()
        await anext(messages)
        await subscribed(daemon)
        await messages.aclose()
        daemon.queue.put({"kind": "run"})

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert sum(intervals) < 1


def test_starts_to_come_are_computed_again_after_a_change_of_jobs(pauses: list[float]) -> None:
    daemon, noted = Daemon(), []

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon), lambda: noted.append(True))
        messages = live.messages()
        await anext(messages)
        await subscribed(daemon)
        for kind in ("run", "job"):
            daemon.queue.put({"kind": kind, "job": "a"})
        while not noted:
            await anext(messages)
        await messages.aclose()
        daemon.queue.put({"kind": "run"})

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert noted == [True]


def test_reload_by_another_program_is_noted_before_pages_look_again(pauses: list[float]) -> None:
    daemon, order = Daemon(), []

    async def look() -> None:
        live = LiveEvents(FakeContext(Path("/nowhere"), daemon), note_reload=lambda: order.append(live.version))
        messages = live.messages()
        await anext(messages)
        await subscribed(daemon)
        before = live.version
        daemon.queue.put({"kind": "configuration", "change": "reloaded", "timezone": "Asia/Tokyo"})
        while not order or live.version == order[0]:
            await anext(messages)
        await messages.aclose()
        daemon.queue.put({"kind": "run"})
        assert order[0] >= before

    asyncio.run(asyncio.wait_for(look(), WITHIN_SECONDS))
    assert len(order) == 1
