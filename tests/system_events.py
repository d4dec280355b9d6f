"""What the tests of the system trigger share."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from rae_auto.model.instants import Moment
from rae_auto.testing.sources import PATIENCE, Listener, VirtualTimer


class SettableTimer(VirtualTimer):
    """Clocks of which the one on the wall can be set."""

    async def set_clock(self, by: timedelta) -> None:
        """Somebody sets it; whoever waits for an instant looks again."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept)
        for _, future in self._sleepers:
            if not future.done():
                future.set_result(None)
        await self._wake()


def kept(listener: Listener) -> dict[str, Any]:
    """The facts that the source has kept."""
    try:
        return dict(json.loads((listener.directory / "system.json").read_text())["facts"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


async def knows(listener: Listener, *slots: str) -> None:
    """Wait until the source knows how these things are now."""
    await until(lambda: set(slots) <= set(kept(listener)))


async def until(holds: Any) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - of files and processes nobody tells
            await asyncio.sleep(0.01)


def told(listener: Listener) -> list[str]:
    """The names of what was told."""
    return [str((occurrence.event or {})["event"]) for occurrence in listener.occurrences]


def program(directory: Path, name: str) -> Path:
    """A program of this name that sleeps as long as its argument says."""
    path = directory / name
    path.write_bytes(Path("/bin/sleep").read_bytes())
    path.chmod(0o755)
    return path
