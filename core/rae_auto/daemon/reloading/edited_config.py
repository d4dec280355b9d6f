"""The errors of a configuration that was edited since the daemon read it, at which its next start would fail."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rae_auto.config import load
from rae_auto.config.files.fragments import identify_files
from rae_auto.errors import ConfigError
from rae_auto.registry import Registry
from rae_auto.runtime.concurrency.limited_calls import call_within
from rae_auto.toolkit.files import FileIdentity

MAX_LOOK_SECONDS = 2.0
"""The time that a status waits for files, which may be large or on a server that is gone."""

Files = Mapping[Path, FileIdentity]


class EditedConfig:
    """Reads a configuration that differs from the one that is in use, once for each change."""

    def __init__(self, path: Path, registry: Registry, files_in_use: Callable[[], tuple[Files, Iterable[str]]]) -> None:
        """Compare with `files_in_use`, which returns the identities of the files as read, and what they include."""
        self._path = path
        self._registry = registry
        self._files_in_use = files_in_use
        self._seen: Files | None = None
        self._problem: str | None = None
        self._is_looking = False

    async def find_problem(self) -> str | None:
        """Return what keeps the edited files from being used, a line for each error, or None.

        What can't be read in time is reported by a later call.
        """
        if not self._is_looking:
            try:
                await call_within(MAX_LOOK_SECONDS, "edited configuration", self._look, *self._files_in_use())
            except (TimeoutError, OSError):
                return None
        return self._problem

    def _look(self, files: Files, include: Iterable[str]) -> None:
        """Compare the files, and read them if they have changed. Runs in a thread."""
        self._is_looking = True
        try:
            found = identify_files(self._path, include)
            if found != self._seen:
                self._problem = None if found == files else self._read()
                self._seen = found
            elif found == files:
                self._problem = None
        finally:
            self._is_looking = False

    def _read(self) -> str | None:
        try:
            load(self._path, self._registry.fork())
        except ConfigError as error:
            return f"the configuration was edited and can't be used, so the one read before stays in use: {error}"
        return None
