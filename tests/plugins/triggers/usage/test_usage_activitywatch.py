"""usage: records of ActivityWatch, over HTTP from a fake server."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.activitywatch_server import FakeActivityWatch
from tests.support.usage_playing import make_pattern
from tests.support.waiting import until

from rae_auto.testing.harness.ports import free_port
from rae_auto.testing.sources import START, WAIT_TIMEOUT_SECONDS, Listener, VirtualTimer
from rae_plugins.triggers.usage.patterns.options import UsagePattern

WINDOW, AFK = "aw-watcher-window_here", "aw-watcher-afk_here"


@pytest.fixture(params=[False, True], ids=["", "old server"])
def aw(request: pytest.FixtureRequest) -> FakeActivityWatch:
    return fake(old=request.param)


def fake(**options: Any) -> FakeActivityWatch:
    aw = FakeActivityWatch(**options)
    aw.bucket(WINDOW, "currentwindow", socket.gethostname())
    aw.bucket(AFK, "afkstatus", socket.gethostname())
    aw.bucket("aw-watcher-window_elsewhere", "currentwindow", "elsewhere")
    aw.record("aw-watcher-window_elsewhere", START, minutes(600), {"app": "firefox", "title": "not mine"})
    return aw


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def play(tmp_path: Path, scene: Callable[[Listener], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(2 * WAIT_TIMEOUT_SECONDS):
            await scene(Listener(tmp_path, VirtualTimer()))

    asyncio.run(run())


async def wait_for_requests(aw: FakeActivityWatch, questions: int = 4) -> None:
    """Wait for the first request: records count from then on."""
    goal = len(aw.asked) + questions
    await until(lambda: len(aw.asked) >= goal)


async def pulled(aw: FakeActivityWatch, listener: Listener) -> None:
    """Wait until all present records were read and reported: the next request proves it."""
    goal = len(aw.asked) + 10
    while len(aw.asked) < goal:
        # Not while a request goes on: the clocks would run away from a slow machine, by more than a day.
        await until(lambda: listener.timer.sleepers)
        await listener.timer.advance(61, step=timedelta(seconds=61))


async def reach(listener: Listener, minute: float) -> None:
    """Advance the clocks to a minute after the start, in one step."""
    step = minutes(minute) - listener.timer.now().wall
    await listener.timer.advance(step, step=step)


def use(aw: FakeActivityWatch, since: float, until: float, app: str = "firefox", title: str = "x") -> None:
    """Record use as the watchers of ActivityWatch do: every ten seconds, and every minute."""
    at = minutes(since)
    while at <= minutes(until):
        aw.heartbeat(WINDOW, at, {"app": app, "title": title}, pulse=11)
        aw.heartbeat(AFK, at, {"status": "not-afk"}, pulse=185)
        at += timedelta(seconds=10)


def duration(url: str, **options: Any) -> UsagePattern:
    given = {"pattern": "duration", "application": "firefox", "for_": "30m", "source": "activitywatch", "url": url}
    return make_pattern(**{**given, **options}, timezone="UTC")


def test_activitywatch_use_adds_up_while_the_last_event_grows(aw: FakeActivityWatch, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(duration(url)):
                await pulled(aw, listener)
                await reach(listener, 101)
                for minute in range(100, 135):
                    use(aw, minute, minute + 0.9)
                    await pulled(aw, listener)
                await listener.timer.advance(600, step=timedelta(seconds=600))
                await pulled(aw, listener)
                (fired,) = await listener.wait_for(1)
        assert len(aw.events[WINDOW]) == 1, "it has grown"
        assert (fired.key, fired.at) == ("day-2026-01-31", minutes(130))

    play(tmp_path, scene)


def test_activitywatch_counts_only_time_with_input(tmp_path: Path) -> None:
    aw = fake()
    aw.record(WINDOW, minutes(1), minutes(200), {"app": "firefox", "title": "a film"})
    aw.record(AFK, minutes(0), minutes(20), {"status": "not-afk"})
    aw.record(AFK, minutes(20), minutes(100), {"status": "afk"})
    aw.record(AFK, minutes(100), minutes(200), {"status": "not-afk"})

    async def late(listener: Listener) -> None:
        await listener.timer.advance(12_000, step=timedelta(hours=4))
        with aw.serving() as url:
            async with listener.watching(duration(url)):
                await pulled(aw, listener)
        assert listener.occurrences == []

    async def from_the_first(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(duration(url)):
                await wait_for_requests(aw)
                await listener.timer.advance(12_000, step=timedelta(hours=4))
                await pulled(aw, listener)
                (fired,) = await listener.wait_for(1)
        assert fired.at == minutes(111)

    play(tmp_path / "first", from_the_first)
    # It begins with the first start: what was recorded before is not asked for.
    play(tmp_path / "late", late)


def test_activitywatch_counts_a_film_if_not_afk_is_false(tmp_path: Path) -> None:
    aw = fake()
    aw.kinds.pop(AFK)
    aw.record(WINDOW, minutes(1), minutes(200), {"app": "vlc", "title": "a film - VLC"})

    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            film = duration(url, application="/^VLC$/", title="*film*", not_afk=False)
            async with listener.watching(film):
                await wait_for_requests(aw, 2)
                await listener.timer.advance(12_000, step=timedelta(hours=4))
                await pulled(aw, listener)
                (fired,) = await listener.wait_for(1)
        assert fired.at == minutes(31)

    play(tmp_path, scene)


def test_activitywatch_records_of_a_downtime_count_once(aw: FakeActivityWatch, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            trigger = duration(url, per="week", for_="3h")
            async with listener.watching(trigger):
                await wait_for_requests(aw)
                use(aw, 10, 70)
                await listener.timer.advance(timedelta(minutes=80), step=timedelta(minutes=80))
                await pulled(aw, listener)
            # More than is asked for at once. It began on a Saturday, and on Monday at four a week begins.
            use(aw, 100, 160)
            await listener.timer.advance(timedelta(days=1.5), step=timedelta(days=1.5))
            async with listener.watching(trigger):
                await pulled(aw, listener)
                assert listener.occurrences == []
                use(aw, 2300, 2370)
                await reach(listener, 2380)
                await pulled(aw, listener)
                (fired,) = await listener.wait_for(1)
        assert fired.at == minutes(2360)

    play(tmp_path, scene)


def test_activitywatch_is_polled_again_and_logged_once_when_down(log: list[str], tmp_path: Path) -> None:
    aw = fake()
    port = free_port()

    async def scene(listener: Listener) -> None:
        async with listener.watching(duration(f"http://127.0.0.1:{port}", for_="5m")):
            while not log:
                await listener.timer.advance(61, step=timedelta(seconds=61))
                await asyncio.sleep(0.01)
            for _ in range(3):
                await listener.timer.advance(61, step=timedelta(seconds=61))
                await asyncio.sleep(0.01)
            use(aw, 10, 20)
            with aw.serving(port):
                await listener.timer.advance(1800, step=timedelta(seconds=1800))
                await pulled(aw, listener)
                await listener.wait_for(1)

    play(tmp_path, scene)
    (line,) = log
    assert "ActivityWatch can't be read (" in line
    assert "refused" in line


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"no json", "Expecting value"),
        (b"[1]", "has an unknown format"),
        (b'{"x": {"type": "other"}}', "no bucket of type currentwindow"),
    ],
)
def test_activitywatch_invalid_responses_are_logged(answer: bytes, words: str, log: list[str], tmp_path: Path) -> None:
    aw = fake()
    aw.answer = answer

    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(duration(url)):
                await until(lambda: bool(log))

    play(tmp_path, scene)
    assert words in log[0]


def test_activitywatch_requires_its_key(log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AW_KEY", "s3cret")
    aw = fake(api_key="s3cret")

    async def refused(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(duration(url)):
                await until(lambda: bool(log))

    async def take_position(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(duration(url, api_key="${env:AW_KEY}", for_="5m")):
                await pulled(aw, listener)
                use(aw, 5, 15)
                await listener.timer.advance(1200, step=timedelta(seconds=1200))
                await pulled(aw, listener)
                await listener.wait_for(1)
        assert "s3cret" not in "".join(path.read_text() for path in listener.directory.rglob("*.json"))

    play(tmp_path / "one", refused)
    assert "HTTP status 401; set api_key" in log[0]
    play(tmp_path / "two", take_position)


@pytest.mark.parametrize(("pattern", "keys"), [("idle", ["idle"]), ("return", ["back"])])
def test_activitywatch_reports_idle_periods(pattern: str, keys: list[str], tmp_path: Path) -> None:
    aw = fake()

    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            async with listener.watching(make_pattern(pattern=pattern, for_="10m", source="activitywatch", url=url)):
                await pulled(aw, listener)
                use(aw, 3, 5)
                for minute in range(5, 15):
                    aw.heartbeat(AFK, minutes(minute), {"status": "afk"}, pulse=185)
                    await pulled(aw, listener)
                await pulled(aw, listener)
                aw.heartbeat(AFK, minutes(16), {"status": "afk"}, pulse=185)
                use(aw, 17, 18)
                await pulled(aw, listener)
                fired = await listener.wait_for(1)
        assert [occurrence.key.partition("-")[0] for occurrence in fired] == keys
        (event,) = [occurrence.event for occurrence in fired]
        assert event is not None
        assert event["since"] == minutes(5).isoformat()
        assert event["reason"] == "ActivityWatch"

    play(tmp_path, scene)


def test_count_can_count_sessions_of_activitywatch(tmp_path: Path) -> None:
    """A pause of more than three minutes ends a session."""
    aw = fake()

    async def scene(listener: Listener) -> None:
        with aw.serving() as url:
            trigger = make_pattern(
                pattern="count", count=2, within="1d", application="firefox", source="activitywatch", url=url
            )
            async with listener.watching(trigger):
                await pulled(aw, listener)
                use(aw, 3, 5)
                use(aw, 6, 8)
                await listener.timer.advance(600, step=timedelta(seconds=600))
                await pulled(aw, listener)
                assert listener.occurrences == []
                use(aw, 20, 21)
                await listener.timer.advance(1200, step=timedelta(seconds=1200))
                await pulled(aw, listener)
                (fired,) = await listener.wait_for(1)
        assert fired.key == f"began-{minutes(20).isoformat()}"

    play(tmp_path, scene)
