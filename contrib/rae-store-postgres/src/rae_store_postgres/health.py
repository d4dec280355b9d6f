"""The look of 'rae-auto doctor' at the server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from rae_auto.errors import StoreError
from rae_store_postgres.link import Address, Connection
from rae_store_postgres.migration import check_version


def find_problems(address: Address, lease: timedelta) -> tuple[str, ...]:
    """Return what is wrong, a line each."""
    try:
        return asyncio.run(_find(address, lease))
    except StoreError as error:
        return (str(error),)


async def _find(address: Address, lease: timedelta) -> tuple[str, ...]:
    async with address.connected() as connection:
        return tuple([line async for line in _look(connection, address, lease)])


async def _look(connection: Connection, address: Address, lease: timedelta) -> AsyncIterator[str]:
    await check_version(connection, address)
    if await connection.fetchval("SELECT current_setting('fsync')") == "off":
        yield f"{address.place} runs with fsync = off: a power cut can cost it everything; set fsync = on"
    if await connection.fetchval("SELECT current_setting('full_page_writes')") == "off":
        yield f"{address.place} runs with full_page_writes = off: a power cut can damage it; set it to on"
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        yield f"{address.place} is a standby that can only be read; name the primary in the dsn"
    silent = await connection.fetchval(
        "SELECT extract(epoch FROM clock_timestamp() - expires_at)::float8 FROM claim WHERE expires_at > 'epoch'"
    )
    if silent is not None and silent > lease.total_seconds():
        yield f"no daemon has renewed its claim for {silent:.0f} s: none leads; start one with 'rae-auto run'"
