"""The suite of stores, against a real server."""

from pathlib import Path

import pytest
from rae_store_postgres.command import PostgresCommand
from rae_store_postgres.reading import CHUNK_ROWS
from rae_store_postgres.store import PostgresStore

from rae_auto.api import Put, Store
from rae_auto.errors import StoreError
from rae_auto.testing.commands import CommandConformance
from rae_auto.testing.stores import StoreConformance, entry, numbers

FULL_DISK = """
CREATE FUNCTION pg_temp.fill() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""


class TestPostgresCommand(CommandConformance):
    @pytest.fixture
    def plugin(self) -> PostgresCommand:
        return PostgresCommand(action="migrate")


class TestPostgresStore(StoreConformance):
    keeps_files = False

    @pytest.fixture(autouse=True)
    def _maker(self, make_store, server):
        self._make_store, self._server = make_store, server

    @pytest.fixture
    def plugin(self) -> PostgresStore:
        return self._make_store(lease="1s")

    def make_other_store(self, plugin: Store) -> Store:
        return self._make_store("rae_other")

    def test_full_disk_of_the_server_loses_nothing(self, plugin: Store, directory: Path) -> None:
        plugin.open(directory)
        plugin.commit([Put("job", "before", {"n": 1})])
        trigger = "CREATE TRIGGER fill AFTER INSERT ON rae_auto.entries EXECUTE FUNCTION rae_auto.fill()"
        function = FULL_DISK.replace("pg_temp", "rae_auto")
        self._server.execute(function, trigger, "SELECT 1")
        try:
            with pytest.raises(StoreError, match="No space left on device"):
                plugin.commit([Put("job", "big", {"n": 2}), entry(1)])
            assert [key for key, _ in plugin.load("job")] == ["before"]
        finally:
            self._server.execute("DROP FUNCTION rae_auto.fill CASCADE", "SELECT 1")
        plugin.commit([Put("job", "after", {"n": 3}), entry(1)])
        plugin.close()
        assert list(plugin.open(directory)) == []
        assert [key for key, _ in plugin.load("job")] == ["after", "before"]
        assert numbers(plugin) == [1]
        plugin.close()

    def test_documents_in_several_chunks_are_loaded_once_each(self, store: Store) -> None:
        keys = ["", "\0", *(f"job{number:04}" for number in range(2 * CHUNK_ROWS)), "job0000\0", "\udfff"]
        store.commit([Put("job", key, {"key": key}) for key in keys])
        store.commit([Put("state", "other", {})])
        assert list(store.load("job")) == [(key, {"key": key}) for key in sorted(keys)]

    def test_damaged_rows_are_never_believed(self, store: Store) -> None:
        store.commit([Put("job", "a", {"text": "correct"}), entry(1), entry(2)])
        self._server.execute(
            "UPDATE rae_auto.documents SET body = replace(body, 'correct', 'damaged')",
            "UPDATE rae_auto.entries SET job = 'other' WHERE key = 'run-1'",
            "SELECT 1",
        )
        ((_, body),) = store.load("job")
        assert body.problem == "its checksum is wrong"
        assert (numbers(store), store.skipped_entries) == ([2], 1)
