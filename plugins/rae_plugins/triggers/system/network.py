"""The network: whether there is one, and which."""

import ipaddress
from typing import Self

from attrs import evolve, frozen

from rae_plugins.machine.interfaces import addresses, is_usable
from rae_plugins.triggers.system.changes import Change, EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName

MAX_IPV6_PREFIX = 64
"""Bits of an IPv6 address that name the network; the others change from day to day."""


@frozen
class Network(SystemState):
    """State of the network: whether there is one, its addresses as `interface address`, and its name.

    While there is none, what is remembered is the last one.
    """

    slot = "network"

    up: bool
    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()
    connection: str = ""
    """Empty where connections have no names."""

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Up, down, and up but on another network than the last time."""
        if before is None:
            return (), self
        if not self.up:
            return ((Change(EventName.NETWORK_DOWN),) if before.up else ()), evolve(before, up=False)
        data = {"addresses": [*self.v4, *self.v6], "connection": self.connection}
        changes = [] if before.up else [Change(EventName.NETWORK_UP, data)]
        if self._is_another_than(before):
            changes.append(Change(EventName.NETWORK_CHANGED, data))
            return tuple(changes), self
        # Addresses of the two families come one after the other: what isn't there yet is no difference.
        merged = evolve(
            self, v4=self.v4 or before.v4, v6=self.v6 or before.v6, connection=self.connection or before.connection
        )
        return tuple(changes), merged

    def _is_another_than(self, last: "Network") -> bool:
        pairs = ((self.v4, last.v4), (self.v6, last.v6), (self.connection, last.connection))
        return any(now and then and now != then for now, then in pairs)


def read_network(connection: str = "", up: bool | None = None) -> Network:
    """Read the network from the interfaces' addresses; `up` overrides it if known. Blocks for a moment."""
    v4, v6 = set(), set()
    for name, given in addresses().items():
        for text in filter(is_usable, given):
            address = ipaddress.ip_address(text.partition("%")[0])
            if address.version == 4:
                v4.add(f"{name} {address}")
            else:
                prefix = ipaddress.ip_network(f"{address}/{MAX_IPV6_PREFIX}", strict=False)
                v6.add(f"{name} {prefix}")
    has_address = bool(v4 or v6)
    return Network(has_address if up is None else up, tuple(sorted(v4)), tuple(sorted(v6)), connection)
