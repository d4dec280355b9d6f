"""Logins and locks: the system trigger against a real dbus-daemon, with logind played by python-dbusmock."""

import asyncio
from typing import Any

import pytest
from tests.support.mocked_bus import LOGIND, MockedBus, bus, log_in, log_out, session
from tests.support.system_events import emitted, knows

from rae_auto.api import SourceTrigger
from rae_auto.testing.sources import Listener, RealTimer, SourceConformance, VirtualTimer
from rae_plugins.triggers.system import SystemTrigger

__all__ = ["bus"]


@pytest.fixture
def listener(tmp_path: Any) -> Listener:
    # Its clocks are made within the loop.
    return Listener(tmp_path / "source", RealTimer())


class TestLoginsConform(SourceConformance):
    @pytest.fixture
    def plugin(self, bus: MockedBus) -> SourceTrigger:
        bus.serve("logind")
        self.bus = bus
        return SystemTrigger(on=["login", "lock"])

    def timer(self) -> RealTimer:
        return RealTimer()

    async def ready(self, listener: Listener) -> None:
        await knows(listener, "sessions")

    async def provoke(self, listener: Listener, number: int) -> None:
        await log_in(self.bus, f"c{number}")


def test_repeated_logind_signal_is_emitted_once(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["sleep", "resume", "login", "lock", "unlock"])):
            await knows(listener, "rest", "sessions")
            for begins in (True, True, False, False):
                await bus.emit(LOGIND, "PrepareForSleep", "b", begins)
            await log_in(bus, "c1")
            await bus.emit(LOGIND, "SessionNew", "so", "c1", session("c1")[1])
            await bus.call(session("c1"), "Lock")
            await bus.call(session("c1"), "Lock")
            await bus.call(session("c1"), "SetLockedHint", "b", True)
            await bus.call(session("c1"), "Unlock")
            await bus.call(session("c1"), "SetLockedHint", "b", False)
            await bus.call(session("c1"), "Lock")
            await listener.wait_for(6)

    asyncio.run(play())
    assert emitted(listener) == ["sleep", "resume", "login", "lock", "unlock", "lock"]


def test_people_log_in_and_out_but_greeters_and_services_do_not_count(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["login", "logout"])):
            await knows(listener, "sessions")
            await log_in(bus, "c1", "gdm", kind="greeter")
            await log_in(bus, "c2", "cron", kind="background")
            await bus.emit(LOGIND, "SessionNew", "so", "c3", session("c3")[1])  # gone before it can be asked
            await log_in(bus, "4", "anna")
            await listener.wait_for(1)
            await log_out(bus, "c1")
            await log_out(bus, "4")
            await listener.wait_for(2)

    asyncio.run(play())
    first, second = listener.occurrences
    assert first.event == {"event": "login", "user": "anna", "session": "4", "place": "seat0"}
    assert second.event == {"event": "logout", "user": "anna", "session": "4", "place": "seat0"}
    assert first.key.startswith("login:")
    assert first.key.endswith(":4@42"), "a session is known by its number and when it began"


def test_only_the_sessions_of_the_user_count(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["login", "lock"], user="ben")):
            await knows(listener, "sessions")
            for number, user in ((1, "anna"), (2, "ben")):
                await log_in(bus, number, user)
                await bus.call(session(number), "Lock")
            await listener.wait_for(2)

    asyncio.run(play())
    assert [(occurrence.event or {})["user"] for occurrence in listener.occurrences] == ["ben", "ben"]


def test_session_locked_while_not_watched_is_reported_at_start(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")
    source = SystemTrigger(on=["lock", "unlock"])

    async def play() -> None:
        await log_in(bus, 1)
        async with listener.watching(source):
            await knows(listener, "sessions")
        await bus.call(session(1), "SetLockedHint", "b", True)
        for _ in range(2):
            async with listener.watching(source):
                await listener.wait_for(1)
        await bus.call(session(1), "SetLockedHint", "b", False)
        async with listener.watching(source):
            await listener.wait_for(2)

    asyncio.run(play())
    assert emitted(listener) == ["lock", "unlock"]


def test_lock_without_an_unlock_in_between_is_emitted_again(bus: MockedBus, tmp_path: Any) -> None:
    bus.serve("logind")
    timer = VirtualTimer()
    listener = Listener(tmp_path / "source", timer)

    async def play() -> None:
        await log_in(bus, 1)
        async with listener.watching(SystemTrigger(on=["lock"])):
            await knows(listener, "sessions")
            await bus.call(session(1), "Lock")
            await listener.wait_for(1)
            await bus.call(session(1), "Lock")  # told twice
            await log_in(bus, 2)
            await bus.call(session(2), "Lock")
            await listener.wait_for(2)
            await timer.advance(60)
            await bus.call(session(1), "Lock")
            await listener.wait_for(3)

    asyncio.run(play())
    assert [(occurrence.event or {})["session"] for occurrence in listener.occurrences] == ["1", "2", "1"]
