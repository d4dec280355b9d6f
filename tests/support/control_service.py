"""A control server with a few commands, over any transport."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import Connect, connecting, in_time
from tests.support.platforms import unix_sockets

from rae_auto.daemon.control_server import Command, ControlServer

PING = b'{"id":1,"command":"ping"}\n'
PONG = {"id": 1, "result": "pong"}

TRANSPORTS = [pytest.param("unix", marks=unix_sockets), "loopback"]


async def pong(_: Any) -> str:
    return "pong"


@asynccontextmanager
async def serving(path: Path, **commands: Command) -> AsyncIterator[ControlServer]:
    server = ControlServer({"ping": pong, **commands})
    await server.start(path)
    try:
        yield server
    finally:
        server.retire()
        await server.close()


def served(path: Path, work: Callable[[Connect, ControlServer], Awaitable[Any]], **commands: Command) -> Any:
    """Return the result of `work(connect, server)` beside a server."""

    async def main() -> Any:
        async with serving(path, **commands) as server, connecting(path) as connect:
            return await work(connect, server)

    return in_time(main)
