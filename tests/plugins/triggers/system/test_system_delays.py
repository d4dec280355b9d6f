"""Delays of the system trigger: which events end them, over restarts and boots."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.system_events import asleep, emitted, knows

from rae_auto.testing.sources import Listener, VirtualTimer
from rae_plugins.triggers.system import SystemTrigger
from rae_plugins.triggers.system.changes import Booted, EventFilter, Rest, SystemState
from rae_plugins.triggers.system.event_journal import EventJournal
from rae_plugins.triggers.system.event_names import UNDOES, EventName
from rae_plugins.triggers.system.network import Network
from rae_plugins.triggers.system.power import PowerState
from rae_plugins.triggers.system.processes import Process, Processes
from rae_plugins.triggers.system.sessions import Session, Sessions

DELAY = timedelta(minutes=15)
ALICE, BOB = (Session(str(number), user, "2026") for number, user in enumerate(("alice", "bob")))


def users(*sessions: Session) -> Sessions:
    return Sessions("logind", sessions)


def processes(*pids: int) -> Processes:
    return Processes("x", tuple(Process(pid, "1", "x") for pid in pids))


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "source", VirtualTimer())


def report(listener: Listener, names: Sequence[str], states: Sequence[SystemState], boot: str = "boot-1") -> None:
    """Report states to a trigger that waits for these events, one after the other."""
    event_filter = EventFilter(frozenset(map(EventName, names)), process="x")

    async def play() -> None:
        journal = EventJournal(listener.watch(), event_filter, boot, DELAY)
        await journal.open(frozenset({"rest", "sessions", "network", "power", "processes", "boot"}))
        for state in states:
            await journal.report(state)
            await listener.timer.advance(1)

    asyncio.run(play())


def withdrawn(listener: Listener) -> list[tuple[str, str]]:
    """The events whose starts were withdrawn, and what ended their delays."""
    return [(key.partition(":")[0], by) for key, by in listener.withdrawn]


@pytest.mark.parametrize(
    ("names", "states", "expected"),
    [
        (["resume"], [Rest(False, 0), Rest(False, 60), Rest(True, 60)], [("resume", "sleep")]),
        (["resume"], [Rest(None, 0), Rest(None, 60), Rest(None, 999)], [("resume", "resume")]),
        (["network-up"], [Network(False), Network(True), Network(False)], [("network-up", "network-down")]),
        (["power-ac"], [PowerState(True), PowerState(False), PowerState(True)], [("power-ac", "power-battery")]),
        (["login"], [users(), users(ALICE), users()], [("login", "logout")]),
        # Another person's session has nothing to do with it.
        (["login"], [users(), users(ALICE), users(ALICE, BOB), users(ALICE)], [("login", "logout")]),
        (["login"], [users(BOB), users(ALICE, BOB), users(ALICE)], []),
        (
            ["process-started"],
            [processes(), processes(1), processes(2), processes(2, 3)],
            [("process-started", "process-exited")],
        ),
        (["process-exited"], [processes(1), processes(), processes(2)], [("process-exited", "process-started")]),
    ],
)
def test_delay_ends_by_what_undoes_the_event_or_repeats_it(
    listener: Listener, names: Sequence[str], states: Sequence[SystemState], expected: list[tuple[str, str]]
) -> None:
    report(listener, names, states)
    assert withdrawn(listener) == expected


def test_older_start_is_withdrawn_before_the_newer_one_is_reported(listener: Listener) -> None:
    order: list[str] = []
    emit, withdraw = listener.emit, listener.withdraw

    async def note_emit(key: str, *args: Any, **options: Any) -> Any:
        order.append("emit")
        return await emit(key, *args, **options)

    async def note_withdrawal(key: str, by: str) -> None:
        order.append("withdraw")
        await withdraw(key, by)

    listener.emit, listener.withdraw = note_emit, note_withdrawal  # type: ignore[method-assign]
    report(listener, ["resume"], [Rest(None, 0), Rest(None, 60), Rest(None, 999)])
    assert order == ["emit", "withdraw", "emit"]


def test_delay_of_the_last_boot_ends_with_it_and_begins_again(listener: Listener) -> None:
    report(listener, ["boot", "network-up"], [Booted("boot-1"), Network(False), Network(True)])
    report(listener, ["boot", "network-up"], [Booted("boot-2")], boot="boot-2")
    assert withdrawn(listener) == [("boot", "boot"), ("network-up", "boot")]
    assert emitted(listener) == ["boot", "network-up", "boot"]


def test_restart_of_the_daemon_leaves_a_delay_alone_until_it_ends(listener: Listener) -> None:
    report(listener, ["power-ac"], [PowerState(True), PowerState(False)])
    report(listener, ["power-ac"], [PowerState(False)])
    assert withdrawn(listener) == []
    report(listener, ["power-ac"], [PowerState(True)])
    assert withdrawn(listener) == [("power-ac", "power-battery")]


def test_withdrawal_that_was_not_made_durable_is_repeated(listener: Listener) -> None:
    report(listener, ["power-ac"], [PowerState(True), PowerState(False)])
    withdraw = listener.withdraw

    async def fail(key: str, by: str) -> None:
        raise OSError("the daemon dies")

    listener.withdraw = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="dies"):
        report(listener, ["power-ac"], [PowerState(True)])
    listener.withdraw = withdraw  # type: ignore[method-assign]
    report(listener, ["power-ac"], [])
    assert withdrawn(listener) == [("power-ac", "power-battery")]


def test_second_resume_withdraws_the_first_on_this_machine(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["resume"], delay="15m")):
            await knows(listener, "rest")
            for count in (1, 2):
                await asleep(listener)
                await listener.timer.sleep_machine(timedelta(hours=2))
                await listener.wait_for(count)

    asyncio.run(play())
    assert listener.withdrawn == [(listener.occurrences[0].key, "resume")]


@pytest.mark.parametrize("name", ["sleep", "shutdown"])
def test_delay_is_refused_for_events_after_which_nothing_runs(name: str) -> None:
    with pytest.raises(ValueError, match=f"delay is not for {name}, after which nothing runs; use resume or boot"):
        SystemTrigger(on=["boot", name], delay="5m")


def test_delay_stands_in_the_summary_and_is_none_by_default() -> None:
    assert SystemTrigger(on=["boot"], delay="15m").summary() == "system boot delay 15m"
    assert SystemTrigger(on=["boot"]).delay == timedelta(0)


def test_events_that_undo_each_other_are_of_the_same_thing() -> None:
    for name, undone in UNDOES.items():
        assert name not in undone


@pytest.mark.skipif(sys.platform != "linux", reason="watches this machine")
def test_watch_for_the_boot_alone_does_not_end_until_it_is_stopped(listener: Listener) -> None:
    """Its end would be a warning at each start."""

    async def watch() -> bool:
        watching = asyncio.create_task(SystemTrigger(on=["boot"]).watch(listener.watch()))
        await listener.wait_for(1)
        done, _ = await asyncio.wait({watching}, timeout=0.5)
        watching.cancel()
        return bool(done)

    assert not asyncio.run(watch())
