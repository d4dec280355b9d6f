"""Whatever the driver raises, and wherever: a StoreError comes out, with place, problem and remedy."""

import asyncio
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rae_store_postgres import claim, problems
from rae_store_postgres.administration import fence, list_nodes
from rae_store_postgres.health import find_problems
from rae_store_postgres.link import Address, LoopThread
from rae_store_postgres.migration import migrate
from rae_store_postgres.reading import CHUNK_ROWS
from rae_store_postgres.store import PostgresStore

from rae_auto.api import Delete, LogQuery, Put, RetentionRule
from rae_auto.api.shared_store import Node
from rae_auto.api.store import CountQuery
from rae_auto.errors import StoreError
from rae_auto.testing.stores import NOON, entry

SCHEMA = "rae_auto"
CALLS = ("execute", "fetch", "fetchrow", "fetchval", "cursor", "add_listener", "transaction")
"""Methods of a connection by which the package asks the server for anything."""

ERRORS = [
    asyncpg.UndefinedTableError('relation "documents" does not exist'),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionResetError(104, "Connection reset by peer"),
    OverflowError("date value out of range"),
]

Work = Callable[[PostgresStore, Address, Path], Any]

WORK: dict[str, Work] = {
    "load": lambda store, *_: list(store.load("job")),
    "load many": lambda store, *_: list(store.load("many")),
    "query": lambda store, *_: store.query("runs", LogQuery()),
    "keys": lambda store, *_: store.find_keys("runs", ["run-1"]),
    "count": lambda store, *_: store.count("runs", CountQuery()),
    "commit": lambda store, *_: store.commit([Put("job", "a", {}), entry(1)]),
    "commit that forgets": lambda store, *_: store.commit([Delete("seen", "a")]),
    "prune": lambda store, *_: store.prune("runs", RetentionRule(since=NOON, newest=1000)),
    "dump": lambda store, *_: list(store.dump()),
    "nodes": lambda store, *_: store.nodes(),
    "fence": lambda store, *_: store.fence("away"),
    "send": lambda store, *_: store.send("here", "there", [{}]),
    "receive": lambda store, *_: store.receive("there"),
    "discard": lambda store, *_: store.discard([1]),
    "session": lambda store, *_: read_session(store),
    "other store": lambda _, address, place: open_other(address, place),
    "command nodes": lambda _, address, __: asyncio.run(list_nodes(address, None)),
    "command fence": lambda _, address, __: asyncio.run(fence(address, "away")),
    "command migrate": lambda _, address, __: asyncio.run(migrate(address, ["postgres"])),
}


def read_session(store: PostgresStore) -> None:
    reader = store.make_reader()
    with reader.session():
        list(reader.load("many"))


def open_other(address: Address, place: Path) -> None:
    """Open a store of another installation, and close it."""
    other = PostgresStore(dsn=address.dsn, schema="rae_other", lease="1s")
    try:
        other.open(place)
    finally:
        other.close()


@pytest.fixture
def store(make_store: Any, server: Any, tmp_path: Path) -> Iterator[PostgresStore]:
    """Return a store with something of each kind, and a node that is silent."""
    store: PostgresStore = make_store(lease="5m")
    store.stand_by(tmp_path, Node(name="nas-1", host="nas", pid=1), lambda _: None)
    store.open(tmp_path)
    store.commit([Put("many", f"{number}", {}) for number in range(CHUNK_ROWS + 1)])
    store.commit([Put("job", "a", {}), entry(1)])
    server.execute(
        f"INSERT INTO {SCHEMA}.nodes (node, host, machine, boot, pid, directory, seen_at)"
        " VALUES ('away', 'away', '', '', 1, '/', 'epoch')",
        "SELECT 1",
    )
    yield store
    store.close()


def fail_at(patch: pytest.MonkeyPatch, number: int, error: Exception) -> None:
    """Have the call of the driver with this number raise an error."""
    counter = itertools.count()

    def wrap(method: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(counter) == number:
                raise error
            return method(*arguments, **options)

        return call

    for name in CALLS:
        patch.setattr(asyncpg.Connection, name, wrap(getattr(asyncpg.Connection, name)))


@pytest.mark.parametrize("name", WORK)
def test_each_call_of_the_driver_that_fails_is_a_store_error(
    store: PostgresStore, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    address, other = Address(server.dsn(), SCHEMA), tmp_path / "other"
    other.mkdir(mode=0o700)
    for error in ERRORS:
        for number in itertools.count():
            raised = fail_with(monkeypatch, number, error, lambda: WORK[name](store, address, other))
            if raised is None:
                break
            assert str(raised).startswith("PostgreSQL at /"), raised
            assert str(error).split("] ")[-1] in str(raised)
            assert store.is_temporary(raised) is isinstance(error, asyncpg.InterfaceError | OSError)
        assert number > 0, "no call was there to fail"
    # And nothing of it is left.
    WORK[name](store, address, other)


def fail_with(
    monkeypatch: pytest.MonkeyPatch, number: int, error: Exception, work: Callable[[], object]
) -> StoreError | None:
    """Return the error of work whose call of the driver with this number fails; None if it makes fewer calls."""
    with monkeypatch.context() as patch:
        fail_at(patch, number, error)
        try:
            work()
        except StoreError as raised:
            return raised
    return None


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_doctor_says_what_is_wrong_with_the_server(
    store: PostgresStore, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    address, lease = Address(server.dsn(), SCHEMA), timedelta(minutes=5)
    healthy = find_problems(address, lease)
    for number in itertools.count():
        with monkeypatch.context() as patch:
            fail_at(patch, number, error)
            lines = find_problems(address, lease)
        if lines == healthy:
            break
        assert len(lines) == 1
        assert str(error).split("] ")[-1] in lines[0]
    assert number > 3


def test_wait_for_the_claim_survives_each_error_that_time_heals(
    store: PostgresStore, make_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "RETRY_SECONDS", 0.01)
    for number in range(8):
        waiting, reports, place = PostgresStore(dsn=store.dsn, lease="5m"), list[Any](), tmp_path / f"{number}"
        place.mkdir(mode=0o700)

        def report(why: Any, reports: list[Any] = reports, waiting: PostgresStore = waiting) -> None:
            reports.append(why)
            if why.leader is not None:
                waiting.interrupt()

        with monkeypatch.context() as patch:
            fail_at(patch, number, ConnectionResetError(104, "Connection reset by peer"))
            with pytest.raises(StoreError, match="is stopping"):
                waiting.stand_by(place, Node(name=f"n{number}", host="here", pid=2), report)
        assert reports[-1].leader.node == "nas-1"


def test_call_that_the_end_of_the_store_overtakes_is_a_store_error() -> None:
    link = LoopThread.start()
    raised = list[BaseException]()

    def call() -> None:
        try:
            link.call(asyncio.sleep(3600))
        except Exception as error:
            raised.append(error)

    calling = threading.Thread(target=call)
    calling.start()
    deadline = time.monotonic() + 30
    while not asyncio.all_tasks(link._loop):
        assert time.monotonic() < deadline, raised
        time.sleep(0.01)
    link.stop()
    calling.join(30)
    assert [type(error) for error in raised] == [StoreError]
    with pytest.raises(StoreError, match="not open"):
        link.call(asyncio.sleep(0))


def test_damaged_message_does_not_keep_others_from_arriving(store: PostgresStore, server: Any) -> None:
    store.send("here", "there", [{"n": 1}, {"n": 2}])
    server.execute(f"UPDATE {SCHEMA}.messages SET body = substr(body, 2) WHERE body LIKE '%1%'", "SELECT 1")
    assert [one.body for one in store.receive("there")] == [{}, {"n": 2}]


def test_document_with_a_damaged_key_is_damaged_and_costs_no_other(store: PostgresStore, server: Any) -> None:
    store.commit([Put("job", "b", {})])
    server.execute(rf"UPDATE {SCHEMA}.documents SET key = '\xff' WHERE key = 'b'", "SELECT 1")
    good, damaged = store.load("job")
    assert good == ("a", {})
    assert damaged[1].problem == "its checksum is wrong"  # type: ignore[union-attr]


# The dsn


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://rae:s3cr3t/x@db.local/rae",
        "postgresql://rae:s3cr3t?x=1@db.local/rae",
        "postgresql://rae:s3cr3t#x@db.local/rae",
        "postgresql://rae:s3cr3t:x@[db.local/rae",
        "postgresql://rae:1/s3cr3t@db.local/rae",
        "postgresql://rae:s3cr3t@db.local:54x/rae",
        "postgresql://rae:s3cr3t@127.0.0.1/rae?sslmode=never",
        "postgresql://rae:s3cr3t@127.0.0.1/rae?connect_timeout=soon",
        "postgresql://rae:s3cr3t@127.0.0.1,127.0.0.2/rae?port=1,2,3",
        "postgresql://rae:s3cr3t@127.0.0.1:1/rae?keepalives_idle=5&tcp_user_timeout=3000",
        "postgresql://rae:s3cr3t@127.0.0.1:1/rae?sslrootcert=/nowhere.pem",
        "postgresql://rae@127.0.0.1:1/rae?password=s3cr3t",
        "host=127.0.0.1 user=rae password=s3cr3t",
        "mysql://rae:s3cr3t@db.local/rae",
        "",
    ],
)
def test_dsn_that_can_not_be_used_is_refused_without_its_password(dsn: str) -> None:
    address = Address(dsn, SCHEMA)
    with pytest.raises(StoreError) as refused:
        asyncio.run(address.connect())
    text = str(refused.value)
    assert text.startswith(("the dsn of the postgres store can't be used: ", "PostgreSQL "))
    assert "s3cr3t" not in text + address.place
    assert "\n" not in text


@pytest.mark.usefixtures("schemas")
def test_second_host_is_tried_while_the_first_is_silent(server: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        query = f"host=127.0.0.1,{server.place}&port={port},{server.port}&user=postgres&connect_timeout=1"
        address = Address(f"postgresql:///postgres?{query}", SCHEMA)
        assert asyncio.run(list_nodes(address, None)) is not None


def test_each_error_of_the_server_that_has_a_remedy_names_it() -> None:
    for state, hint in problems._HINTS.items():
        error = asyncpg.PostgresError.new({"S": "ERROR", "C": state, "M": "something"})
        assert problems.describe_problem(error) == f"something; {hint}"  # without what the driver adds
        assert re.match(r"[a-z]", hint)
