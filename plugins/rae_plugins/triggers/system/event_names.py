"""Names of events, the same on every platform."""

from enum import StrEnum


class EventName(StrEnum):
    """The names of system events."""

    BOOT = "boot"
    SHUTDOWN = "shutdown"
    SLEEP = "sleep"
    RESUME = "resume"
    LOCK = "lock"
    UNLOCK = "unlock"
    LOGIN = "login"
    LOGOUT = "logout"
    NETWORK_UP = "network-up"
    NETWORK_DOWN = "network-down"
    NETWORK_CHANGED = "network-changed"
    POWER_AC = "power-ac"
    POWER_BATTERY = "power-battery"
    POWER_LOW = "power-low"
    DEVICE_ADDED = "device-added"
    DEVICE_REMOVED = "device-removed"
    PROCESS_STARTED = "process-started"
    PROCESS_EXITED = "process-exited"
    CLOCK_CHANGED = "clock-changed"


BEFORE_DOWN = frozenset({EventName.SLEEP, EventName.SHUTDOWN})
REST = frozenset({EventName.SLEEP, EventName.RESUME})
LOCKS = frozenset({EventName.LOCK, EventName.UNLOCK})
LOGINS = frozenset({EventName.LOGIN, EventName.LOGOUT})
SESSIONS = LOCKS | LOGINS
NETWORK = frozenset({EventName.NETWORK_UP, EventName.NETWORK_DOWN, EventName.NETWORK_CHANGED})
POWER = frozenset({EventName.POWER_AC, EventName.POWER_BATTERY, EventName.POWER_LOW})
DEVICES = frozenset({EventName.DEVICE_ADDED, EventName.DEVICE_REMOVED})
PROCESSES = frozenset({EventName.PROCESS_STARTED, EventName.PROCESS_EXITED})


UNDOES = {
    EventName.SLEEP: {EventName.RESUME},
    EventName.LOCK: {EventName.UNLOCK},
    EventName.UNLOCK: {EventName.LOCK},
    EventName.LOGIN: {EventName.LOGOUT},
    EventName.LOGOUT: {EventName.LOGIN, EventName.LOCK, EventName.UNLOCK},
    EventName.NETWORK_UP: {EventName.NETWORK_DOWN},
    EventName.NETWORK_DOWN: {EventName.NETWORK_UP, EventName.NETWORK_CHANGED},
    EventName.POWER_AC: {EventName.POWER_BATTERY, EventName.POWER_LOW},
    EventName.POWER_BATTERY: {EventName.POWER_AC},
    EventName.DEVICE_ADDED: {EventName.DEVICE_REMOVED},
    EventName.DEVICE_REMOVED: {EventName.DEVICE_ADDED},
    EventName.PROCESS_STARTED: {EventName.PROCESS_EXITED},
    EventName.PROCESS_EXITED: {EventName.PROCESS_STARTED},
}
"""For each event those that it undoes, so that nothing is left of them to wait for."""
