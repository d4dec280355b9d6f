"""systemd-logind: sleep and shutdown, sessions, and the locks of their screens."""

import os
from collections.abc import Collection, Sequence
from typing import Any

from attrs import evolve
from loguru import logger

from rae_auto.api.trigger import Timer
from rae_auto.model.primitives.instants import format_instant
from rae_plugins.machine.bus import PROPERTIES, Bus, BusFailure, Signal, Signals, Target
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.adapters.bus_service import Service
from rae_plugins.triggers.system.changes import EventFilter, Rest, ShuttingDown
from rae_plugins.triggers.system.event_names import BEFORE_DOWN, LOCKS, REST, SESSIONS, EventName
from rae_plugins.triggers.system.sessions import Session, Sessions

_NAME = "org.freedesktop.login1"
_ROOT = "/org/freedesktop/login1"
_MANAGER = Target(_NAME, _ROOT, "org.freedesktop.login1.Manager")
_SESSION = "org.freedesktop.login1.Session"
_SESSIONS = f"path_namespace='{_ROOT}/session'"

_RULES = (
    f"path='{_ROOT}',interface='{_MANAGER.interface}'",
    f"{_SESSIONS},interface='{_SESSION}'",
    f"{_SESSIONS},interface='{PROPERTIES}',arg0='{_SESSION}'",
)

RELOCK_SECONDS = 10.0
"""Seconds within which a session that is locked again was not unlocked in between."""


def make_logind(names: Collection[EventName]) -> Service:
    """Return the service, as far as these events need it."""
    alone = sorted((BEFORE_DOWN | LOCKS) & set(names))
    if alone:
        return Service(_NAME, _RULES, f"{', '.join(alone)} can't be reported until it appears", is_replaced=False)
    return Service(_NAME, _RULES, "the clocks and the records of logins replace it")


class Logind:
    """Reports the states that logind signals."""

    def __init__(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        self._names = event_filter.names
        self._report = report
        self._timer = timer
        self._delay = _Delay(sorted(event_filter.names & BEFORE_DOWN))
        self._sessions: dict[str, Session] = {}
        self._locked_at: dict[str, float] = {}

    async def live(self, bus: Bus, signals: Signals) -> None:
        """Follow it while it has the same owner. Errors: BusFailure."""
        owner = signals.owner
        try:
            await self._delay.take(bus)
            await self._read(bus)
            while signals.owner == owner:
                await self._follow_signals(bus, await signals.next())
        finally:
            self._delay.release()

    async def _read(self, bus: Bus) -> None:
        properties = await bus.properties(_MANAGER)
        if self._names & REST:
            await self._report(Rest(bool(properties.get("PreparingForSleep")), self._timer.now().slept))
        if EventName.SHUTDOWN in self._names:
            await self._report(ShuttingDown(bool(properties.get("PreparingForShutdown"))))
        if self._names & SESSIONS:
            (listed,) = await bus.call(_MANAGER, "ListSessions")
            found = {path: await self._session(bus, path) for *_, path in listed}
            known, self._sessions = self._sessions, {}
            for path, session in found.items():
                if session is not None:
                    self._sessions[path] = session.after_reading(known.get(path))
            await self._report_sessions(is_read=True)

    async def _follow_signals(self, bus: Bus, signal: Signal) -> None:
        match signal.member, signal.body:
            case "PrepareForSleep", (bool(begins),):
                if self._names & REST:
                    await self._report(Rest(begins, self._timer.now().slept))
                await self._hold(bus, not begins)
            case "PrepareForShutdown", (bool(begins),):
                if EventName.SHUTDOWN in self._names:
                    await self._report(ShuttingDown(begins))
                await self._hold(bus, not begins)
            case _ if self._names & SESSIONS:
                await self._handle_session(bus, signal)

    async def _hold(self, bus: Bus, hold: bool) -> None:
        # By now the events are durable.
        if hold:
            await self._delay.take(bus)
        else:
            self._delay.release()

    async def _handle_session(self, bus: Bus, signal: Signal) -> None:
        match signal.member, signal.body:
            case "SessionNew", (str(), str(path)) if path not in self._sessions:
                if (session := await self._session(bus, path)) is not None:
                    self._sessions[path] = session
            case "SessionRemoved", (str(), str(path)):
                self._sessions.pop(path, None)
            case "Lock", ():
                self._lock(signal.path)
            case "Unlock", ():
                self._change(signal.path, locked=None)
            case "PropertiesChanged", (_, dict(changed), _) if "LockedHint" in changed:
                hint = bool(changed["LockedHint"])
                known = self._sessions.get(signal.path)
                since = (known and known.locked) or self._now()
                self._change(signal.path, hint=hint, locked=since if hint else None)
            case _:
                return
        await self._report_sessions()

    def _lock(self, path: str) -> None:
        """Handle a request to lock or unlock the screen of a session.

        Few lockers say when they unlock it again. Where one doesn't, a second request to lock, some time later, says
        that it had.
        """
        known, now = self._sessions.get(path), self._timer.now().mono
        if known is None or (known.locked and known.hint):
            return
        if not known.locked or now - self._locked_at.get(path, now) > RELOCK_SECONDS:
            self._change(path, locked=self._now())
        self._locked_at[path] = now

    def _change(self, path: str, **changes: Any) -> None:
        if path in self._sessions:
            self._sessions[path] = evolve(self._sessions[path], **changes)

    def _now(self) -> str:
        return format_instant(self._timer.now().wall)

    async def _report_sessions(self, *, is_read: bool = False) -> None:
        sessions = sorted(self._sessions.values(), key=lambda session: session.id)
        await self._report(Sessions(_NAME, tuple(sessions), is_read))

    async def _session(self, bus: Bus, path: str) -> Session | None:
        """Return a user's session; None for one of a greeter or a service, and for one that has ended."""
        try:
            properties = await bus.properties(Target(_NAME, path, _SESSION))
        except BusFailure:
            if bus.is_lost:
                raise
            return None
        if not str(properties.get("Class", "user")).startswith("user"):
            return None
        places = (properties.get("RemoteHost"), properties.get("TTY"), (properties.get("Seat") or ("",))[0])
        hint = bool(properties.get("LockedHint"))
        return Session(
            str(properties.get("Id", path.rpartition("/")[2])),
            str(properties.get("Name", "")),
            str(properties.get("Timestamp", "")),
            next((str(place) for place in places if place), ""),
            self._now() if hint else None,
            hint,
        )


class _Delay:
    """A delay inhibitor: the machine waits, some seconds at most, until the events before it are durable."""

    def __init__(self, before: Sequence[str]) -> None:
        self._before = ":".join(before)
        self._descriptor: int | None = None

    async def take(self, bus: Bus) -> None:
        """Hold the machine the next time."""
        if not self._before or self._descriptor is not None:
            return
        what = (self._before, "rae-auto", "recording the event before sleep or shutdown", "delay")
        try:
            self._descriptor = await bus.call_for_descriptor(_MANAGER, "Inhibit", "ssss", *what)
        except BusFailure as failure:
            if bus.is_lost:
                raise
            logger.warning("the machine won't wait until its sleep or shutdown has been recorded: {}", failure)

    def release(self) -> None:
        """Let it go on."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
