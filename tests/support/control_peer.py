"""The other end of a control connection, as raw as a test needs it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from rae_auto.control.transports.choice import control_transport

T = TypeVar("T")

ANSWER_TIMEOUT_SECONDS = 60.0
"""Seconds after which what should have come never will."""


class Refused(Exception):
    """An error that the daemon answered with."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, path: Path) -> Self:
        return cls(*await control_transport().open_connection(path, 1 << 24))

    def send(self, content: bytes) -> None:
        self._writer.write(content)

    async def receive(self) -> Any:
        """The next line; None where the daemon hung up."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return json.loads(line) if line else None

    async def receive_bytes(self) -> bytes:
        """All that comes until the daemon hangs up."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    async def exchange(self, content: bytes) -> Any:
        self.send(content)
        return await self.receive()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """The result of a command, or Refused."""
        answer = await self.exchange(json.dumps({"id": 7, "command": command, "with": arguments}).encode() + b"\n")
        assert answer is not None, "the daemon hung up"
        assert answer.pop("id") == 7
        if error := answer.pop("error", None):
            assert answer == {}
            raise Refused(error["kind"], error["message"])
        return answer["result"]

    async def refusal(self, command: str, **arguments: Any) -> Refused:
        """The error that a command is answered with."""
        try:
            result = await self.ask(command, **arguments)
        except Refused as refused:
            return refused
        raise AssertionError(f"{command} was not refused: {result}")

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


Connect = Callable[[], Awaitable[Peer]]


@asynccontextmanager
async def connecting(path: Path) -> AsyncIterator[Connect]:
    """Makes connections, and closes them at the end."""
    peers: list[Peer] = []

    async def connect() -> Peer:
        peers.append(await Peer.at(path))
        return peers[-1]

    try:
        yield connect
    finally:
        for peer in peers:
            await peer.close()


def identity(path: Path) -> tuple[int, ...]:
    """Return what tells a file from any other, and from itself after a change; reading it changes nothing of that."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


def in_time(work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `work`, in an event loop of its own."""

    async def main() -> T:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            return await work()

    return asyncio.run(main())
