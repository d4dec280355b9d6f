"""Devices as Linux knows them, `subsystem/name`: from /sys, and from the kernel's events of those that come and go."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from attrs import evolve, frozen

from rae_plugins.triggers.system.changes import Change, EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName

SYS = Path("/sys")


@frozen
class Devices(SystemState):
    """The devices that fit the pattern."""

    slot = "devices"

    pattern: str
    names: tuple[str, ...]
    identity: str | None = None
    """Sequence number of the kernel's event that led here; None where the devices were read."""

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return those that came and went; a state read with another pattern is not compared."""
        remembered = evolve(self, identity=None)
        if before is None or before.pattern != self.pattern:
            return (), remembered
        gone, new = set(before.names) - set(self.names), set(self.names) - set(before.names)
        removed = [self._change(EventName.DEVICE_REMOVED, name) for name in sorted(gone)]
        added = [self._change(EventName.DEVICE_ADDED, name) for name in sorted(new)]
        return (*removed, *added), remembered

    def _change(self, event: EventName, device: str) -> Change:
        return _change(event, device, self.identity and f"{self.identity}:{device}")


@frozen
class DeviceEvent(SystemState):
    """A device came or went, from a platform that reports each once, and no list of them."""

    slot = "device"
    is_kept = False

    device: str
    added: bool

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return the event; every report is one."""
        return (_change(EventName.DEVICE_ADDED if self.added else EventName.DEVICE_REMOVED, self.device, None),), self


def _change(event: EventName, device: str, identity: str | None) -> Change:
    subsystem, _, name = device.partition("/")
    return Change(event, {"subsystem": subsystem, "device": name}, identity)


@frozen
class Uevent:
    """One message of the kernel about a device."""

    action: str
    device: str
    """`subsystem/name`."""
    number: str
    """The kernel's own count of them."""
    was: str | None = None
    """Name of the device before it was renamed."""


def parse_uevent(datagram: bytes) -> Uevent | None:
    """Parse a kernel's uevent: `action@path`, then `KEY=value`, each ended by a zero byte.

    None for what isn't one, or isn't about a device. (lib/kobject_uevent.c of Linux.)
    """
    head, *pairs = datagram.decode(errors="replace").rstrip("\0").split("\0")
    values = dict(pair.partition("=")[::2] for pair in pairs)
    path, subsystem = values.get("DEVPATH", ""), values.get("SUBSYSTEM", "")
    if "@" not in head or not subsystem or not path.startswith("/devices/"):
        return None
    name, was = path.rpartition("/")[2], values.get("DEVPATH_OLD", "").rpartition("/")[2]
    return Uevent(
        values.get("ACTION", ""), f"{subsystem}/{name}", values.get("SEQNUM", ""), f"{subsystem}/{was}" if was else None
    )


def after(devices: Devices, event: Uevent, event_filter: EventFilter) -> Devices:
    """Return the devices after a uevent."""
    names = set(devices.names)
    match event.action:
        case "add" if event_filter.is_device(event.device):
            names.add(event.device)
        case "remove":
            names.discard(event.device)
        case "move":
            names.discard(event.was or "")
            names |= {event.device} if event_filter.is_device(event.device) else set()
    return evolve(devices, names=tuple(sorted(names)), identity=event.number or None)


def read_devices(event_filter: EventFilter) -> Devices:
    """Return the selected devices, from /sys. Blocks for some ten milliseconds."""
    found: set[str] = set()
    for kind, below in (("class", ""), ("bus", "devices")):
        for subsystem in _entries(SYS / kind):
            names = (f"{subsystem}/{name}" for name in _entries(SYS / kind / subsystem / below))
            found.update(name for name in names if event_filter.is_device(name))
    return Devices(event_filter.device, tuple(sorted(found)))


def _entries(directory: Path) -> list[str]:
    with suppress(OSError):  # gone meanwhile, or no directory
        return os.listdir(directory)  # noqa: PTH208 - hundreds of names
    return []
