"""Copies what jobs print to the log, line by line, for loggers that show it.

Keepers write the output files, without the daemon, so an output file is read at intervals while its attempt is active,
and once more at its end, before the end is reported: the output stands between "started" and "succeeded".
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from loguru import logger

from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks

READ_INTERVAL_SECONDS = 0.2
"""Seconds between two reads of an output file."""

MAX_READ_BYTES = 64 << 10
"""Bytes that are shown for each read; of a job that prints faster, the newest."""

MAX_LINE_BYTES = 4096
"""Bytes of a line that are shown at once; the rest of a longer one follows as a line of its own."""

LINES_AT_ONCE = 20
"""Lines that are logged before others get their turn: a line takes the event loop some 0.1 ms."""


class LiveOutput:
    """The output file of one attempt, from now on."""

    def __init__(self, path: Path, job: str, run: str, tasks: BackgroundTasks, *, is_adopted: bool) -> None:
        """Begin to follow the file, which need not exist yet. The last daemon has shown the start of an adopted one."""
        self._path = path
        self._log = logger.bind(job=job, run=run, output=True)
        self._job = job
        self._position = 0
        self._rest = b""
        self._ended = asyncio.Event()
        self._task = tasks.start(self._follow())
        if is_adopted:
            with suppress(OSError):
                self._position = path.stat().st_size

    async def finish(self) -> None:
        """Show what is left of the output."""
        self._ended.set()
        await self._task
        if self._rest:
            await self._show(b"\n")

    async def _follow(self) -> None:
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), READ_INTERVAL_SECONDS)
            # Output that arrives after the end was reported is read once more.
            is_last = self._ended.is_set()
            await self._show(await asyncio.to_thread(self._read))

    def _read(self) -> bytes:
        """Return the new bytes of the file, at most the last `MAX_READ_BYTES` of them."""
        with suppress(OSError), self._path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(self._position, size - MAX_READ_BYTES)
            left_out = (
                b"" if start == self._position else b"\n[more output: 'rae-auto output %b']\n" % self._job.encode()
            )
            file.seek(start)
            data = file.read(size - start)
            self._position = size
            return left_out + data
        return b""

    async def _show(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        for number, line in enumerate(lines):
            if number % LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            if text := line.rstrip(b"\r"):
                self._log.info("| {}", text[:MAX_LINE_BYTES].decode(errors="backslashreplace"))
