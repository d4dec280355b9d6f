"""Keys of a job for which another scheduler has no word."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

_KEPT = {"id", "name", "schedule", "command", "shell", "shell_program", "cwd", "directory", "env", "stdin", "user"}
_SMALL = {"tags", "description", "enabled"}

_CONFIGURATION_KEYS = {"retry_policy": "retry"}
"""Keys of a definition that have another name in a configuration."""

_AS_ELSEWHERE: Mapping[str, Any] = {
    "catch_up": "none",
    "overlap": "allow",
    "executor": {"type": "process", "options": {"orphans": "allow"}},
}
"""Values that say what cron does anyway."""


def find_losses(definition: Mapping[str, Any], kept: Collection[str] = ()) -> list[str]:
    """Return the keys of a job that an export leaves out, as a configuration names them, in their order."""
    return [
        _CONFIGURATION_KEYS.get(key, key)
        for key, value in definition.items()
        if key not in _KEPT and key not in _SMALL and key not in kept and _AS_ELSEWHERE.get(key) != value
    ]


def describe_losses(lost: Sequence[str]) -> str:
    """Return what is left out as the end of a sentence; empty if nothing is."""
    return f", without {', '.join(dict.fromkeys(lost))}" if lost else ""
