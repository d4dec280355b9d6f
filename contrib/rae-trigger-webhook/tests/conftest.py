"""A raw HTTP client, and webhooks on a free port."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from rae_trigger_webhook import WebhookTrigger

from rae_auto.testing.sources import Listener, RealTimer

TOKEN = "0123456789abcdef0123456789abcdef"
TEST_TIMEOUT_SECONDS = 60.0


@frozen
class Reply:
    status: int
    headers: Mapping[str, str]
    document: Any


async def reply_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> Reply:
    """Return the response to a request on a connection."""
    writer.write(content)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(first.split()[1]), headers, json.loads(body) if body else None)


class Client:
    """Sends requests to a port of this machine."""

    token = TOKEN

    def __init__(self, port: int) -> None:
        self.port = port

    def request(self, path: str = "/deploy", body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
        """Return a request with the token; `Name_Of="x"` is the header `Name-Of`, and `""` leaves one out."""
        given = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {TOKEN}",
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode() + body

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def raw(self, content: bytes) -> Reply:
        async with self.connected() as connection:
            return await reply_on(*connection, content)

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Callable[[bytes], Awaitable[Reply]]]:
        """Send one request after the other on one connection."""
        async with self.connected() as connection:
            yield partial(reply_on, *connection)

    async def send(self, path: str = "/deploy", body: bytes = b"", method: str = "POST", **headers: str) -> Reply:
        return await self.raw(self.request(path, body, method, **headers))

    async def hangs_up(self, content: bytes = b"") -> bytes:
        """Return all that the server sends until it disconnects a client that sends no more than this."""
        async with self.connected() as (reader, writer):
            writer.write(content)
            return await reader.read()

    def is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def opened(self) -> None:
        """Return once the port is open."""
        await self.until(True)

    async def served(self, path: str) -> None:
        """Return once a request for the path is accepted."""
        while True:
            with suppress(OSError, EOFError, ValueError, IndexError):
                if (await self.send(path)).status not in (404, 429):
                    return
            await asyncio.sleep(0.005)

    async def closed(self) -> None:
        """Return once the port is closed."""
        await self.until(False)

    async def until(self, is_open: bool) -> None:
        while True:
            if self.is_open() is is_open:
                return
            await asyncio.sleep(0.005)


@pytest.fixture
def client() -> Client:
    """Return a client of a free port outside the range that the system gives to clients."""
    while True:
        # By no seed, which is the same in all processes of a run.
        port = 10_000 + secrets.randbelow(20_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return Client(port)


@pytest.fixture
def hook(client: Client) -> Callable[..., WebhookTrigger]:
    """Return a factory of webhooks, with the token if no secret is given."""

    def make(**options: Any) -> WebhookTrigger:
        known = {} if "secret" in options else {"token": TOKEN}
        return WebhookTrigger(**{"path": "/deploy", "port": client.port, **known, **options})

    return make


Work = Callable[[Listener], Awaitable[Any]]


@pytest.fixture
def watching(tmp_path: Path, client: Client) -> Callable[..., Any]:
    """Return `watching(work, *triggers)`, which returns the result of `work` while the triggers watch."""

    def play(work: Work, *triggers: WebhookTrigger, timer: Any = None) -> Any:
        async def main() -> Any:
            listener = Listener(tmp_path / "source", timer or RealTimer())
            async with asyncio.timeout(TEST_TIMEOUT_SECONDS), AsyncExitStack() as stack:
                for trigger in triggers:
                    await stack.enter_async_context(listener.watching(trigger))
                    await client.opened()
                return await work(listener)

        return asyncio.run(main())

    return play
