"""macOS: notifications of the workspace, by pyobjc; psutil and the clocks for the rest.

Written by Apple's documentation and tested with stand-ins for pyobjc only; it has not been run on macOS yet.
"""

import subprocess
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from getpass import getuser
from typing import Any

from rae_auto.api.trigger import Timer
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.adapters.portable import library_missing, missing_without_battery, polls
from rae_plugins.triggers.system.adapters.thread_bridge import Make, ThreadBridge
from rae_plugins.triggers.system.changes import EventFilter, Rest, ShuttingDown
from rae_plugins.triggers.system.concurrency import run_together
from rae_plugins.triggers.system.event_names import (
    BEFORE_DOWN,
    DEVICES,
    LOCKS,
    REST,
    EventName,
)
from rae_plugins.triggers.system.sessions import Screen

NOTIFICATIONS = BEFORE_DOWN | REST | LOCKS
"""Events that only the workspace reports."""

_CHECK_SECONDS = 0.5
"""Seconds after which the thread of notifications checks whether it is still needed."""

_NO_DEVICES = "macOS reports devices through IOKit, which this adapter doesn't use; watch /Volumes with a file trigger"


class MacOS:
    """The adapter of macOS."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """Devices; what needs pyobjc where that isn't installed; and power without a battery."""
        found = dict.fromkeys(DEVICES, _NO_DEVICES)
        if reason := library_missing("AppKit", "macos"):
            found |= dict.fromkeys(NOTIFICATIONS, reason)
        return found | missing_without_battery(names)

    def boot(self) -> str:
        """Return the kernel's boot session, the counterpart of Linux' boot id."""
        named = subprocess.run(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True)
        return named.stdout.strip()

    async def watch(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        """Watch what is event_filter, and nothing else."""
        parts = polls(event_filter, report, timer)
        if event_filter.names & NOTIFICATIONS:
            bridge, over = ThreadBridge(), threading.Event()
            parts.append(bridge.serve(partial(listen, bridge, timer, over), over.set, report))
        await run_together(parts)


def listen(bridge: ThreadBridge, timer: Timer, over: threading.Event) -> None:
    """Hand over what the workspace notifies of, on a run loop of this thread, until it is over."""
    from AppKit import NSWorkspace
    from Foundation import NSDate, NSDefaultRunLoopMode, NSDistributedNotificationCenter, NSRunLoop

    user = getuser()
    workspace = NSWorkspace.sharedWorkspace().notificationCenter()
    everywhere = NSDistributedNotificationCenter.defaultCenter()
    received: list[tuple[Any, str, Make, bool]] = [
        (workspace, "NSWorkspaceWillSleepNotification", lambda: Rest(True, timer.now().slept), True),
        (workspace, "NSWorkspaceDidWakeNotification", lambda: Rest(False, timer.now().slept), False),
        (workspace, "NSWorkspaceWillPowerOffNotification", lambda: ShuttingDown(True), True),
        (everywhere, "com.apple.screenIsLocked", lambda: Screen(user, True), False),
        (everywhere, "com.apple.screenIsUnlocked", lambda: Screen(user, False), False),
    ]
    for make in (received[1][2], lambda: ShuttingDown(False), received[4][2]):
        bridge.put(make)
    observers = [
        (center, center.addObserverForName_object_queue_usingBlock_(name, None, None, _block(bridge, make, wait)))
        for center, name, make, wait in received
    ]
    while not over.is_set():
        NSRunLoop.currentRunLoop().runMode_beforeDate_(
            NSDefaultRunLoopMode, NSDate.dateWithTimeIntervalSinceNow_(_CHECK_SECONDS)
        )
    for center, observer in observers:
        center.removeObserver_(observer)


def _block(bridge: ThreadBridge, make: Make, wait: bool) -> Callable[[object], None]:
    return lambda _: bridge.put(make, wait=wait)
