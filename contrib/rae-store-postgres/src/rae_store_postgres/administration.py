"""Administration of the tables by a person, without a daemon."""

from datetime import datetime, timedelta
from pathlib import Path

from rae_auto.api.shared_store import SILENT_SECONDS, KnownNode
from rae_auto.errors import BadRequest, ConfigError
from rae_auto.offline.project import Project
from rae_auto.toolkit.secrets import SecretText
from rae_store_postgres import node_messages
from rae_store_postgres.link import Address
from rae_store_postgres.migration import check_version
from rae_store_postgres.store import PostgresStore


def read_address(config: Path, dsn: str | None) -> tuple[Address, timedelta | None]:
    """Return the address in a configuration, with another dsn if one is given. Errors: ConfigError."""
    project = Project.load_for_reading(config)
    store = project.plugins.store(project.config.store)
    if not isinstance(store, PostgresStore):
        raise ConfigError([f'{config}: store is "{store.type}", not "postgres"; set store = {{ type = "postgres" … }}'])
    return Address(SecretText(dsn) if dsn else store.dsn, store.schema), store.fence_after


async def list_nodes(address: Address, fence_after: timedelta | None) -> list[str]:
    """Return a line for each node. Errors: StoreError."""
    async with address.connected() as connection:
        await check_version(connection, address)
        leader = await connection.fetchrow("SELECT node, expires_at FROM claim WHERE expires_at > clock_timestamp()")
        found = await node_messages.read_nodes(connection, fence_after)
    node, until = (None, None) if leader is None else leader
    return [_describe(one, node, until) for one in found]


def _describe(one: KnownNode, leader: str | None, until: datetime | None) -> str:
    # Of a leader nothing is noted but until when its claim holds, also if it ended since it renewed that.
    seen, at = ("seen", one.seen_at) if one.node.name != leader or until is None else ("its claim holds until", until)
    seen = f"{seen} {at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{one.node.name}  {_name_role(one, leader)}  pid {one.node.pid}  {seen}  {one.node.directory}"


def _name_role(one: KnownNode, leader: str | None) -> str:
    if one.node.name == leader:
        return "leads"
    if one.fenced_at is not None:
        return "declared dead"
    return "stands by" if one.silent_seconds < SILENT_SECONDS else "silent"


async def fence(address: Address, node: str) -> None:
    """Declare a node dead. Errors: BadRequest for an unknown one or one that is alive, StoreError."""
    async with address.connected() as connection:
        await check_version(connection, address)
        known = {one.node.name: one for one in await node_messages.read_nodes(connection, None)}
        leader = await connection.fetchval("SELECT node FROM claim WHERE expires_at > clock_timestamp()")
        if (problem := _find_sign_of_life(node, known.get(node), leader)) is None:
            await node_messages.fence(connection, node)
    if problem is not None:
        raise BadRequest(problem)


def _find_sign_of_life(name: str, node: KnownNode | None, leader: str | None) -> str | None:
    """Return why a node must not be declared dead; None if nothing speaks against it."""
    if node is None:
        return f"no node \"{name}\"; 'rae-auto postgres nodes' lists them"
    if name == leader:
        return f'node "{name}" leads now, so it is alive; stop its daemon, or switch the machine off'
    if node.silent_seconds < SILENT_SECONDS:
        return (
            f'node "{name}" was seen {node.silent_seconds:.0f} s ago, so it may be alive; stop its daemon, or switch '
            f"the machine off, and try again {SILENT_SECONDS:g} s later"
        )
    return None
