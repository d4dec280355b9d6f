"""The choice of where to read: the running daemon, or the store of a configuration without one that answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rae_auto.errors import DaemonUnreachable
from rae_auto.paths import find_config, state_directory
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.views.screens.parts.record_source import RecordSource

if TYPE_CHECKING:
    from rae_auto.reading.store_records import StoreRecords


@asynccontextmanager
async def open_records(config: Path | str | None = None) -> AsyncIterator[RecordSource]:
    """Read from the daemon of a configuration, by default of the nearest `rae.toml`, or else from its store.

    Errors: ConfigError, StoreError; DaemonUnreachable if there is neither.
    """
    records = await _open(find_config(None if config is None else str(config)))
    try:
        yield records
    finally:
        await records.close()


async def _open(path: Path | None) -> "DaemonRecords | StoreRecords":
    try:
        return await DaemonRecords.connect(state_directory(path))
    except DaemonUnreachable:
        if path is None:
            raise
        from rae_auto.reading.store_records import StoreRecords  # lazy: start-up

        return StoreRecords.load(path)
