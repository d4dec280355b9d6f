"""The portable adapter: it polls psutil and the clocks, and needs no service."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from rae_auto.api.trigger import Timer
from rae_auto.model.primitives.clock_jumps import CLOCK_JUMP_THRESHOLD, clock_step
from rae_auto.toolkit.extras import install_command
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.changes import ClockSet, EventFilter, Rest
from rae_plugins.triggers.system.concurrency import run_together
from rae_plugins.triggers.system.event_names import LOGINS, NETWORK, POWER, PROCESSES, REST, EventName
from rae_plugins.triggers.system.network import read_network
from rae_plugins.triggers.system.power import read_power
from rae_plugins.triggers.system.processes import read_processes
from rae_plugins.triggers.system.sessions import Session, Sessions

CLOCK_CHECK_INTERVAL = timedelta(minutes=10)
"""Interval of the comparisons of clocks: slewing, at most 0.05 %, is no jump within that time."""

ALWAYS = NETWORK | PROCESSES | {EventName.BOOT, EventName.CLOCK_CHANGED}
"""Events that can be observed on any platform."""


Way = Callable[[EventFilter, Report, Timer], Coroutine[Any, Any, None]]
"""A poll of one kind of state."""


class Portable:
    """The adapter of an unknown platform on which psutil runs."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """All that psutil and the clocks can't see."""
        reason = "there is no adapter for this platform; write a plugin for it"
        return dict.fromkeys(set(EventName) - ALWAYS - POWER - LOGINS, reason) | missing_without_battery(names)

    def boot(self) -> str:
        """Return the time of the boot."""
        import psutil

        return f"{psutil.boot_time():.0f}"

    async def watch(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        """Poll the selected states."""
        await run_together(polls(event_filter, report, timer))


def polls(
    event_filter: EventFilter, report: Report, timer: Timer, but: frozenset[EventName] = frozenset()
) -> list[Coroutine[Any, Any, None]]:
    """Return a poll for each selected state that can be polled, except for the events in `but`."""
    ways: list[tuple[frozenset[EventName], Way]] = [
        (LOGINS, look_at_users),
        (NETWORK, look_at_network),
        (POWER, look_at_power),
        (PROCESSES, look_at_processes),
        (frozenset({EventName.CLOCK_CHANGED}), look_at_clocks),
    ]
    return [way(event_filter, report, timer) for names, way in ways if event_filter.names & names - but]


def missing_without_battery(names: Collection[EventName]) -> dict[EventName, str]:
    """Return which of these events can't be reported without a battery, with the reason."""
    if POWER.isdisjoint(names) or read_power() is not None:
        return {}
    return dict.fromkeys(POWER, "this machine has no battery; remove it from on")


def library_missing(module: str, extra: str) -> str | None:
    """Return why a library of the platform can't be used, or None."""
    return None if find_spec(module) else f"{module} is not installed; run '{install_command(extra)}'"


async def look_at_users(
    event_filter: EventFilter, report: Report, timer: Timer, when: asyncio.Event | None = None
) -> None:
    """Report who is logged in, every so often, while `when` is set."""
    while True:
        await _wait_for(when)
        await report(await asyncio.to_thread(read_users))
        await timer.sleep(event_filter.every.total_seconds())


async def look_at_network(event_filter: EventFilter, report: Report, timer: Timer) -> None:
    """Report the network every so often."""
    while True:
        await report(await asyncio.to_thread(read_network))
        await timer.sleep(event_filter.every.total_seconds())


async def look_at_power(
    event_filter: EventFilter, report: Report, timer: Timer, when: asyncio.Event | None = None
) -> None:
    """Report the power every so often, while `when` is set."""
    while True:
        await _wait_for(when)
        if (power := await asyncio.to_thread(read_power)) is not None:
            await report(power)
        await timer.sleep(event_filter.every.total_seconds())


async def look_at_processes(event_filter: EventFilter, report: Report, timer: Timer) -> None:
    """Report the processes every so often."""
    while True:
        await report(await asyncio.to_thread(read_processes, event_filter))
        await timer.sleep(event_filter.every.total_seconds())


async def look_at_clocks(event_filter: EventFilter, report: Report, timer: Timer) -> None:
    """Report how long the machine has slept, and that its clock was set; the timer wakes it when either happens."""
    before = timer.now()
    while True:
        if event_filter.names & REST:
            await report(Rest(None, before.slept))
        await timer.sleep_until(before.wall + CLOCK_CHECK_INTERVAL)
        now = timer.now()
        if (
            EventName.CLOCK_CHANGED in event_filter.names
            and abs(step := clock_step(before, now)) > CLOCK_JUMP_THRESHOLD
        ):
            await report(ClockSet(step.total_seconds()))
        before = now


def read_users() -> Sessions:
    """Return the logged-in users from the operating system's list. Blocks for a moment."""
    import psutil

    found = {
        Session(f"{user.terminal or user.pid}", user.name, f"{user.started:.0f}", user.host or user.terminal or "")
        for user in psutil.users()
    }
    return Sessions("users", tuple(sorted(found, key=lambda session: session.identity)))


async def _wait_for(when: asyncio.Event | None) -> None:
    if when is not None:
        await when.wait()
