"""The identities on disk: a snapshot, and behind it a line for each message since.

A message costs its line, and not the ten thousand topics beside it. The lines are counted: when there are more than
twice as many as topics, or when a watch begins, the snapshot is written again and the lines are removed. A crash
between the two leaves lines that the snapshot has already, all of them; to make their changes again leads to the same.

A line is durable, whole, before its message is emitted. What a crash has left of a line ends the file.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from loguru import logger

from rae_auto.toolkit.files import open_private, sync_directory
from rae_auto.toolkit.state_file import StateFile
from rae_trigger_mqtt.identity import Identities, MessageChange

MIN_LINES = 1000
"""Lines up to which the snapshot stays, however few topics there are."""


class IdentityFile:
    """The identities of the messages of one trigger, in its directory."""

    def __init__(self, directory: Path, job: str) -> None:
        self._snapshot = StateFile(directory / "messages.json", job)
        self._path = directory / "messages.log"
        self._job = job
        self._lines = 0

    async def load(self) -> Identities:
        """Return the identities, in a snapshot of their own from now on. Errors: OSError."""
        identities = await self._snapshot.load(Identities.from_document) or Identities()
        for change in await asyncio.to_thread(lambda: list(self._read_lines())):
            identities.apply(change)
        await self._write_snapshot(identities)
        return identities

    async def save(self, identities: Identities) -> None:
        """Write down what has changed; it is durable when this returns. Errors: OSError."""
        changes = identities.unwritten[:]
        if changes:
            await _finish(self._append, b"".join(json.dumps(change).encode() + b"\n" for change in changes))
            self._lines += len(changes)
            del identities.unwritten[: len(changes)]
        if self._lines > max(MIN_LINES, 2 * len(identities.last)):
            await self._write_snapshot(identities)

    async def _write_snapshot(self, identities: Identities) -> None:
        await self._snapshot.save(identities.to_document())
        await _finish(self._path.unlink, True)
        self._lines = 0

    def _append(self, lines: bytes) -> None:
        descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, lines) < len(lines):
                    raise OSError(28, "No space left on device", str(self._path))
                os.fsync(descriptor)
            except OSError:
                # Or the next line would stand behind a part of this one.
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if not size:
            sync_directory(self._path.parent)

    def _read_lines(self) -> Iterator[MessageChange]:
        """Yield the changes, up to the first line that can't be read."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for number, line in enumerate(lines[:-1], 1):
            try:
                packet, digest, key, topic = json.loads(line)
                yield MessageChange(int(packet), str(digest), str(key), None if topic is None else str(topic))
            except (ValueError, TypeError) as error:
                logger.bind(job=self._job).warning(
                    "{}: line {} is damaged ({}); later messages count as new", self._path, number, error
                )
                return


async def _finish(function: Callable[..., None], argument: object) -> None:
    """Call a function in a thread; if cancelled, return only when it is over, so that two never overlap."""
    working = asyncio.ensure_future(asyncio.to_thread(function, argument))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise
