"""Capacity and cost of the file trigger: `python tests/benchmarks/file_events.py`.

Events a second that four writers make without one being lost, in one flat directory and in nested new ones; memory that
many watched files add; processor time while nothing happens; and the delay from a file's close to its being told.
Options: `--files` to write, `--watched` files, `--delays` to measure, `--seconds` of doing nothing.
"""

import argparse
import asyncio
import gc
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from measuring.processes import resident_mb

from rae_auto.api import EmitResult
from rae_auto.model.primitives.names import RunId
from rae_auto.testing.sources import Listener, RealTimer
from rae_plugins.triggers.file import FileTrigger

FIRST_LOOK_SECONDS = 120.0
WRITERS = 4
WRITER = """
import os, sys
top, number, count, per_directory = sys.argv[1], *map(int, sys.argv[2:])
for n in range(count):
    place = top if not per_directory else os.path.join(
        top, f"w{number}", f"d{n // (10 * per_directory)}", f"e{n // per_directory}")
    if per_directory:
        os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, f"{number}-{n}"), "w") as file:
        file.write("x" * 10)
"""


class Counter(Listener):
    """Counts what it is told of, and when."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, RealTimer())
        self.paths: dict[str, float] = {}
        self.twice = 0
        self.occurrence_count = 0
        self.changed = asyncio.Condition()

    async def emit(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        now = time.monotonic()
        self.occurrence_count += 1
        for path in (event or {})["paths"]:
            self.twice += path in self.paths
            self.paths[path] = now
        async with self.changed:
            self.changed.notify_all()
        return EmitResult(RunId(key))

    async def wait_until(self, count: int, within: float = 120) -> None:
        """Return once it was told of so many files. Raises TimeoutError."""
        try:
            async with asyncio.timeout(within), self.changed:
                await self.changed.wait_for(lambda: len(self.paths) >= count)
        except TimeoutError:
            raise TimeoutError(f"{len(self.paths)} of {count} files were told within {within:g} s") from None


async def wait_for_snapshot(directory: Path) -> None:
    """Return once the first look is over, which is when the snapshot has the options it was taken with."""
    deadline = time.monotonic() + FIRST_LOOK_SECONDS
    while time.monotonic() < deadline:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{directory}/snapshot.sqlite?mode=ro", uri=True)) as database,
        ):
            if database.execute("SELECT 1 FROM metadata WHERE name = 'options'").fetchone():
                return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"the first look was not over within {FIRST_LOOK_SECONDS:g} s")


async def run(top: Path, number: int, count: int, per_directory: int) -> None:
    """One writer, until it has written so many files."""
    arguments = [str(top), str(number), str(count), str(per_directory)]
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, *arguments)
    assert await writer.wait() == 0


async def burst(files: int, per_directory: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place) / "in"
        top.mkdir()
        listener = Counter(Path(place) / "state")
        async with listener.watching(FileTrigger(paths=[str(top)], recursive=True)):
            await wait_for_snapshot(listener.directory)
            began = time.monotonic()
            await asyncio.gather(*(run(top, number, files // WRITERS, per_directory) for number in range(WRITERS)))
            written = time.monotonic() - began
            with suppress(TimeoutError):
                await listener.wait_until(files)
            seen = time.monotonic() - began
        lost = files - len(listener.paths)
        shape = f"directories of {per_directory}" if per_directory else "one directory"
        print(
            f"{files} files by {WRITERS} writers in {shape}: {lost} lost, {listener.twice} told twice; written in "
            f"{written:.1f} s, all told after {seen:.1f} s in {listener.occurrence_count} occurrences: "
            f"{files / seen:.0f} files a second",
            flush=True,
        )
        if lost:
            raise SystemExit("the trigger lost files")


async def memory_and_idle(watched: int, seconds: float, polling: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        top, small = Path(place) / "in", Path(place) / "small"
        top.mkdir()
        small.mkdir()
        await run(top, 0, watched, 100)
        listener = Counter(Path(place) / "state")
        trigger = FileTrigger(paths=[str(top)], recursive=True, polling=polling)
        async with Listener(Path(place) / "other", RealTimer()).watching(FileTrigger(paths=[str(small)])):
            await wait_for_snapshot(Path(place) / "other")
            gc.collect()
            before = resident_mb(os.getpid())
            async with listener.watching(trigger):
                began = time.monotonic()
                await wait_for_snapshot(listener.directory)
                looked = time.monotonic() - began
                await asyncio.sleep(seconds / 4)
                more, snapshot = resident_mb(os.getpid()) - before, listener.directory / "snapshot.sqlite"
                print(
                    f"polling = {polling!r}: {watched} watched files in {watched // 100} directories: "
                    f"{more:.1f} MB resident more than with none; first look {looked:.1f} s; snapshot "
                    f"{snapshot.stat().st_size / 2**20:.1f} MB",
                    flush=True,
                )
                spent = time.process_time()
                await asyncio.sleep(seconds)
                print(f"idle {seconds:g} s: {(time.process_time() - spent) * 1e3:.0f} ms of processor time", flush=True)
            (top / "new").write_text("new")
            began = time.monotonic()
            async with listener.watching(trigger):
                await listener.wait_until(1)
                print(f"restart: after {time.monotonic() - began:.1f} s a file was told that is new since", flush=True)


async def delay(quiet: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place) / "in"
        top.mkdir()
        listener = Counter(Path(place) / "state")
        async with listener.watching(FileTrigger(paths=[str(top)], quiet=quiet)):
            await wait_for_snapshot(listener.directory)
            closed = {}
            for number in range(count):
                path = str(top / str(number))
                (top / str(number)).write_text("x")
                closed[path] = time.monotonic()
                await listener.wait_until(number + 1)
        delays = sorted(listener.paths[path] - at for path, at in closed.items())
        print(
            f"from close to told with quiet = {quiet!r}: p50 {delays[count // 2] * 1e3:.0f} ms, "
            f"p99 {delays[count * 99 // 100] * 1e3:.0f} ms",
            flush=True,
        )


def main(files: int, watched: int, delays: int, seconds: float) -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    asyncio.run(burst(files, 0))
    asyncio.run(burst(files, 10))
    for quiet in ("0s", "100ms", "500ms"):
        asyncio.run(delay(quiet, delays if quiet != "500ms" else max(delays // 4, 1)))
    for polling in ("auto", "always"):
        asyncio.run(memory_and_idle(watched, seconds, polling))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=40_000)
    parser.add_argument("--watched", type=int, default=100_000)
    parser.add_argument("--delays", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    main(given.files, given.watched, given.delays, given.seconds)
