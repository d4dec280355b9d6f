"""What the tests of the file trigger share."""

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

from rae_auto.testing.sources import PATIENCE, Listener, Occurrence, RealTimer, VirtualTimer
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
"""Writes files into a directory, or into new ones below it with so many files in each."""


class EmitResult(Listener):
    """A daemon that takes what a file trigger tells, with the machine's clocks."""

    def __init__(self, directory: Path, timer: Any = None) -> None:
        super().__init__(directory, timer or RealTimer())

    @property
    def changes(self) -> list[Mapping[str, Any]]:
        """All changes that were told, in order."""
        return [change for occurrence in self.occurrences for change in event_of(occurrence)["changes"]]

    @property
    def said(self) -> list[str]:
        """The same in short: `created a.txt`, by the names of files."""
        return [f"{change['change']} {os.path.basename(change['path'])}" for change in self.changes]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - threads and other processes change it
                await asyncio.sleep(0.02)

    async def until_told(self, *paths: Path) -> None:
        """Return once these files were told."""
        wanted = {str(path) for path in paths}
        await self.until(lambda: wanted <= {change["path"] for change in self.changes})

    @asynccontextmanager
    async def at_work(self, trigger: FileTrigger) -> AsyncIterator["asyncio.Task[None]"]:
        """The trigger watches, and has looked at what there is."""
        walks = self._walks()
        async with self.watching(trigger) as task:
            await self.until(lambda: task.done() or (self._walks() != walks and has_begun(self.directory)))
            yield task

    def _walks(self) -> tuple[int, str | None]:
        """Which snapshot there is, and how many walks it has seen."""
        path = self.directory / "snapshot.sqlite"
        return (path.stat().st_ino if path.exists() else 0), fact(self.directory, "walk")


def has_begun(directory: Path) -> bool:
    """Whether the first look is over, by what the trigger has noted in its directory."""
    return fact(directory, "selection") is not None


def fact(directory: Path, name: str) -> str | None:
    """Something that the trigger has noted."""
    path = directory / "snapshot.sqlite"
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as database:
        try:
            row = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error:  # it is being made
            return None
    return row and str(row[0])


def event_of(occurrence: Occurrence) -> Mapping[str, Any]:
    """The document of an occurrence, which this trigger always has."""
    assert occurrence.event is not None
    return occurrence.event


def trigger(*paths: Path | str, **options: Any) -> FileTrigger:
    """One that is quick, and that tells of everything."""
    given: dict[str, Any] = {"quiet": "50ms", "max_wait": "5s", "events": ALL, "poll": "100ms", **options}
    return FileTrigger(paths=[str(path) for path in paths], **given)


async def written(top: Path, count: int, writers: int = 4, per_directory: int = 0) -> set[str]:
    """The files that some processes write at once."""
    share = count // writers
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(top), str(number), str(share), str(per_directory)
        )
        for number in range(writers)
    ]
    assert [await process.wait() for process in processes] == [0] * writers
    return {os.path.join(directory, name) for directory, _, names in os.walk(top) for name in names}


def twice(told: EmitResult) -> list[str]:
    """Files of which one version was told more than once."""
    there = [change for change in told.changes if change["change"] != "deleted"]
    versions = Counter((change["path"], change["mtime"], change["size"]) for change in there)
    return [path for (path, *_), count in versions.items() if count > 1]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory to watch."""
    place = tmp_path / "in"
    place.mkdir()
    return place


def play(tmp_path: Path, scene: Callable[[EmitResult], Awaitable[None]], timer: Any = None) -> EmitResult:
    """A daemon that has listened during a scene."""
    told: list[EmitResult] = []

    async def whole() -> None:
        told.append(EmitResult(tmp_path / "state", timer))
        await scene(told[0])

    asyncio.run(whole())
    return told[0]


async def advance(timer: VirtualTimer, until: Callable[[], bool]) -> None:
    """Let time pass, while real files make real events, until something holds."""

    async with asyncio.timeout(30):
        while not until():
            await timer.advance(0.1)
            await asyncio.sleep(0.005)
