"""The schema of the tables: its versions, the rights of roles, and the command that brings a database up to date."""

from collections.abc import Sequence
from importlib.resources import files

import asyncpg

from rae_auto.errors import StoreError
from rae_store_postgres.link import Address, Connection, quote_name

VERSION = 1
"""The version of the tables that this code reads and writes."""

UPGRADES: tuple[str, ...] = ()
"""The SQL that makes version 2 of 1, 3 of 2 and so on; a new database gets all of them after `schema.sql`."""

DAEMON_RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON documents, entries, entry_counts, occurrences, messages TO {role}",
    "GRANT SELECT, UPDATE ON claim TO {role}",
    "GRANT SELECT, INSERT, UPDATE ON nodes TO {role}",
    "GRANT SELECT ON migrations TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
)
"""All that a daemon needs: it can't change tables, nor see another schema."""

READER_RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
)
"""All that `history`, `why` and a dashboard need without a daemon."""

UPGRADE_SECONDS = 3600.0
"""Time for one upgrade, which may rewrite large tables."""

_LOCK = 0x5241_4500
"""The key of the advisory lock under which one migration runs at a time."""


async def read_version(connection: Connection) -> int:
    """Return the version of the tables; 0 if there are none."""
    found = await connection.fetchval("SELECT to_regclass('migrations')::text")
    return 0 if found is None else int(await connection.fetchval("SELECT max(version) FROM migrations") or 0)


async def check_version(connection: Connection, address: Address) -> None:
    """Check that the tables are there, in the version of this code. Raises StoreError."""
    version = await read_version(connection)
    if version == VERSION:
        return
    tables = f'the schema "{address.schema}" of {address.place}'
    if not version:
        raise StoreError(f"{tables} has no tables of rae-auto yet; run 'rae-auto postgres migrate'")
    if version < VERSION:
        raise StoreError(f"{tables} has version {version}, not {VERSION}; run 'rae-auto postgres migrate'")
    raise StoreError(f"{tables} has version {version}, which is newer than {VERSION}; upgrade rae-store-postgres")


async def migrate(address: Address, grants: Sequence[str] = (), readers: Sequence[str] = ()) -> tuple[int, int]:
    """Create the tables or bring them up to date, in one transaction; return the versions before and after.

    `grants` are roles of daemons, `readers` roles that only read. Errors: StoreError.
    """
    async with address.connected("can't be migrated") as connection:
        try:
            async with connection.transaction():
                return await _migrate(connection, address, grants, readers)
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreError(
                f"{address.place} can't be migrated: {error}; name a role that may create tables with --dsn"
            ) from error


async def _migrate(
    connection: Connection, address: Address, grants: Sequence[str], readers: Sequence[str]
) -> tuple[int, int]:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(address.schema)}")
    before = await read_version(connection)
    if before > VERSION:
        await check_version(connection, address)
    if not before:
        await connection.execute(_read_schema())
    for version in range(max(before, 1), VERSION):
        await connection.execute(UPGRADES[version - 1], timeout=UPGRADE_SECONDS)
        await connection.execute("INSERT INTO migrations (version) VALUES ($1)", version + 1)
    for roles, rights in ((grants, DAEMON_RIGHTS), (readers, READER_RIGHTS)):
        for role in roles:
            for right in rights:
                await connection.execute(right.format(schema=quote_name(address.schema), role=quote_name(role)))
    return before, VERSION


def _read_schema() -> str:
    return (files(__package__) / "schema.sql").read_text(encoding="utf-8")
