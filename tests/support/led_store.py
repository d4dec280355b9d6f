"""A store that several daemons use, of which another machine's daemon leads; its records are in a SQLite store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rae_auto.api.shared_store import Leader, SharedStore
from rae_auto.errors import StoreLocked
from rae_auto.registry.factory import PluginFactory
from rae_auto.toolkit.files import DirectoryLock
from rae_plugins.stores.sqlite import SqliteStore

LEADER = Leader(node="nas-1", host="nas", pid=4711, since=datetime(2026, 6, 1, 12, tzinfo=UTC))


class LedStore(SharedStore):
    """Reads a SQLite store beside a leader; to open it is refused as by a server whose claim is held."""

    type = "led"
    leader: Leader | None = LEADER
    skipped_entries = 0

    def __init__(self) -> None:
        self._inner = SqliteStore()

    def open(self, directory: Path) -> Sequence[str]:
        lock = DirectoryLock(directory)
        lock.release()
        raise StoreLocked(f"{LEADER.describe()} has claimed the store")

    def find_leader(self) -> Leader | None:
        return self.leader


def _delegate(name: str) -> Any:
    return lambda self, *arguments, **words: getattr(self._inner, name)(*arguments, **words)


for _name in ("open_read_only", "load", "query", "count", "find_keys", "dump", "close"):
    setattr(LedStore, _name, _delegate(_name))
LedStore.__abstractmethods__ = frozenset()


def have_leader(monkeypatch: pytest.MonkeyPatch, leader: Leader | None = LEADER) -> None:
    """Have all stores of configurations be shared ones with this leader."""
    monkeypatch.setattr(LedStore, "leader", leader)
    monkeypatch.setattr(PluginFactory, "store", lambda *_: LedStore())
