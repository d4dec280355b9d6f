"""Clauses of what is promised that no other test would miss: each of these fails without the line that it is about."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rae_store_postgres import claim, migration
from rae_store_postgres.link import Address
from rae_store_postgres.migration import migrate, read_version
from rae_store_postgres.store import PostgresStore

from rae_auto.api import Put
from rae_auto.api.shared_store import Node
from rae_auto.errors import StoreError

HOUR = 3600.0
LONG_LEASE = "5m"
"""A lease that no test lives to see the end of."""
FIRST, SECOND = Node(name="nas-1", host="nas", pid=1), Node(name="laptop-2", host="laptop", pid=2)


@pytest.fixture
def lead(make_store: Any, tmp_path: Path) -> Any:
    """Return a function that makes a store which has the claim."""
    opened = []

    def make(node: Node = FIRST, **options: object) -> Any:
        store, directory = make_store(**options), tmp_path / node.name
        directory.mkdir(mode=0o700, exist_ok=True)
        store.stand_by(directory, node, lambda _: None)
        store.open(directory)
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_clock_of_the_machine_may_be_an_hour_off(lead: Any, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    true_time = time.time
    monkeypatch.setattr(claim.time, "time", lambda: true_time() + seconds)
    store = lead()
    assert abs(time.monotonic() + store.clock_offset() - true_time()) < HOUR / 2


def test_leader_that_ends_lets_go_before_its_lease_is_over(lead: Any) -> None:
    lead(lease=LONG_LEASE).close()
    lead(SECOND, lease=LONG_LEASE).commit([Put("job", "a", {})])


def test_one_of_two_that_try_at_once_has_the_claim(lead: Any, server: Any) -> None:
    """Both have seen that it was free; the other one is a moment later."""
    store = lead(lease=LONG_LEASE)
    arguments = SECOND.name, SECOND.host, SECOND.pid, timedelta(seconds=1)
    assert ask(Address(server.dsn(), "rae_auto"), lambda c: c.fetch(claim._TAKE, *arguments)) == []
    store.commit([Put("job", "a", {})])


def test_commit_is_durable_whatever_the_role_is_set_to(lead: Any, server: Any) -> None:
    server.execute(
        "CREATE FUNCTION rae_auto.tell() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'synchronous_commit is %', current_setting('synchronous_commit'); END $$",
        "CREATE TRIGGER tell AFTER INSERT ON rae_auto.documents EXECUTE FUNCTION rae_auto.tell()",
        "ALTER ROLE postgres SET synchronous_commit = off",
        "SELECT 1",
    )
    try:
        with pytest.raises(StoreError, match="synchronous_commit is on"):
            lead().commit([Put("job", "a", {})])
    finally:
        server.execute(
            "ALTER ROLE postgres RESET synchronous_commit", "DROP FUNCTION rae_auto.tell CASCADE", "SELECT 1"
        )


def test_connection_that_the_driver_gave_up_is_replaced(lead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncpg has an error of a kind of its own for a server that goes away while a statement is being prepared."""
    store, used, fetchval = lead(), [], asyncpg.Connection.fetchval

    async def give_up(connection: Any, *arguments: Any, **options: Any) -> Any:
        used.append(connection)
        if len(used) == 1:
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        return await fetchval(connection, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "fetchval", give_up)
        with pytest.raises(StoreError) as raised:
            store.commit([Put("job", "a", {})])
    assert store.is_temporary(raised.value)
    assert used[0].is_closed()
    store.commit([Put("job", "a", {"n": 1})])
    assert list(store.load("job")) == [("a", {"n": 1})]


def test_silent_node_counts_as_dead_only_where_that_is_set(lead: Any, make_store: Any, server: Any) -> None:
    store = lead(lease=LONG_LEASE)
    server.execute(
        "INSERT INTO rae_auto.nodes (node, host, machine, boot, pid, directory, seen_at)"
        " VALUES ('away', 'away', '', '', 1, '/', clock_timestamp() - interval '1 hour')",
        "SELECT 1",
    )
    assert {one.node.name: one.fenced_at for one in store.nodes()} == {"away": None, "nas-1": None}
    store.close()
    patient = lead(fence_after="2h")
    assert {one.node.name: one.fenced_at is not None for one in patient.nodes()} == {"away": False, "nas-1": False}
    patient.close()
    impatient = lead(fence_after="30m")
    assert {one.node.name: one.fenced_at is not None for one in impatient.nodes()} == {"away": True, "nas-1": False}


def test_leader_is_never_silent_while_its_claim_holds(lead: Any, server: Any) -> None:
    """It renews its claim alone, and says nothing beside it."""
    store = lead(lease=LONG_LEASE, fence_after="30m")
    server.execute("UPDATE rae_auto.nodes SET seen_at = clock_timestamp() - interval '1 hour'", "SELECT 1")
    (known,) = store.nodes()
    assert (known.silent_seconds, known.fenced_at) == (0.0, None)


def test_node_that_joins_again_is_alive_again(lead: Any) -> None:
    store = lead()
    store.fence("nas-1")
    store.close()
    (known,) = lead().nodes()
    assert known.fenced_at is None


def test_fenced_node_that_leads_on_its_old_connection_is_alive(lead: Any, make_store: Any, tmp_path: Path) -> None:
    """It was stopped while it was declared dead, and no connection was lost."""
    leader, standby, reports = lead(), make_store(), list[Any]()
    place = tmp_path / SECOND.name
    place.mkdir(mode=0o700)
    waiting = threading.Thread(target=standby.stand_by, args=(place, SECOND, reports.append))
    waiting.start()
    while not reports:
        time.sleep(0.01)
    leader.fence(SECOND.name)
    leader.close()
    waiting.join()
    standby.open(place)
    assert {one.node.name: one.fenced_at for one in standby.nodes()}[SECOND.name] is None
    standby.close()


@pytest.mark.parametrize(("lease", "fence_after"), [("2s", "11s"), ("1m", "30s")])
def test_time_limit_by_which_a_living_node_were_dead_is_refused(lease: str, fence_after: str) -> None:
    with pytest.raises(ValueError, match='"fence_after" must be at least "'):
        PostgresStore(dsn="postgresql:///", lease=lease, fence_after=fence_after)


# Versions of the tables


@pytest.fixture
def address(server: Any) -> Any:
    """Return an address without tables."""
    yield Address(server.dsn(), "rae_upgraded")
    server.execute("DROP SCHEMA IF EXISTS rae_upgraded CASCADE", "SELECT 1")


def upgrade_by(monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    monkeypatch.setattr(migration, "UPGRADES", statements)
    monkeypatch.setattr(migration, "VERSION", 1 + len(statements))


def ask(address: Address, question: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        connection = await address.connect()
        try:
            return await question(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_migrate_makes_each_version_of_the_one_before(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(migrate(address)) == (0, 1)
    upgrade_by(monkeypatch, "ALTER TABLE nodes ADD note text", "UPDATE nodes SET note = 'none'")
    assert asyncio.run(migrate(address)) == (1, 3)
    assert asyncio.run(migrate(address)) == (3, 3)
    assert ask(address, lambda c: c.fetch("SELECT version FROM migrations ORDER BY version")) == [(1,), (2,), (3,)]


def test_migration_that_fails_changes_nothing(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(migrate(address))
    upgrade_by(monkeypatch, "ALTER TABLE nodes ADD note text", "ALTER TABLE nothing ADD note text")
    with pytest.raises(StoreError, match="can't be migrated"):
        asyncio.run(migrate(address))
    assert ask(address, read_version) == 1
    assert ask(address, lambda c: c.fetch("SELECT * FROM information_schema.columns WHERE column_name = 'note'")) == []


def test_tables_are_created_once_by_several_at_once(address: Address) -> None:
    async def all_at_once() -> list[tuple[int, int]]:
        return await asyncio.gather(*(migrate(address) for _ in range(5)))

    assert sorted(asyncio.run(all_at_once())) == [(0, 1), *[(1, 1)] * 4]
