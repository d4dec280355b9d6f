"""Nodes and the messages between them."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rae_auto.api.shared_store import KnownNode, Node, NodeMessage
from rae_store_postgres.claim import MESSAGE_CHANNEL
from rae_store_postgres.link import Connection

# A node that joined since it was declared dead is alive again.
_NODES = (
    "SELECT node, host, machine, boot, pid, directory,"
    " least(greatest(seen_at, led_at), clock_timestamp()) AS seen_at,"
    " extract(epoch FROM clock_timestamp() - greatest(seen_at, led_at))::float8 AS silent,"
    " coalesce(fenced_at, CASE WHEN clock_timestamp() > greatest(seen_at, led_at) + $1 THEN clock_timestamp() END)"
    " AS fenced_at"
    " FROM (SELECT n.*, CASE WHEN c.node = n.node THEN c.expires_at ELSE 'epoch' END AS led_at"
    " FROM nodes AS n, claim AS c) AS known ORDER BY node"
)


async def read_nodes(connection: Connection, fence_after: timedelta | None) -> list[KnownNode]:
    """Return all nodes; those that have been silent for `fence_after` count as declared dead."""
    rows = await connection.fetch(_NODES, fence_after)
    return [
        KnownNode(
            node=Node(
                name=row["node"],
                host=row["host"],
                machine=row["machine"],
                boot=row["boot"],
                pid=row["pid"],
                directory=row["directory"],
            ),
            seen_at=row["seen_at"],
            silent_seconds=max(row["silent"], 0.0),
            fenced_at=row["fenced_at"],
        )
        for row in rows
    ]


async def fence(connection: Connection, node: str) -> None:
    """Note that a node was declared dead, and tell the leader."""
    await connection.execute("UPDATE nodes SET fenced_at = clock_timestamp() WHERE node = $1", node)
    await _notify(connection)


async def send(connection: Connection, schema: str, sender: str, recipient: str, texts: Sequence[str]) -> None:
    """Store messages, and notify."""
    await connection.execute(
        "WITH sent AS (INSERT INTO messages (recipient, sender, body)"
        " SELECT $1, $2, body FROM unnest($3::text[]) WITH ORDINALITY AS n (body, place) ORDER BY place RETURNING 1)"
        " SELECT pg_notify($4, $5) FROM sent LIMIT 1",
        recipient, sender, list(texts), MESSAGE_CHANNEL, schema,
    )  # fmt: skip


async def receive(connection: Connection, recipient: str) -> list[NodeMessage]:
    """Return the messages to a recipient; one that is damaged is empty, so that it is discarded, and others arrive."""
    rows = await connection.fetch("SELECT id, sender, body FROM messages WHERE recipient = $1 ORDER BY id", recipient)
    return [NodeMessage(row["id"], row["sender"], _parse(row["body"])) for row in rows]


def _parse(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def discard(connection: Connection, ids: Sequence[int]) -> None:
    """Delete messages."""
    await connection.execute("DELETE FROM messages WHERE id = ANY ($1::bigint[])", list(ids))


async def _notify(connection: Connection) -> None:
    await connection.execute("SELECT pg_notify($1, current_schema())", MESSAGE_CHANNEL)
