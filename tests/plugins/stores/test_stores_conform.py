"""The built-in stores keep the promises of stores (R27)."""

import pytest

from rae_auto.api import Store
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.testing.stores import StoreConformance
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.json import store as json_store
from rae_plugins.stores.sqlite import SqliteStore


class TestMemoryConforms(StoreConformance):
    @pytest.fixture
    def plugin(self) -> Store:
        return MemoryStore()


class TestSqliteConforms(StoreConformance):
    @pytest.fixture
    def plugin(self) -> Store:
        return SqliteStore()


class TestJsonConforms(StoreConformance):
    @pytest.fixture
    def plugin(self) -> Store:
        return JsonStore()


class TestJsonConformsWhenEveryCommitCompacts(StoreConformance):
    @pytest.fixture
    def plugin(self, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setattr(json_store, "should_compact", lambda journal, snapshot: True)
        return JsonStore()
