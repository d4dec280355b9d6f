"""Helpers of the tests of the file trigger."""

import asyncio
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from rae_auto.testing.sources import WAIT_TIMEOUT_SECONDS, EmittedOccurrence, Listener, RealTimer, VirtualTimer
from rae_plugins.triggers.file import FileTrigger

ALL = ("created", "modified", "deleted", "moved")

WRITER = """
import os, sys
top, number, count, per_directory = sys.argv[1], *map(int, sys.argv[2:])
for n in range(count):
    place = top
    if per_directory:
        place = os.path.join(top, f"w{number}", f"d{n // (10 * per_directory)}", f"e{n // per_directory}")
        os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, f"{number}-{n}"), "w") as file:
        file.write("x" * 10)
"""
"""A program that writes files into a directory, or into new directories below it with `per_directory` files each."""


class FileListener(Listener):
    """A stand-in for the daemon that collects the occurrences of a file trigger, by default with real clocks."""

    def __init__(self, directory: Path, timer: Any = None) -> None:
        super().__init__(directory, timer or RealTimer())

    @property
    def changes(self) -> list[Mapping[str, Any]]:
        """All delivered changes, in order."""
        return [change for occurrence in self.occurrences for change in event_of(occurrence)["changes"]]

    @property
    def summaries(self) -> list[str]:
        """All delivered changes in short, with the names of files: `created a.txt`."""
        return [f"{change['change']} {os.path.basename(change['path'])}" for change in self.changes]

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once a condition holds."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not condition():  # noqa: ASYNC110 - threads and other processes change it
                await asyncio.sleep(0.02)

    async def wait_for_changes(self, *paths: Path) -> None:
        """Return once changes of all these files have been delivered."""
        expected = {str(path) for path in paths}
        await self.wait_until(lambda: expected <= {change["path"] for change in self.changes})

    @asynccontextmanager
    async def running(self, trigger: FileTrigger) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the trigger within the block, which begins after its first scan."""
        before = self._scan_state()
        async with self.watching(trigger) as task:
            await self.wait_until(lambda: task.done() or (self._scan_state() != before and has_scanned(self.directory)))
            yield task

    def _scan_state(self) -> tuple[int, str | None]:
        """Return the inode of the snapshot and the number of its last scan."""
        path = self.directory / "snapshot.sqlite"
        return (path.stat().st_ino if path.exists() else 0), read_metadata(self.directory, "scan_number")


def has_scanned(directory: Path) -> bool:
    """Return whether the snapshot in a directory shows that the first scan is over."""
    return read_metadata(directory, "options") is not None


def read_metadata(directory: Path, name: str) -> str | None:
    """Return a value from the metadata of the snapshot in a directory."""
    path = directory / "snapshot.sqlite"
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as database:
        try:
            row = database.execute("SELECT value FROM metadata WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error:  # it is being created
            return None
    return row and str(row[0])


def event_of(occurrence: EmittedOccurrence) -> Mapping[str, Any]:
    """Return the event of an occurrence, which this trigger always has."""
    assert occurrence.event is not None
    return occurrence.event


def trigger(*paths: Path | str, **options: Any) -> FileTrigger:
    """Return a trigger that fires quickly and reports every kind of change."""
    given: dict[str, Any] = {"quiet": "50ms", "max_wait": "5s", "events": ALL, "poll": "100ms", **options}
    return FileTrigger(paths=[str(path) for path in paths], **given)


async def write_files(top: Path, count: int, writers: int = 4, per_directory: int = 0) -> set[str]:
    """Have several processes write files at once; return the paths of all files."""
    share = count // writers
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(top), str(number), str(share), str(per_directory)
        )
        for number in range(writers)
    ]
    assert [await process.wait() for process in processes] == [0] * writers
    return {os.path.join(directory, name) for directory, _, names in os.walk(top) for name in names}


def find_repeated(listener: FileListener) -> list[str]:
    """Return the files of which one version was delivered more than once."""
    present = [change for change in listener.changes if change["change"] != "deleted"]
    versions = Counter((change["path"], change["mtime"], change["size"]) for change in present)
    return [path for (path, *_), count in versions.items() if count > 1]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a directory to watch."""
    directory = tmp_path / "in"
    directory.mkdir()
    return directory


def run_scene(tmp_path: Path, scene: Callable[[FileListener], Awaitable[None]], timer: Any = None) -> FileListener:
    """Run a scene with a listener on a new event loop, and return the listener."""

    async def run() -> FileListener:
        listener = FileListener(tmp_path / "state", timer)
        await scene(listener)
        return listener

    return asyncio.run(run())


async def advance(timer: VirtualTimer, until: Callable[[], bool]) -> None:
    """Advance the virtual clocks until a condition holds, while real files make real events."""
    async with asyncio.timeout(30):
        while not until():
            await timer.advance(0.1)
            await asyncio.sleep(0.005)
