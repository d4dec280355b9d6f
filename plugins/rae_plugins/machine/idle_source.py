"""Shared parts of the sources of idle time."""

from collections.abc import Mapping


class IdleUnknown(Exception):  # an answer, not an error
    """The source doesn't know; its text gives the reason, in a few words."""


def is_wayland(environment: Mapping[str, str]) -> bool:
    """Return whether the desktop is Wayland, under which X sees only part of the input."""
    return bool(environment.get("WAYLAND_DISPLAY")) or environment.get("XDG_SESSION_TYPE") == "wayland"
