"""Faults of a store's suite: a daemon that is killed, a full disk, and a store that doesn't return."""

from pathlib import Path
from typing import Any, ClassVar, cast

import attrs
import pytest

from rae_auto.api import Store
from rae_auto.api.store import LogQuery, Put
from rae_auto.errors import StoreError
from rae_auto.testing.harness.child_process import run_until_killed
from rae_auto.testing.harness.full_disk import FILE_SIZE_LIMIT_BYTES, limit_files
from rae_auto.testing.time_limits import TEST_TIMEOUT_SECONDS, limit_calls

KILLED_COMMITS = 20


class StoreFaults:
    """Tests of a store under faults; part of `StoreConformance`, with its fixtures `plugin` and `directory`."""

    is_durable: ClassVar[bool] = True
    """False for a store that keeps its content in memory, as for tests."""
    keeps_files: ClassVar[bool] = True
    """False for a store that keeps its content on a server, whose disk this process can't fill."""

    @pytest.fixture(autouse=True)
    def limit_the_test(self, request: pytest.FixtureRequest) -> None:
        """Interrupt a test that hangs, and name the place."""
        request.node.obj = limit_calls(request.node.obj, TEST_TIMEOUT_SECONDS)

    def test_what_was_committed_survives_a_kill(self, plugin: Store, directory: Path) -> None:
        if not self.is_durable:
            pytest.skip("the store is not durable")

        async def commit() -> int:
            store = _copy(plugin)
            store.open(directory)
            for number in range(KILLED_COMMITS):
                store.commit([Put("job", f"job-{number:02}", {"n": number})])
            return KILLED_COMMITS

        count = run_until_killed(commit)
        plugin.open(directory)
        try:
            kept = [cast("Any", body)["n"] for _, body in plugin.load("job")]
        finally:
            plugin.close()
        assert kept == list(range(count)), (
            f"{count} commits had returned when the daemon was killed, but {len(kept)} documents are there; "
            "return from commit when all is on the disk (rae_auto.toolkit.files.write_atomically)"
        )

    def test_full_disk_is_reported_and_loses_nothing(self, plugin: Store, directory: Path) -> None:
        if not (self.is_durable and self.keeps_files):
            pytest.skip("the store keeps no files here")
        plugin.open(directory)
        try:
            plugin.commit([Put("job", "before", {"n": 1})])
            with limit_files(), pytest.raises(StoreError):
                plugin.commit([Put("job", "big", {"text": "x" * (FILE_SIZE_LIMIT_BYTES * 4)})])
            assert [key for key, _ in plugin.load("job")] == ["before"], "a commit that failed left something behind"
            plugin.commit([Put("job", "after", {"n": 2})])
            assert [key for key, _ in plugin.load("job")] == ["after", "before"], "the store fails after a full disk"
        finally:
            plugin.close()

    def test_damaged_files_are_never_believed(self, plugin: Store, directory: Path) -> None:
        """After damage the store raises StoreError, or has what was committed, or nothing; never something else."""
        plugin.open(directory)
        plugin.commit([Put("job", "a", {"text": "correct"})])
        plugin.close()
        files = [path for path in directory.rglob("*") if path.is_file() and b"correct" in path.read_bytes()]
        if not files:
            pytest.skip("the store has no file in which the text can be found")
        for path in files:
            path.write_bytes(path.read_bytes().replace(b"correct", b"damaged"))
        store = _copy(plugin)
        try:
            store.open(directory)
            found = [body for _, body in store.load("job")]
            store.query("runs", LogQuery())
        except StoreError:
            return
        finally:
            store.close()
        assert {"text": "damaged"} not in found, (
            "the store believes a changed file; keep a checksum beside each document"
        )


def _copy(store: Any) -> Store:
    copy: Store = attrs.evolve(store)
    return copy
