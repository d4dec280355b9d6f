"""Stores restored from backups, of the same kind and of another."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import rae_auto.offline.restore as restore_module
from rae_auto import Job, Scheduler, SyncScheduler
from rae_auto.api.store import Append, Delete, Put, Store
from rae_auto.errors import ConfigError, StoreError, StoreLocked
from rae_auto.offline.project import Project
from rae_auto.offline.queries import backup, history
from rae_auto.offline.restore import restore
from rae_auto.paths import STATE_MARKER
from rae_auto.records.backup_files import changes_of, write
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.records.store_move import BUILDING_DIRECTORY
from rae_auto.registry.factory import PluginFactory
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.toolkit.files import DirectoryLock
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

KINDS = {"sqlite": SqliteStore, "json": JsonStore}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backup_path(tmp_path: Path) -> Path:
    """A backup of a job and two entries."""
    path = tmp_path / "backup"
    entries = [Append("runs", f"r{n}", "a", "failed", NOON, {"n": n}) for n in range(2)]
    write(path, [Put("job", "a", {"id": "a"}), *entries], NOON)
    return path


def config(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text(f'store = "{kind}"\n')
    path.chmod(0o600)
    return path


@contextmanager
def open_store(kind: str, directory: Path) -> Iterator[Any]:
    store = KINDS[kind]()
    store.open(directory)
    yield store
    store.close()


def contents(store: Store, directory: Path) -> list[object]:
    """All that a store in a directory holds."""
    store.open(directory)
    found: list[object] = list(store.dump())
    store.close()
    return found


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and path.name not in ("lock", STATE_MARKER)
    }


@pytest.mark.parametrize("other", KINDS)
def test_restore_works_between_kinds_of_stores(tmp_path: Path, state: Path, kind: str, other: str) -> None:
    async def work() -> list[str]:
        async with asyncio.timeout(60), Scheduler(directory=state, store=kind) as scheduler:
            await scheduler.add_job(Job(id="good", command="true"))
            runs = [(await scheduler.wait(await scheduler.trigger("good"))).id for _ in range(3)]
            summary = await scheduler.backup(tmp_path / "backup")
            assert summary.changes == len(list(changes_of(tmp_path / "backup")))
            await scheduler.wait(await scheduler.trigger("good"))
            return runs

    runs = asyncio.run(work())
    restored = restore(Project.load(config(tmp_path, other)), tmp_path / "backup", replace=True)
    assert restored.aside is not None
    assert [run["run_id"] for run in history(Project.load(tmp_path / "rae.toml"), {})] == runs[::-1]

    async def go_on() -> None:
        async with asyncio.timeout(60), Scheduler(directory=state, store=other) as scheduler:
            assert [job.id for job in await scheduler.list_jobs()] == ["good"]
            await scheduler.wait(await scheduler.trigger("good"))
            assert len(await scheduler.history()) == 4

    asyncio.run(go_on())


def test_nothing_is_changed_by_going_round_through_both_kinds(tmp_path: Path, state: Path, backup_path: Path) -> None:
    wanted = list(changes_of(backup_path))
    for step, kind in enumerate(["sqlite", "json", "json", "sqlite"]):
        path = config(tmp_path, kind)
        restore(Project.load(path), backup_path, replace=step > 0)
        backup_path = tmp_path / f"backup-{step}"
        backup(Project.load(path), backup_path, replace=False)
    assert list(changes_of(backup_path)) == wanted


def test_a_store_in_use_is_not_touched(tmp_path: Path, state: Path, backup_path: Path, kind: str) -> None:
    restore(Project.load(config(tmp_path, kind)), backup_path, replace=False)
    lock = DirectoryLock(state)
    before = files(state)
    with pytest.raises(StoreLocked, match="rae-auto stop"):
        restore(Project.load(tmp_path / "rae.toml"), backup_path, replace=True)
    assert files(state) == before
    lock.release()


def test_restore_replaces_a_store_only_on_request(tmp_path: Path, state: Path, backup_path: Path, kind: str) -> None:
    path = config(tmp_path, kind)
    restore(Project.load(path), backup_path, replace=False)
    with open_store(kind, state) as store:
        store.commit([Put("job", "newer", {}), Delete("job", "a")])
    before = files(state)
    with pytest.raises(StoreError, match="--replace"):
        restore(Project.load(path), backup_path, replace=False)
    assert files(state) == before
    restored = restore(Project.load(path), backup_path, replace=True)
    assert contents(KINDS[kind](), state) == list(changes_of(backup_path))
    assert restored.aside is not None
    assert files(restored.aside) == before


def test_restore_leaves_other_files_in_place(tmp_path: Path, state: Path, backup_path: Path, kind: str) -> None:
    restore(Project.load(config(tmp_path, kind)), backup_path, replace=False)
    (state / "output").mkdir()
    kept = [state / "output" / "x.log", state / "rae-auto.log", state / "rae-auto.2026-01-01.log"]
    for path in kept:
        path.write_text("kept")
    restore(Project.load(tmp_path / "rae.toml"), backup_path, replace=True)
    assert [path.read_text() for path in kept] == ["kept"] * 3


@pytest.mark.parametrize("damage", [b"", b"{}\n", None])
def test_a_damaged_backup_changes_nothing(tmp_path: Path, state: Path, backup_path: Path, damage: bytes | None) -> None:
    path = config(tmp_path, "json")
    restore(Project.load(path), backup_path, replace=False)
    before = files(state)
    backup_path.write_bytes(backup_path.read_bytes()[:-1] if damage is None else damage)
    with pytest.raises(StoreError):
        restore(Project.load(path), backup_path, replace=True)
    assert files(state) == before
    assert not list(state.glob("replaced-*"))


def test_interrupted_restore_can_be_repeated(
    tmp_path: Path, state: Path, backup_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, kind)
    with monkeypatch.context() as patched:
        patched.setattr(restore_module, "changes_of", lambda source: iter([*changes_of(source), object()]))
        with pytest.raises(Exception):  # noqa: B017 - whatever a store makes of what is no change
            restore(Project.load(path), backup_path, replace=False)
    restore(Project.load(path), backup_path, replace=False)
    assert contents(KINDS[kind](), state) == list(changes_of(backup_path))
    assert not (state / BUILDING_DIRECTORY).exists()


def test_restore_refuses_an_external_store_with_contents(
    tmp_path: Path, state: Path, backup_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = MemoryStore()
    full.open(tmp_path)
    full.commit([Put("job", "b", {})])
    full.close()
    monkeypatch.setattr(PluginFactory, "store", lambda *_: full)
    with pytest.raises(StoreError, match="empty it first"):
        restore(Project.load(config(tmp_path, "json")), backup_path, replace=False)


def test_bad_configuration_is_reported_first(tmp_path: Path, state: Path) -> None:
    with pytest.raises(ConfigError):
        restore(Project.load(tmp_path / "nowhere.toml"), tmp_path / "nothing", replace=False)


@pytest.mark.requirement("R20")
def test_backup_leaves_out_a_damaged_entry(tmp_path: Path, state: Path, backup_path: Path) -> None:
    path = config(tmp_path, "sqlite")
    restore(Project.load(path), backup_path, replace=False)
    with open_store("sqlite", state) as store:
        store._database.execute("UPDATE entries SET body = replace(body, '1', '2')")
    for copy in state.glob("*.bak"):
        copy.unlink()
    backup(Project.load(path), tmp_path / "good", replace=False)
    assert [change.key for change in changes_of(tmp_path / "good")] == ["a", "r0"]


def test_a_program_without_an_event_loop_can_back_up_and_count_too(tmp_path: Path, kind: str) -> None:
    with SyncScheduler(directory=tmp_path / "own", store=kind) as scheduler:
        scheduler.add_job(Job(id="good", command="true"))
        scheduler.wait(scheduler.trigger("good"), timeout=60)
        assert scheduler.statistics("good").states == {"succeeded": 1}
        assert scheduler.backup(tmp_path / "backup").changes == len(list(changes_of(tmp_path / "backup")))


@pytest.mark.parametrize("step", range(12))
def test_restore_that_is_killed_has_happened_or_not(
    tmp_path: Path, state: Path, backup_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    path = config(tmp_path, kind)
    with open_store_in(state, kind) as store:
        store.commit([Put("job", "old", {"id": "old"})])
    rename, left = Path.rename, [step]

    def rename_or_die(source: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(source, target)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(Path, "rename", rename_or_die)
        restore(Project.load(path), backup_path, replace=True)
    project = Project.load(path)
    with project.read_store() as store:
        found = {key for key, _ in store.load("job")}
    assert found in ({"old"}, {"a"})
    assert (found == {"a"}) == (step > 0)
    assert not list(state.glob(".restored-*"))


@contextmanager
def open_store_in(state: Path, kind: str) -> Iterator[Any]:
    claim_state_directory(state)
    with open_store(kind, state) as store:
        yield store
