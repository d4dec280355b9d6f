"""A small JSON document in which a source stores its state over restarts: complete or absent, and private."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from loguru import logger

from rae_auto.toolkit.files import create_private_directory, write_atomically

T = TypeVar("T")


class StateFile:
    """A JSON object in a file of a source's directory; `job` is the job in whose log damage is reported.

    `read` and `write` block on the disk for a few milliseconds; `load` and `save` do the same in a thread.

    Example, in `SourceTrigger.watch`:

        state_file = StateFile(context.directory / "state.json", context.job)
        count = await state_file.load(lambda document: int(document["count"])) or 0
        await state_file.save({"count": count + 1})
    """

    def __init__(self, path: Path, job: str | None = None) -> None:
        self.path = path
        self.damage: str | None = None
        """The message about a damaged file, if `read` or `load` found one."""
        self.last_written: Mapping[str, Any] | None = None
        """The document that was written last."""
        self._job = job

    async def load(self, parse: Callable[[dict[str, Any]], T]) -> T | None:
        """Load the document and return what `parse` makes of it.

        Returns None if there is no file. Returns None too, with a warning in the log, if the file is damaged or `parse`
        raises; the source then starts from nothing.
        """
        return await asyncio.to_thread(self._load, parse)

    async def save(self, document: Mapping[str, Any]) -> None:
        """Write the document durably.

        If cancelled, it returns only when the write is over, so that two writes never overlap.
        """
        writing = asyncio.ensure_future(asyncio.to_thread(self.write, document))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})
            raise

    def _load(self, parse: Callable[[dict[str, Any]], T]) -> T | None:
        document, state = self.read(), None
        try:
            state = None if document is None else parse(document)
        except Exception as error:  # of another version, or damaged but still JSON
            self.damage = f"{self.path}: invalid state ({error!r}); the trigger starts from nothing"
        if self.damage:
            logger.bind(job=self._job).warning("{}", self.damage)
        return state

    def read(self) -> dict[str, Any] | None:
        """Read the document, or return None if there is none; a damaged file is moved to `*.corrupt`."""
        try:
            document = json.loads(self.path.read_bytes())
            if not isinstance(document, dict):
                raise ValueError("not a JSON object")
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            corrupt = self.path.with_name(f"{self.path.name}.corrupt")
            self.path.replace(corrupt)
            self.damage = f"{self.path}: damaged ({error}); the trigger starts from nothing, the file is now {corrupt}"
            return None
        return document

    def write(self, document: Mapping[str, Any]) -> None:
        """Replace the document durably."""
        if not self.path.parent.is_dir():
            create_private_directory(self.path.parent)
        write_atomically(self.path, json.dumps(document, separators=(",", ":")).encode())
        self.last_written = document
