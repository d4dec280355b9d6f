"""The choice of where to read: the running daemon, or the store of a configuration without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rae_auto.errors import DaemonUnreachable
from rae_auto.paths import find_config, state_directory
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.views.screens.parts.record_source import RecordSource


@asynccontextmanager
async def open_records(config: Path | str | None = None) -> AsyncIterator[RecordSource]:
    """Read from the daemon of a configuration, by default of the nearest `rae.toml`, or else from its store.

    Errors: ConfigError, StoreError; DaemonUnreachable if there is neither.
    """
    path = find_config(None if config is None else str(config))
    try:
        records = await DaemonRecords.connect(state_directory(path))
    except DaemonUnreachable:
        if path is None:
            raise
        from rae_auto.reading.store_records import StoreRecords  # lazy: start-up

        yield StoreRecords.load(path)
        return
    try:
        yield records
    finally:
        await records.close()
