"""One server for each address, shared by all webhooks of the process, and open while one of them watches.

Triggers know nothing of each other, so they meet here, by event loop and address. A reload ends old watches and starts
new ones within one turn of the loop, in any order. Two rules keep that seamless:

- An endpoint that finds its path taken looks again for some turns, because its holder may be about to end.
- The last endpoint to leave waits as many turns before the port is closed: a new one may take it over, with the clients
  that are about to be accepted.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakKeyDictionary

from rae_trigger_webhook.endpoint import Endpoint, InvalidProof
from rae_trigger_webhook.http_connection import HttpConnection
from rae_trigger_webhook.messages import RequestRefused, Response, refuse_for_now, refuse_unknown
from rae_trigger_webhook.origins import check_origin
from rae_trigger_webhook.rate_limit import TokenBucket

MAX_CONNECTIONS = 256
"""Clients that are served at once; others are asked to try again."""

MAX_GUESSES_PER_MINUTE = 60
"""Requests for unknown paths, or without a valid token or signature, that are answered in a minute."""

BACKLOG_CONNECTIONS = 256
"""Clients that may wait until they are accepted."""

CLOSE_TIMEOUT_SECONDS = 0.5
"""Time that active requests have when the endpoint closes. The daemon gives a source one second."""

RELOAD_TURNS = 3
"""Turns of the loop in which a reload ends a watch and starts another one."""

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Address = tuple[str, int]

_servers: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, WebhookServer]]" = WeakKeyDictionary()


@asynccontextmanager
async def serve_endpoint(host: str, port: int, path: str, endpoint: Endpoint) -> AsyncIterator[None]:
    """Send requests for the path to the endpoint, within the block.

    Errors: ValueError if another endpoint has the path, OSError if the address can't be used.
    """
    servers = _servers.setdefault(asyncio.get_running_loop(), {})
    address = host, port
    for _ in range(RELOAD_TURNS):
        if address not in servers or path not in servers[address].endpoints:
            break
        await asyncio.sleep(0)
    else:
        holder = servers[address].endpoints[path].job
        raise ValueError(
            f'path {path} on port {port} is already used by job "{holder}"; give job "{endpoint.job}" another path'
        )
    server = servers.setdefault(address, WebhookServer(address))
    server.endpoints[path] = endpoint
    try:
        await server.open()
        yield
    finally:
        del server.endpoints[path]
        try:
            for _ in range(RELOAD_TURNS):
                await asyncio.sleep(0)
        finally:
            if not server.endpoints and servers.get(address) is server:
                del servers[address]
                server.close()
        await server.finish(endpoint)
        await endpoint.close()


class WebhookServer:
    """Listens on an address, and passes each request to the endpoint of its path."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.endpoints: dict[str, Endpoint] = {}
        self._server: asyncio.Server | None = None
        self._is_closed = False
        self._guesses = TokenBucket(MAX_GUESSES_PER_MINUTE)
        self._connections: dict[asyncio.Task[None], Endpoint | None] = {}
        """The tasks of open connections, each with the endpoint that serves it at present."""

    async def open(self) -> None:
        """Listen, unless it does already. Errors: OSError."""
        if self._server is None:
            host, port = self.address
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                listener = socket.create_server(self.address, family=family, backlog=BACKLOG_CONNECTIONS)
            except OSError as error:
                raise OSError(f"cannot listen on {host} port {port} ({error.strerror}); choose another port") from error
            self._server = await asyncio.start_server(
                self._accept, sock=listener, backlog=BACKLOG_CONNECTIONS, start_serving=False
            )
        await self._server.start_serving()

    def close(self) -> None:
        """Accept no more clients."""
        self._is_closed = True
        if self._server is not None:
            self._server.close()

    async def finish(self, endpoint: Endpoint) -> None:
        """Wait until the endpoint serves no client; if the server is closed, until nothing does."""
        active = {task for task, serving in self._connections.items() if serving is endpoint}
        idle = set(self._connections) - active if self._is_closed else set()
        for task in idle:
            task.cancel()
        if active:
            _, late = await asyncio.wait(active, timeout=CLOSE_TIMEOUT_SECONDS)
            for task in late:
                task.cancel()
        await asyncio.gather(*active, *idle, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closed or not self._has_room():
            writer.write(_BUSY)
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = None
        task.add_done_callback(lambda done: self._connections.pop(done, None))
        # As a callback, because a task that is cancelled before it starts never reaches its `finally`.
        task.add_done_callback(lambda _: writer.close())

    def _has_room(self) -> bool:
        """Return whether another client can be served; if necessary, the one that has been idle longest has to go."""
        if len(self._connections) < MAX_CONNECTIONS:
            return True
        idle = next((task for task, serving in self._connections.items() if serving is None), None)
        if idle is None:
            return False
        # Immediately, or a burst of new clients would all choose the same one.
        del self._connections[idle]
        idle.cancel()
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = HttpConnection(reader, writer)
        try:
            # A client that disconnects is not an error.
            with suppress(ConnectionError, TimeoutError):
                while await self._serve_request(connection):
                    pass
                await connection.close()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve_request(self, connection: HttpConnection) -> bool:
        """Serve one request; return whether another may follow."""
        try:
            response = await self._respond(connection)
        except RequestRefused as refusal:
            response = refusal.response
        try:
            return response is not None and await connection.send_response(response, is_last=self._is_closed)
        finally:
            self._set_endpoint(None)

    async def _respond(self, connection: HttpConnection) -> Response | None:
        head = await connection.read_head()
        if head is None:
            return None
        endpoint = self.endpoints.get(head.path)
        if endpoint is None:
            check_origin(head, [name for other in self.endpoints.values() for name in other.hosts])
            raise self._refuse_unknown()
        self._set_endpoint(endpoint)
        try:
            return await endpoint.respond(head, connection.read_body)
        except InvalidProof:
            raise self._refuse_unknown() from None

    def _refuse_unknown(self) -> RequestRefused:
        """Return the same refusal whatever is wrong. Guesses have a rate limit, whatever their path."""
        wait_seconds = self._guesses.try_take(asyncio.get_running_loop().time())
        return refuse_for_now(wait_seconds) if wait_seconds else refuse_unknown()

    def _set_endpoint(self, endpoint: Endpoint | None) -> None:
        """Record the endpoint that serves the connection of this task."""
        task = asyncio.current_task()
        assert task is not None
        if task in self._connections:
            self._connections[task] = endpoint
