"""Says yes while the machine has a network, or while a host can be reached."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import longer_than_nothing
from rae_plugins.guards.lines import shown
from rae_plugins.machine.interfaces import addresses, is_usable
from rae_plugins.machine.patience import look

MOST = timedelta(seconds=8)
"""A guard is to answer within some seconds."""

_MOST_ADDRESSES = 8


@frozen(kw_only=True)
class NetworkGuard(ReadGuard):
    """Says yes while an interface is up and has an address, and while a host, if one is named, takes connections."""

    type: ClassVar[str] = "network"

    interface: str | None = field(
        default=None, metadata={"help": "the interface that must be up, such as wg0; any but loopback if absent"}
    )
    host: str | None = field(default=None, metadata={"help": "a host that must take a TCP connection"})
    port: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(65535)]),
        metadata={"help": "the port of host"},
    )
    timeout: timedelta = field(
        default=timedelta(seconds=1),
        converter=parse_duration,
        validator=longer_than_nothing(MOST),
        metadata={"help": "within which host must answer, its name's resolution included"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse half of an address."""
        if (not self.host) != (self.port is None):
            raise ValueError("host and port belong together; give both, or neither")

    async def read(self) -> GuardResult:
        """Look at the interfaces, then try the host."""
        result = self.judge(await asyncio.to_thread(addresses))
        if result.verdict is not Verdict.YES or self.host is None or self.port is None:
            return result
        return await self._reach(self.host, self.port)

    def judge(self, found: Mapping[str, Iterable[str]]) -> GuardResult:
        """What to say of the interfaces that are up, with their addresses."""
        up = {name: usable for name, given in found.items() if (usable := [a for a in given if is_usable(a)])}
        if self.interface is not None:
            up = {name: usable for name, usable in up.items() if name == self.interface}
        if not up:
            which = "interface" if self.interface is None else f"interface {shown(self.interface)}"
            return GuardResult(Verdict.NO, f"no {which} is up with an address")
        name, usable = min(up.items())
        return GuardResult(Verdict.YES, f"{shown(name)} is up with {usable[0]}")

    async def _reach(self, host: str, port: int) -> GuardResult:
        place = f"{shown(host)} port {port}"
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await _connect(host, port, self.timeout.total_seconds())
        except TimeoutError:
            return GuardResult(Verdict.NO, f"{place} doesn't answer within {format_duration(self.timeout)}")
        except (OSError, UnicodeError) as error:
            return GuardResult(Verdict.NO, f"{place} can't be reached: {shown(_problem(error))}")
        return GuardResult(Verdict.YES, f"{place} takes connections")


async def _connect(host: str, port: int, seconds: float) -> None:
    """Connect to one of the host's addresses, and part at once. Errors: OSError, UnicodeError, TimeoutError."""
    # The resolver blocks, for minutes where there is no network.
    found = await look((host, port), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    # All at once: of a host's addresses those of one family may lead nowhere, without a refusal.
    tries = [asyncio.create_task(_greet(str(address[0]), port)) for *_, address in found[:_MOST_ADDRESSES]]
    refusal = OSError("it has no address")
    try:
        for first in asyncio.as_completed(tries):
            try:
                return await first
            except OSError as error:
                refusal = error
        raise refusal
    finally:
        for attempt in tries:
            attempt.cancel()
        await asyncio.gather(*tries, return_exceptions=True)


async def _greet(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _problem(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return str(error.args[-1] if error.args else error)


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The network guard."""
    return [NetworkGuard]
