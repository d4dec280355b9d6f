"""The command that creates the tables, and the rights of the three roles."""

import asyncio
import json
from pathlib import Path

import pytest
from rae_store_postgres.command import PostgresCommand
from rae_store_postgres.link import Address
from rae_store_postgres.store import PostgresStore

from rae_auto.api import LogQuery, Put, RetentionRule
from rae_auto.errors import BadRequest, ConfigError, StoreError
from rae_auto.testing.commands import FakeContext
from rae_auto.testing.stores import NOON, entry, numbers

ROLES = (
    "CREATE ROLE rae_owner LOGIN",
    "CREATE ROLE rae_daemon LOGIN",
    "CREATE ROLE rae_reader LOGIN",
    "GRANT CREATE ON DATABASE postgres TO rae_owner",
    "SELECT 1",
)


@pytest.fixture(scope="module")
def roles(server):
    """Create the roles, as the README says."""
    server.execute(*ROLES)


@pytest.fixture
def context(server, tmp_path):
    """Return the surroundings of the command, and a database without tables of it."""
    server.execute("DROP SCHEMA IF EXISTS rae_new CASCADE", "SELECT 1")
    config = tmp_path / "rae.toml"
    dsn, schema = json.dumps(server.dsn("rae_daemon")), "rae_new"
    config.write_text(f'store = {{ type = "postgres", dsn = {dsn}, schema = "{schema}" }}\n')
    config.chmod(0o600)
    return FakeContext(tmp_path, config=config)


def migrate(context, server, **options):
    return PostgresCommand(
        action="migrate", dsn=server.dsn("rae_owner"), grant=["rae_daemon"], grant_read=["rae_reader"], **options
    ).run(context)


def store_of(server, user):
    return PostgresStore(dsn=server.dsn(user), schema="rae_new", lease="1s")


def test_migrate_creates_the_tables_once(context, server, roles, capsys):
    assert migrate(context, server) == 0
    assert "created version 1" in capsys.readouterr().out
    assert migrate(context, server) == 0
    assert "was at version 1, is at 1" in capsys.readouterr().out


def test_daemon_role_has_all_rights_it_needs_and_no_more(context, server, roles, tmp_path: Path):
    migrate(context, server)
    store = store_of(server, "rae_daemon")
    tmp_path.chmod(0o700)
    store.open(tmp_path)
    store.commit([Put("job", "a", {"n": 1}), entry(1), entry(2)])
    assert (numbers(store), list(store.prune("runs", RetentionRule(since=NOON, newest=1)))) == ([2, 1], ["run-1"])
    store.send("here", "there", [{"n": 1}])
    store.discard([one.id for one in store.receive("there")])
    store.close()
    for statement in ("DROP TABLE rae_new.documents", "CREATE TABLE rae_new.other ()", "DELETE FROM rae_new.claim"):
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            server.execute(statement, user="rae_daemon")


def test_reader_role_reads_and_changes_nothing(context, server, roles, tmp_path: Path):
    migrate(context, server)
    store = store_of(server, "rae_reader")
    store.open_read_only(tmp_path)
    assert store.query("decisions", LogQuery()) == []
    store.close()
    with pytest.raises(Exception, match="permission denied"):
        server.execute("DELETE FROM rae_new.entries", user="rae_reader")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE rae_new.migrations SET version = 99", "version 99, which is newer than 1; upgrade"),
        ("DROP TABLE rae_new.migrations", "no tables of rae-auto yet; run 'rae-auto postgres migrate'"),
    ],
)
def test_other_tables_are_refused_by_name(context, server, roles, tmp_path: Path, statement, problem):
    migrate(context, server)
    server.execute(statement, "SELECT 1")
    tmp_path.chmod(0o700)
    try:
        with pytest.raises(StoreError, match=problem):
            store_of(server, "rae_owner").open(tmp_path)
        assert problem in store_of(server, "rae_owner").problems(tmp_path)[0]
    finally:
        server.execute("DROP SCHEMA rae_new CASCADE", "SELECT 1")


def test_nodes_says_that_there_are_none(context, server, roles, capsys: pytest.CaptureFixture[str]):
    migrate(context, server)
    capsys.readouterr()
    PostgresCommand(action="nodes").run(context)
    assert capsys.readouterr().out == "no daemon has used these tables yet; start one with 'rae-auto run'\n"


def test_migrate_by_a_role_without_rights_names_the_option(context, server, roles):
    with pytest.raises(StoreError, match="name a role that may create tables with --dsn"):
        PostgresCommand(action="migrate", dsn=server.dsn("rae_reader")).run(context)


def test_missing_rights_name_the_remedy(context, server, roles, tmp_path: Path):
    PostgresCommand(action="migrate", dsn=server.dsn("rae_owner")).run(context)
    server.execute("REVOKE USAGE ON SCHEMA rae_new FROM rae_daemon", "SELECT 1")
    tmp_path.chmod(0o700)
    with pytest.raises(StoreError, match="rae-auto postgres migrate"):
        store_of(server, "rae_daemon").open(tmp_path)


def test_command_refuses_another_store_and_a_missing_node(server, roles, context, tmp_path: Path):
    migrate(context, server)
    with pytest.raises(BadRequest, match="name the node"):
        PostgresCommand(action="fence").run(context)
    with pytest.raises(BadRequest, match='no node "nas"'):
        PostgresCommand(action="fence", node=["nas"]).run(context)
    other = tmp_path / "other.toml"
    other.write_text('store = "sqlite"\n')
    other.chmod(0o600)
    with pytest.raises(ConfigError, match='store is "sqlite", not "postgres"'):
        PostgresCommand(action="nodes").run(FakeContext(tmp_path, config=other))


def test_messages_never_have_the_password():
    address = Address("postgresql://rae:secret@db.local:5433/rae?sslmode=require", "rae_auto")
    assert address.place == "PostgreSQL at db.local:5433/rae"
    with pytest.raises(StoreError) as refused:
        asyncio.run(Address("postgresql://rae:secret@127.0.0.1:1/rae", "rae_auto").connect())
    assert "secret" not in str(refused.value)
