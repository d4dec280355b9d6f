"""Helpers of the tests of the system trigger."""

import json
from pathlib import Path
from typing import Any

from tests.support.waiting import until

from rae_auto.testing.sources import Listener


def read_memory(listener: Listener) -> dict[str, Any]:
    """Return the states that the source has saved."""
    try:
        return dict(json.loads((listener.directory / "system.json").read_text())["states"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


async def knows(listener: Listener, *slots: str) -> None:
    """Wait until the source knows how these things are now."""
    await until(lambda: set(slots) <= set(read_memory(listener)))


async def asleep(listener: Listener) -> None:
    """Wait until the source, and the task that waits for the missing bus, wait for the clocks."""
    await until(lambda: listener.timer.sleepers >= 2)


def emitted(listener: Listener) -> list[str]:
    """The names of what was told."""
    return [str((occurrence.event or {})["event"]) for occurrence in listener.occurrences]


def program(directory: Path, name: str) -> Path:
    """A program of this name that sleeps as long as its argument says."""
    path = directory / name
    path.write_bytes(Path("/bin/sleep").read_bytes())
    path.chmod(0o755)
    return path
