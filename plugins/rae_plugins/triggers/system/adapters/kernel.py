"""Reports of the Linux kernel: changes of the network, devices, ends of processes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import suppress

from loguru import logger

from rae_plugins.triggers.system.processes import Process

_NETLINK_ROUTE, _NETLINK_KOBJECT_UEVENT = 0, 15
_LINKS_AND_ADDRESSES = 0x1 | 0x10 | 0x100
"""The groups RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of rtnetlink(7)."""
_FROM_THE_KERNEL = 1
"""The group of uevents as the kernel sends them; udev sends its own to 2."""
_BUFFER = 1 << 20
_MAX_DATAGRAM_BYTES = 1 << 16

MAX_PROCESS_DESCRIPTORS = 128
"""Number of processes whose end is waited for; further ones are polled."""


def has_netlink() -> bool:
    """Return whether netlink exists here."""
    return hasattr(socket, "AF_NETLINK")


def route_socket() -> socket.socket:
    """Open a socket on which the kernel reports links and addresses. Raises OSError."""
    return _netlink(_NETLINK_ROUTE, _LINKS_AND_ADDRESSES)


def uevent_socket() -> socket.socket:
    """Open a socket on which the kernel reports devices. Raises OSError."""
    return _netlink(_NETLINK_KOBJECT_UEVENT, _FROM_THE_KERNEL)


async def datagrams(kernel: socket.socket) -> AsyncIterator[bytes | None]:
    """Yield the kernel's datagrams; None when the socket overflowed, so that some were lost."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            data, address = await loop.sock_recvfrom(kernel, _MAX_DATAGRAM_BYTES)
        except OSError as error:
            logger.debug("kernel events were lost: {}", error)
            yield None
            continue
        if address[0] == 0:  # the kernel's number; another process has its own
            yield data


def _netlink(family: int, groups: int) -> socket.socket:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    try:
        kernel.setblocking(False)
        with suppress(OSError):
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        kernel.bind((0, groups))
    except OSError:
        kernel.close()
        raise
    return kernel


class Ends:
    """Sets `happened` when one of some processes ends. Belongs to one event loop."""

    def __init__(self, happened: asyncio.Event) -> None:
        self._happened = happened
        self._descriptors: dict[str, int] = {}

    def follow(self, processes: Collection[Process]) -> None:
        """Wait for the ends of these, and of no others."""
        alive = {process.identity: process.pid for process in processes}
        for identity in self._descriptors.keys() - alive.keys():
            self._forget(identity)
        for identity, pid in alive.items():
            if identity not in self._descriptors and len(self._descriptors) < MAX_PROCESS_DESCRIPTORS:
                with suppress(OSError):  # it has ended, which the next look shows
                    descriptor = os.pidfd_open(pid)
                    self._descriptors[identity] = descriptor
                    asyncio.get_running_loop().add_reader(descriptor, self._ended, identity)

    def close(self) -> None:
        """Wait for none."""
        self.follow(())

    def _ended(self, identity: str) -> None:
        self._forget(identity)
        self._happened.set()

    def _forget(self, identity: str) -> None:
        descriptor = self._descriptors.pop(identity)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
