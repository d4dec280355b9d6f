"""A small document that a source keeps over restarts: whole or absent, and for the owner alone."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from loguru import logger

from rae_auto.toolkit.files import private_directory, write_whole

T = TypeVar("T")


class StateFile:
    """One JSON object in a file of a source's directory; `job` is whose log tells of damage.

    `read` and `write` block on the disk, for a few milliseconds; `load` and `keep` do the same in a thread.
    """

    def __init__(self, path: Path, job: str | None = None) -> None:
        self.path = path
        self.damage: str | None = None
        """Why what was there was of no use, if so."""
        self.written: Mapping[str, Any] | None = None
        """The document that was written last."""
        self._job = job

    async def load(self, understand: Callable[[dict[str, Any]], T]) -> T | None:
        """Load the document and return what `understand` makes of it; None if there is none.

        None too, with a warning in the log, where it is damaged or `understand` raises: then it begins anew.
        """
        return await asyncio.to_thread(self._load, understand)

    async def keep(self, document: Mapping[str, Any]) -> None:
        """Write it. Cancelled, it returns once that is over: two writers would be in each other's way."""
        writing = asyncio.ensure_future(asyncio.to_thread(self.write, document))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})
            raise

    def _load(self, understand: Callable[[dict[str, Any]], T]) -> T | None:
        found, understood = self.read(), None
        try:
            understood = None if found is None else understand(found)
        except Exception as error:  # of another version, or damaged in a way that still is JSON
            self.damage = f"{self.path} can't be understood ({error!r}); it begins anew"
        if self.damage:
            logger.bind(job=self._job).warning("{}", self.damage)
        return understood

    def read(self) -> dict[str, Any] | None:
        """Read the document, or None if there is none; a damaged file is moved to `*.corrupt`."""
        try:
            found = json.loads(self.path.read_bytes())
            if not isinstance(found, dict):
                raise ValueError("it is no JSON object")
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            self.path.replace(aside)
            self.damage = f"{self.path} is damaged ({error}); it begins anew, and what was there is kept in {aside}"
            return None
        return found

    def write(self, document: Mapping[str, Any]) -> None:
        """Put the document in the place of the last one, durably."""
        if not self.path.parent.is_dir():
            private_directory(self.path.parent)
        write_whole(self.path, json.dumps(document, separators=(",", ":")).encode())
        self.written = document
