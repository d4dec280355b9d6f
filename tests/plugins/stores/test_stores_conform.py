"""The built-in stores pass the conformance suite of stores."""

import pytest

from rae_auto.api import Store
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.testing.stores import StoreConformance
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.json import store as json_store
from rae_plugins.stores.sqlite import SqliteStore


class TestMemoryConforms(StoreConformance):
    is_durable = False

    @pytest.fixture
    def plugin(self) -> Store:
        return MemoryStore()


@pytest.mark.requirement("R27")
class TestSqliteConforms(StoreConformance):
    @pytest.fixture
    def plugin(self) -> Store:
        return SqliteStore()


@pytest.mark.requirement("R27")
class TestJsonConforms(StoreConformance):
    @pytest.fixture
    def plugin(self) -> Store:
        return JsonStore()


@pytest.mark.requirement("R27")
class TestJsonConformsWhenEveryCommitCompacts(StoreConformance):
    @pytest.fixture
    def plugin(self, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setattr(json_store, "should_compact", lambda journal, snapshot: True)
        return JsonStore()
