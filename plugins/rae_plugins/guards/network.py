"""The network guard: a run may start while the machine has a network, or can reach a host."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_auto.toolkit.validators import positive_duration
from rae_plugins.machine.interfaces import addresses, is_usable

MAX_TIMEOUT = timedelta(seconds=8)
"""The daemon waits 10 s for a guard."""

MAX_ADDRESSES = 8
"""Addresses of a host that are tried."""


@frozen(kw_only=True)
class NetworkGuard(ReadGuard):
    """Answers yes while an interface is up with an address, and a host, if one is named, accepts connections."""

    type: ClassVar[str] = "network"
    example: ClassVar[Mapping[str, Any]] = {"host": "example.org", "port": 443}

    interface: str | None = field(
        default=None, metadata={"help": 'interface that must be up, as in "wg0"; by default any but loopback'}
    )
    host: str | None = field(default=None, metadata={"help": "host that must accept a TCP connection"})
    port: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(65535)]),
        metadata={"help": 'port of "host"'},
    )
    timeout: timedelta = field(
        default=timedelta(seconds=1),
        converter=parse_duration,
        validator=positive_duration(MAX_TIMEOUT),
        metadata={"help": 'time in which "host" must answer, name resolution included; at most 8s'},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a host without a port, or a port without a host."""
        if (not self.host) != (self.port is None):
            raise ValueError('"host" and "port" must be given together; give both, or neither')

    async def read(self) -> GuardResult:
        """Check the interfaces, then try the host."""
        result = self.judge(await asyncio.to_thread(addresses))
        if result.verdict is not Verdict.YES or self.host is None or self.port is None:
            return result
        return await self._try_host(self.host, self.port)

    def judge(self, interfaces: Mapping[str, Iterable[str]]) -> GuardResult:
        """Return the result for the interfaces that are up, with their addresses."""
        up = {
            name: usable
            for name, addresses_of_one in interfaces.items()
            if (usable := [address for address in addresses_of_one if is_usable(address)])
        }
        if self.interface is not None:
            up = {name: usable for name, usable in up.items() if name == self.interface}
        if not up:
            if self.interface is not None:
                return GuardResult(Verdict.NO, f"interface {quote_short(self.interface)} is down or has no address")
            return GuardResult(Verdict.NO, "no network interface is up with an address")
        name, usable = min(up.items())
        return GuardResult(Verdict.YES, f"interface {quote_short(name)} is up with address {usable[0]}")

    async def _try_host(self, host: str, port: int) -> GuardResult:
        target = f"{quote_short(host)} port {port}"
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await _connect(host, port, self.timeout.total_seconds())
        except TimeoutError:
            return GuardResult(Verdict.NO, f"{target} did not answer within {format_elapsed(self.timeout)}")
        except (OSError, UnicodeError) as error:
            return GuardResult(Verdict.NO, f"{target} cannot be reached: {shorten_line(_explain(error))}")
        return GuardResult(Verdict.YES, f"{target} accepts connections")


async def _connect(host: str, port: int, seconds: float) -> None:
    """Connect to one of the host's addresses, and disconnect at once. Errors: OSError, UnicodeError, TimeoutError."""
    # The resolver blocks, for minutes where there is no network.
    infos = await call_with_timeout(
        (host, port), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds
    )
    # All at once: the addresses of one family may be unreachable without any refusal.
    tries = [asyncio.create_task(_connect_address(str(address[0]), port)) for *_, address in infos[:MAX_ADDRESSES]]
    refusal = OSError("the host has no address")
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


async def _connect_address(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return str(error.args[-1] if error.args else error)


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the network guard."""
    return [NetworkGuard]
