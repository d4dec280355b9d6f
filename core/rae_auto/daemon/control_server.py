"""The server of the control connection: JSON lines in, JSON lines out, for the owner of the daemon alone.

How clients connect, and how they are known to be the owner's, is a matter of the transport
(`rae_auto.control.transports`): a Unix socket, or a port of the loopback interface. The lines are those of
`rae_auto.control.protocol`. No client can hold up the daemon: one that sends garbage, stalls in the middle of a line or
doesn't read its answers is disconnected, and the number of clients and of unread bytes is limited.

However many clients there are, each gets an answer: one that connects while all places are taken waits, and gets the
place of a client that has been quiet for a while. If none is free for `MAX_WAIT_SECONDS`, the oldest client is
disconnected.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.control.peer import peer_pid
from rae_auto.control.protocol import (
    MAX_RECORDS_AT_ONCE,
    MAX_REQUEST_BYTES,
    Request,
    decode_request,
    encode_error,
    encode_event,
    encode_long_result,
    encode_result,
)
from rae_auto.control.transports.choice import control_transport
from rae_auto.control.transports.contract import ControlListener, Transport
from rae_auto.daemon.descriptor_reserve import DescriptorReserve, is_descriptor_shortage, is_of_import
from rae_auto.errors import (
    BadRequest,
    DaemonUnreachable,
    InternalError,
    SchedulerClosed,
    SchedulerError,
    UnknownCommand,
)
from rae_auto.model.primitives.names import did_you_mean

Command = Callable[[Mapping[str, Any]], Awaitable[Any]]

MAX_CLIENTS = 32
"""The number of clients that are served at once."""

MAX_WAITING = 512
"""The number of clients that may wait for a place; further ones are disconnected."""

QUIET_SECONDS = 1.0
"""The time without a request after which a client gives its place to one that waits."""

MAX_WAIT_SECONDS = 3.0
"""The time after which a client that waits gets the place of the oldest one."""

CLIENTS_DROPPED_ON_SHORTAGE = 8
"""The number of clients that are disconnected when descriptors run out."""

CLIENT_TIMEOUT_SECONDS = 5.0
"""The time in which a client must complete a request that it has started, and read an answer."""

MAX_BACKLOG_BYTES = 1 << 20
"""A listener to events that has more than this unread is disconnected."""


EARLY_ANSWER_SECONDS = 3.0
"""Time that a request waits for the end of a start before it is answered by an early command."""


class ControlServer:
    """Serves a table of commands to the clients of a transport."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        early_commands: Mapping[str, Command] | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Serve `commands`; if `early_commands` are given, only these until `complete` is called.

        Requests for other commands wait until then. `transport` is that of the platform by default.
        """
        self._commands = commands
        self._early_commands = early_commands
        self._names_of_each_phase = frozenset(early_commands or ())
        """Commands about the daemon itself, which change no job."""
        self._transport = transport or control_transport()
        self._complete = asyncio.Event()
        self.refusal: str | None = None
        """The answer to all but early commands while the daemon stands by; None when it doesn't."""
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._guests: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        """Connections that have not authenticated yet; no client is disconnected in their favour."""
        self._waiting: dict[asyncio.StreamWriter, tuple[asyncio.Task[None], asyncio.Future[None]]] = {}
        """Clients without a place, the first come first."""
        self._quiet_since: dict[asyncio.StreamWriter, float] = {}
        """Since when each idle client has been quiet, by the clock of the loop."""
        self._listeners: set[asyncio.StreamWriter] = set()
        self._listening: ControlListener | None = None
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._is_retired = False
        self._reserve = DescriptorReserve()

    def bind(self, path: Path) -> None:
        """Listen at `path`, replacing the file of a dead daemon. The caller holds the state directory's lock.

        Errors: StoreError if something else is at the path, or it can't be bound.
        """
        self._listening = self._transport.listen(path, MAX_CLIENTS)
        self._path = path

    @property
    def is_bound(self) -> bool:
        """Return whether clients still find the daemon: cleaners of temporary folders remove sockets, and logouts."""
        return self._listening is None or self._server is None or self._listening.is_found

    async def restore(self) -> None:
        """Listen again at the same path. Clients that are connected stay so. Errors: StoreError, OSError."""
        if self._path is not None and self._server is not None and not self._is_retired:
            before = self._server
            self.bind(self._path)
            await self.start(self._path)
            before.close()

    async def start(self, path: Path) -> None:
        """Listen at `path` if `bind` has not been called, and answer clients. Errors: StoreError."""
        if self._is_retired:
            return
        if self._listening is None:
            self.bind(path)
        assert self._listening is not None
        listening = self._listening

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await self._admit(listening, reader, writer):
                peer_pid.set(listening.peer_pid(writer))
                await self._handle_client(reader, writer)

        self._server = await asyncio.start_server(handle, sock=listening.socket, limit=MAX_REQUEST_BYTES)
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)

    def complete(self, commands: Mapping[str, Command]) -> None:
        """Serve these commands from now on."""
        self._commands, self._early_commands = commands, None
        self._complete.set()

    def retire(self) -> None:
        """Accept no more clients, and remove the file of the transport unless it is another daemon's by now."""
        self._is_retired = True
        if self._server is not None:
            self._server.close()
        if self._listening is not None:
            self._listening.close()

    async def close(self) -> None:
        """Disconnect every client."""
        # A client whose answer was just written receives it before it is disconnected.
        await asyncio.sleep(0)
        waiting = [task for task, _ in self._waiting.values()]
        tasks = [*self._clients.values(), *self._guests.values(), *waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reserve.release()

    @property
    def has_listeners(self) -> bool:
        """Return whether a client has asked for events."""
        return bool(self._listeners)

    def publish(self, event: Mapping[str, Any]) -> None:
        """Send an event to every listener."""
        line = encode_event(event)
        for listener in list(self._listeners):
            if listener.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
                logger.warning("a client read events too slowly and was disconnected")
                self._listeners.discard(listener)
                listener.transport.abort()
            else:
                listener.write(line)

    async def _admit(
        self, listening: ControlListener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Return whether the peer is the owner's; if not, it has been disconnected."""
        task = asyncio.current_task()
        assert task is not None
        while len(self._guests) >= MAX_CLIENTS:
            oldest = next(iter(self._guests))
            del self._guests[oldest]
            oldest.transport.abort()
        self._guests[writer] = task
        is_admitted = False
        try:
            is_admitted = await listening.admit(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._guests.pop(writer, None)
            if not is_admitted:
                writer.transport.abort()
        return is_admitted

    async def _handle_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if await self._take_place(writer, task):
                await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._listeners.discard(writer)
            self._clients.pop(writer, None)
            self._quiet_since.pop(writer, None)
            self._give_places()
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(CLIENT_TIMEOUT_SECONDS):
                    await writer.wait_closed()
            # Unread answers would keep the connection open for ever.
            writer.transport.abort()
            self._reserve.fill()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Make descriptors available when the loop can't accept a client; it tries again a second later."""
        if not is_descriptor_shortage(context.get("exception")):
            loop.default_exception_handler(context)
            return
        self._reserve.report_shortage()
        self._reserve.release()
        self._make_room(max(len(self._clients) - CLIENTS_DROPPED_ON_SHORTAGE, 0))

    async def _take_place(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> bool:
        """Wait until a client has a place among those that are served; return False if too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            logger.warning("more than {} clients wait for an answer; one more was disconnected", MAX_WAITING)
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting[writer] = task, turn
        deadline = loop.time() + MAX_WAIT_SECONDS
        try:
            self._give_places()
            while not turn.done():
                await asyncio.wait({turn}, timeout=QUIET_SECONDS)
                if not turn.done():
                    self._drop_quiet()
                    if loop.time() >= deadline:
                        self._make_room()
                    self._give_places()
        finally:
            self._waiting.pop(writer, None)
        return True

    def _give_places(self) -> None:
        """Serve waiting clients, the first come first, while there are places."""
        if self._waiting and len(self._clients) >= MAX_CLIENTS:
            self._drop_quiet()
        while self._waiting and len(self._clients) < MAX_CLIENTS:
            writer = next(iter(self._waiting))
            task, turn = self._waiting.pop(writer)
            self._clients[writer] = task
            turn.set_result(None)

    def _drop_quiet(self) -> None:
        """Disconnect a client that has been quiet for a while, if all places are taken."""
        limit = asyncio.get_running_loop().time() - QUIET_SECONDS
        if len(self._clients) >= MAX_CLIENTS:
            quiet = (client for client in self._clients if self._quiet_since.get(client, limit) < limit)
            if (quietest := next(quiet, None)) is not None:
                self._drop(quietest)

    def _make_room(self, max_clients: int = MAX_CLIENTS - 1) -> None:
        """Disconnect the clients connected quietest: the newest one is a person who waits for an answer."""
        while len(self._clients) > max_clients:
            oldest = next((client for client in self._clients if client not in self._listeners), None)
            self._drop(oldest or next(iter(self._clients)))

    def _drop(self, client: asyncio.StreamWriter) -> None:
        # Immediately, or all clients of a burst would choose the same one.
        del self._clients[client]
        client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        self._quiet_since[writer] = now()
        while line := await _read_line(reader):
            self._quiet_since.pop(writer, None)
            try:
                request = decode_request(line)
                answer = await self._answer(request)
            except BadRequest as error:
                request, answer = None, encode_error(None, error)
            writer.write(answer)
            async with asyncio.timeout(CLIENT_TIMEOUT_SECONDS):
                await writer.drain()
            if request is None:
                return
            if request.command == "events":
                self._listeners.add(writer)
            elif writer not in self._listeners:
                self._quiet_since[writer] = now()

    async def _answer(self, request: Request) -> bytes:
        if request.command == "events":
            return encode_result(request.id, {})
        try:
            command = await self._find_command(request.command)
        except DaemonUnreachable as error:
            return encode_error(request.id, error)
        if command is None:
            name = request.command[:64]
            hint = did_you_mean(name, [*self._commands, "events"])
            hint = hint or "; if the program that asks is newer than this daemon, restart the daemon"
            return encode_error(request.id, UnknownCommand(f"unknown command {name!r}{hint}"))
        is_late = self._is_retired
        try:
            result = await self._ask(command, request)
            if isinstance(result, list) and len(result) > MAX_RECORDS_AT_ONCE:
                return await asyncio.to_thread(encode_long_result, request.id, result)
            return encode_result(request.id, result)
        except (SchedulerError, ValueError) as error:
            is_harmless = is_late or (self._is_retired and request.command in self._names_of_each_phase)
            if is_harmless and isinstance(error, SchedulerClosed) and error.is_refusal:
                # Nothing was done, so a client may do as if it hadn't found the daemon any more.
                return encode_error(request.id, DaemonUnreachable("the daemon is just ending"))
            return encode_error(request.id, error)
        except Exception as error:
            # With the cause in the line itself: many loggers have no room for a traceback.
            text = 'internal error: the command "{}" could not be answered: {!r}'
            logger.opt(exception=error).error(text, request.command, error)
            failure = InternalError("the daemon could not answer because of an internal error; its log has the details")
            return encode_error(request.id, failure)

    async def _ask(self, command: Command, request: Request) -> Any:
        """Return the answer of a command; once more with the reserve where a module of it could not be opened."""
        try:
            return await command(request.arguments)
        except OSError as error:
            if not is_descriptor_shortage(error) or not is_of_import(error):
                raise
            self._reserve.report_shortage()
            self._reserve.release()
            return await command(request.arguments)

    async def _find_command(self, name: str) -> Command | None:
        """Return the command of this name; during a start an early one, or that of later."""
        if self._early_commands is None:
            return self._commands.get(name)
        early = self._early_commands.get(name)
        if self.refusal is not None:
            if early is None:
                # A client that can reads the store instead.
                raise DaemonUnreachable(self.refusal)
            return early
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if early is None else EARLY_ANSWER_SECONDS):
                await self._complete.wait()
        return self._commands.get(name, early)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    """Return the next request line; empty at the end, or if it is too long or isn't completed in time."""
    first = await reader.read(1)
    if first in (b"", b"\n"):
        return first
    try:
        async with asyncio.timeout(CLIENT_TIMEOUT_SECONDS):
            return first + await reader.readline()
    except ValueError:
        return b""
