"""The control socket: JSON lines in, JSON lines out, for the owner of the daemon alone.

A request is `{"id": 1, "command": "trigger", "with": {…}}`, its answer `{"id": 1, "result": …}` or `{"id": 1, "error":
{"kind": "JobNotFound", "message": "…"}}`. After `events` a connection also gets `{"event": {…}}` until it closes.
Whoever sends rubbish, stalls, or doesn't read is cut off; nobody can hold up the daemon.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.control.protocol import MAX_LINE
from rae_auto.daemon.descriptor_reserve import Reserve, is_shortage
from rae_auto.errors import InternalError, SchedulerError, StoreError, UnknownCommand
from rae_auto.model.primitives.names import did_you_mean

Command = Callable[[Mapping[str, Any]], Awaitable[Any]]

MAX_CLIENTS = 32
SENT_AWAY = 8
"""How many clients make room for others when descriptors run short."""

PATIENCE = 5.0
"""Seconds in which a request once begun must be complete, and an answer taken."""

BACKLOG = 1 << 20
"""Bytes that a listener to events may be behind before it is cut off."""


class ControlServer:
    """Serves a fixed table of commands on a Unix socket."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._listeners: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._reserve = Reserve()

    async def start(self, path: Path) -> None:
        """Listen at `path`, taking the place of what a dead daemon left. The caller holds the state directory's lock.

        Errors: StoreError where something else stands at the path.
        """
        listening = _bind(path)
        self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=MAX_LINE)
        self._path = path
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)

    def retire(self) -> None:
        """Take no more clients. The caller still holds the state directory's lock: the path may be another's later."""
        if self._server is not None and self._path is not None:
            self._server.close()
            # The next daemon replaces what can't be removed.
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def close(self) -> None:
        """Let every client go."""
        # A client that has just been answered gets its answer before the line is cut.
        await asyncio.sleep(0)
        tasks = list(self._clients.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reserve.give()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Tell an event to all who listen."""
        if not self._listeners:
            return
        line = _line({"event": event})
        for listener in list(self._listeners):
            if listener.transport.get_write_buffer_size() > BACKLOG:
                logger.warning("a listener to events read too slowly and was cut off")
                self._listeners.discard(listener)
                listener.transport.abort()
            else:
                listener.write(line)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if not _is_ours(writer.get_extra_info("socket")):
            writer.transport.abort()
            return
        self._make_room()
        self._clients[writer] = task
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._listeners.discard(writer)
            self._clients.pop(writer, None)
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(PATIENCE):
                    await writer.wait_closed()
            # What wasn't taken in time would keep the connection open for ever.
            writer.transport.abort()
            self._reserve.fill()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop can't accept a client: it tries again a second later, and shall then find descriptors."""
        if not is_shortage(context.get("exception")):
            loop.default_exception_handler(context)
            return
        self._reserve.tell()
        self._reserve.give()
        self._make_room(max(len(self._clients) - SENT_AWAY, 0))

    def _make_room(self, places: int = MAX_CLIENTS - 1) -> None:
        """Where more places are taken the longest connected go: a shell that asks now matters more."""
        while len(self._clients) > places:
            oldest = next((client for client in self._clients if client not in self._listeners), None)
            leaving = oldest or next(iter(self._clients))
            # At once, or a burst of newcomers would all push out the same one.
            del self._clients[leaving]
            leaving.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await _read_line(reader):
            request, answer = _understood(line)
            if request is not None:
                answer = await self._answer(request)
            writer.write(_line(answer))
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
            if request is None:
                return
            if request["command"] == "events":
                self._listeners.add(writer)

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name, number = request["command"], request.get("id")
        if name == "events":
            return {"id": number, "result": {}}
        command = self._commands.get(name)
        if command is None:
            near = did_you_mean(name[:64], [*self._commands, "events"])
            return _error(number, UnknownCommand.__name__, f"there is no command {name[:64]!r}{near}")
        try:
            return {"id": number, "result": await command(request.get("with") or {})}
        except (SchedulerError, ValueError) as error:
            return _error(number, type(error).__name__, str(error))
        except Exception:
            logger.exception("the command {} failed", name)
            return _error(number, InternalError.__name__, "the daemon failed to answer; its log says more")


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    """A request; empty at the end, or for one that is too long or was begun and not ended in time."""
    first = await reader.read(1)
    if first in (b"", b"\n"):
        return first
    try:
        async with asyncio.timeout(PATIENCE):
            return first + await reader.readline()
    except ValueError:
        return b""


def _understood(line: bytes) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The request of a line, or None and what to answer to it."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None, _error(None, "BadRequest", "a request is one line of JSON")
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        return None, _error(None, "BadRequest", 'a request is an object with "command", and "with" for its arguments')
    if not isinstance(request.get("with", {}), dict):
        return None, _error(None, "BadRequest", '"with" must be an object')
    return request, {}


def _error(number: Any, kind: str, message: str) -> dict[str, Any]:
    return {"id": number, "error": {"kind": kind, "message": message}}


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def _bind(path: Path) -> socket.socket:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise StoreError(f"{path} is in the way: it is no socket; remove it")
        path.unlink()
    except FileNotFoundError:
        pass
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
        # At once: whoever sees the path may connect.
        listening.listen(MAX_CLIENTS)
    except OSError as error:
        listening.close()
        remedy = "; set RAE_STATE_DIR to a shorter path" if "too long" in str(error) else ""
        raise StoreError(f"{path}: can't listen there ({error.strerror or error}){remedy}") from error
    finally:
        os.umask(before)
    return listening


def _is_ours(connection: socket.socket) -> bool:
    """Whether the peer runs under our user, or is root."""
    if hasattr(socket, "SO_PEERCRED"):
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", packed)
    else:  # macOS: struct xucred begins with a version and the user id
        _, uid = struct.unpack("2I", connection.getsockopt(0, 1, 8))
    return uid in (0, os.geteuid())
