"""D-Bus: that of the system by one connection that all of a loop's users share, that of the session by one for each.

No D-Bus library connects again by itself, so this one doesn't either: when the bus is lost every user gets
`BusFailure`, connects again when it likes, and reads the present state, because signals in between were lost.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from attrs import frozen

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

DEFAULT_ADDRESS = "unix:path=/run/dbus/system_bus_socket"
_SYSTEM, _SESSION = "system bus", "session bus"

REPLY_TIMEOUT_SECONDS = 25.0
"""Seconds within which a service has to answer: the usual limit of D-Bus libraries."""

CHECK_TIMEOUT_SECONDS = 5.0

_LOST = "the connection to the bus was lost"

PROPERTIES = "org.freedesktop.DBus.Properties"
_DAEMON = "org.freedesktop.DBus"
_OWNER_CHANGED = "NameOwnerChanged"


class BusFailure(Exception):
    """The bus can't be reached, was lost, or a service on it didn't answer as it should."""


@frozen
class Target:
    """An interface of an object of a service."""

    service: str
    path: str
    interface: str


@frozen
class Signal:
    """A signal of a service. `body` holds plain values."""

    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


def system_bus_missing() -> str | None:
    """Why there can be no system bus here, in a few words, or None. Looks only whether its socket is there."""
    return _missing(_SYSTEM, system_bus_address())


def find_system_bus_problem() -> str | None:
    """Return why the system bus can't be reached, with the remedy, or None. Connects to its socket."""
    return _find_problem(_SYSTEM, system_bus_address(), "start dbus, or set DBUS_SYSTEM_BUS_ADDRESS")


def find_session_bus_problem() -> str | None:
    """Return why the session bus can't be reached, with the remedy, or None. Connects to its socket."""
    return _find_problem(_SESSION, session_bus_address(), "log in to a desktop, or set DBUS_SESSION_BUS_ADDRESS")


def _find_problem(name: str, address: str, hint: str) -> str | None:
    if missing := _missing(name, address):
        return f"{missing}; {hint}"
    errors = []
    for path in filter(None, map(_socket_path, address.split(";"))):
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(CHECK_TIMEOUT_SECONDS)
                probe.connect(os.fspath(path))
                return None
        except OSError as error:
            errors.append(f"the {name} at {path} does not answer ({error.strerror or error}); {hint}")
    return errors[0] if errors else None


def system_bus_address() -> str:
    """Return the address of the system bus, as the D-Bus specification finds it."""
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or DEFAULT_ADDRESS


def session_bus_address() -> str:
    """Return the address of the session bus, from the environment or its well-known path."""
    directory = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={directory}/bus"


def _missing(name: str, address: str) -> str | None:
    if find_spec("dbus_fast") is None:
        return "dbus-fast is not installed"
    places = [_socket_path(one) for one in address.split(";") if one]
    if any(path is None or path.exists() for path in places):
        return None
    return f"there is no {name} at {places[0]}" if places else f"the address of the {name} is empty"


def _socket_path(address: str) -> Path | None:
    """Return the socket file of an address; None for other transports."""
    transport, _, options = address.partition(":")
    pairs = dict(option.partition("=")[::2] for option in options.split(","))
    return Path(unquote(pairs["path"])) if transport == "unix" and "path" in pairs else None


class Signals:
    """Signals of a service, in order. `owner` is its current unique name, or None."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.owner: str | None = None
        self._queue: asyncio.Queue[Signal | None] = asyncio.Queue()

    async def next(self) -> Signal:
        """Return the next signal, `NameOwnerChanged` included. Raises BusFailure once the bus is lost."""
        signal = await self._queue.get()
        if signal is None:
            raise BusFailure(_LOST)
        return signal

    async def owned(self) -> None:
        """Return once the service has an owner. Errors: BusFailure."""
        while self.owner is None:
            await self.next()

    def put(self, message: "Message") -> None:
        """Take what is of this service; signals that others send in its name are not."""
        is_owners = message.sender == _DAEMON and message.member == _OWNER_CHANGED and message.body[0] == self.service
        if is_owners:
            self.owner = message.body[2] or None
        elif message.sender != self.owner or self.owner is None:
            return
        from dbus_fast.unpack import unpack_variants

        body = tuple(unpack_variants(message.body))
        self._queue.put_nowait(Signal(message.path or "", message.interface or "", message.member or "", body))

    def mark_lost(self) -> None:
        """Record that the bus is gone."""
        self._queue.put_nowait(None)


class Bus:
    """An open connection. Belongs to one event loop."""

    def __init__(self, connection: "MessageBus") -> None:
        self.users = 0
        self.is_lost = False
        self._connection = connection
        self._listening: set[Signals] = set()
        connection.add_message_handler(self._take)
        self._ended = asyncio.get_running_loop().create_task(self._wait_for_end())

    @classmethod
    async def open(cls, name: str, address: str) -> "Bus":
        """Connect to the bus of a name for people. Errors: BusFailure."""
        if missing := _missing(name, address):
            raise BusFailure(missing)  # without the memory that the library takes
        from dbus_fast.aio import MessageBus

        try:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                # Descriptors are what logind's inhibitors are made of.
                return cls(await MessageBus(bus_address=address, negotiate_unix_fd=True).connect())
        except Exception as error:
            raise BusFailure(f"the {name} can't be reached: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Disconnect."""
        self._connection.disconnect()
        await self._ended

    async def call(
        self, target: Target, member: str, signature: str = "", *body: Any, may_start: bool = False
    ) -> tuple[Any, ...]:
        """Call a method and return its plain values; starts the service only if it may. Raises BusFailure."""
        from dbus_fast.unpack import unpack_variants

        answer = await self._call(target, member, signature, body, may_start=may_start)
        return tuple(unpack_variants(answer.body))

    async def call_for_descriptor(self, target: Target, member: str, signature: str = "", *body: Any) -> int:
        """Call a method and return its file descriptor, which the caller closes. Raises BusFailure."""
        answer = await self._call(target, member, signature, body)
        if not answer.unix_fds:
            raise BusFailure(f"{target.service} did not return a descriptor for {member}")
        return answer.unix_fds[0]

    async def properties(self, target: Target) -> dict[str, Any]:
        """All properties of an interface, in plain values. Errors: BusFailure."""
        (found,) = await self.call(Target(target.service, target.path, PROPERTIES), "GetAll", "s", target.interface)
        return dict(found)

    @asynccontextmanager
    async def signals(self, service: str, *rules: str) -> AsyncIterator[Signals]:
        """Receive a service's signals within the block that match one of the rules (without type and sender).

        Errors: BusFailure.
        """
        owner_rule = f"sender='{_DAEMON}',member='{_OWNER_CHANGED}',arg0='{service}'"
        matches = [f"type='signal',{rule}" for rule in (owner_rule, *(f"sender='{service}',{rule}" for rule in rules))]
        signals = Signals(service)
        self._listening.add(signals)
        added = []
        try:
            for match in matches:
                await self.call(_BUS, "AddMatch", "s", match)
                added.append(match)
            signals.owner = await self._owner(service)
            yield signals
        finally:
            self._listening.discard(signals)
            for match in added:
                self._forget(match)

    async def _owner(self, service: str) -> str | None:
        answer = await self._call(_BUS, "GetNameOwner", "s", (service,), may_fail=True)
        return answer.body[0] if answer.signature == "s" and not answer.error_name else None

    def _forget(self, match: str) -> None:
        from dbus_fast import Message, MessageFlag

        if not self.is_lost:
            flags = MessageFlag.NO_REPLY_EXPECTED
            message = Message(_BUS.service, _BUS.path, _BUS.interface, "RemoveMatch", signature="s", body=[match])
            message.flags = flags
            with suppress(Exception):  # a connection that is lost has forgotten it anyway
                self._connection.send(message)

    async def _call(
        self,
        target: Target,
        member: str,
        signature: str,
        body: tuple[Any, ...],
        *,
        may_fail: bool = False,
        may_start: bool = False,
    ) -> "Message":
        from dbus_fast import Message, MessageFlag, MessageType

        if self.is_lost:
            raise BusFailure(_LOST)
        message = Message(
            target.service, target.path, target.interface, member, signature=signature, body=list(body),
            flags=MessageFlag.NONE if may_start else MessageFlag.NO_AUTOSTART,
        )  # fmt: skip
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                answer = await self._connection.call(message)
        except Exception as error:
            raise BusFailure(
                f"{target.service} did not respond to {member}: {error or type(error).__name__}"
            ) from error
        if answer is None or (answer.message_type is MessageType.ERROR and not may_fail):
            what = (answer and answer.error_name) or "nothing"
            raise BusFailure(f"{target.service} responded to {member} with {what.rpartition('.')[2]}")
        return answer

    def _take(self, message: "Message") -> None:
        from dbus_fast import MessageType

        if message.message_type is MessageType.SIGNAL:
            for signals in self._listening:
                signals.put(message)

    async def _wait_for_end(self) -> None:
        with suppress(Exception):  # the connection has ended, for any reason
            await self._connection.wait_for_disconnect()  # type: ignore[no-untyped-call]  # it has no annotations
        self.is_lost = True
        for signals in self._listening:
            signals.mark_lost()


_BUS = Target(_DAEMON, "/org/freedesktop/DBus", _DAEMON)


class _Shared:
    """The bus of one event loop."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.bus: Bus | None = None


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@asynccontextmanager
async def system_bus() -> AsyncIterator[Bus]:
    """Share the system bus within the block; the first user of the loop opens it, the last one closes it.

    Errors: BusFailure.
    """
    shared = _SHARED.setdefault(asyncio.get_running_loop(), _Shared())
    async with shared.opening:
        if shared.bus is None or shared.bus.is_lost:
            shared.bus = await Bus.open(_SYSTEM, system_bus_address())
        bus = shared.bus
        bus.users += 1
    try:
        yield bus
    finally:
        bus.users -= 1
        if not bus.users:
            if shared.bus is bus:
                shared.bus = None
            await bus.close()


@asynccontextmanager
async def session_bus() -> AsyncIterator[Bus]:
    """Share the session bus within the block. Raises BusFailure."""
    bus = await Bus.open(_SESSION, session_bus_address())
    try:
        yield bus
    finally:
        await bus.close()
