"""The machine's network interfaces and their addresses, by psutil."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any


def is_usable(address: str) -> bool:
    """Return whether an address, perhaps with a scope, leads beyond the machine and its link."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # the address of a network card
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def addresses() -> dict[str, list[str]]:
    """Return the addresses of each interface that is up and has a carrier."""
    import psutil  # some milliseconds that only users of this shall pay

    stats: Mapping[str, Any] = psutil.net_if_stats()
    given: Mapping[str, Any] = psutil.net_if_addrs()
    return {name: [str(a.address) for a in given.get(name, ())] for name, stat in stats.items() if stat.isup}
