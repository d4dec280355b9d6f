"""One server for each address, shared by all webhooks of the process and open while one of them watches.

The triggers know nothing of each other, so they meet here: by event loop and address. A reload ends old watches and
begins new ones in one turn of the loop. So who finds a path taken looks again for some turns, and who was the last to
leave waits as many before the port is closed: clients that are about to be taken stay with who comes next.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from weakref import WeakKeyDictionary

from rae_trigger_webhook.endpoint import Endpoint
from rae_trigger_webhook.exchange import Exchange
from rae_trigger_webhook.messages import Refused, Response
from rae_trigger_webhook.origins import check_origin

MOST_CONNECTIONS = 256
"""Clients that are served at once; others are told to come again."""

BACKLOG = 256
"""Clients that may wait until they are taken."""

GRACE = 0.5
"""Seconds that requests in hand have at the end. The daemon gives a source one."""

_TURNS = 3
"""Turns of the loop that a reload needs for a watch to end and for another one to begin."""

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Address = tuple[str, int]

_servers: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, Server]]" = WeakKeyDictionary()


@asynccontextmanager
async def listening(host: str, port: int, path: str, endpoint: Endpoint) -> AsyncIterator[None]:
    """Within the block requests for the path go to the endpoint.

    Errors: ValueError where the path is another's already, OSError where the address can't be had.
    """
    servers = _servers.setdefault(asyncio.get_running_loop(), {})
    address = host, port
    for _ in range(_TURNS):
        if address not in servers or path not in servers[address].endpoints:
            break
        await asyncio.sleep(0)
    else:
        holder = servers[address].endpoints[path].job
        raise ValueError(f"{path} on port {port} is a webhook of job {holder!r}; give {endpoint.job!r} another path")
    server = servers.setdefault(address, Server(address))
    server.endpoints[path] = endpoint
    try:
        await server.open()
        yield
    finally:
        del server.endpoints[path]
        try:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        finally:
            if not server.endpoints and servers.get(address) is server:
                del servers[address]
                server.close()
        await server.finish(endpoint)
        await endpoint.close()


class Server:
    """Listens on an address, and hands each request to the endpoint of its path."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.endpoints: dict[str, Endpoint] = {}
        self._server: asyncio.Server | None = None
        self._closed = False
        self._connections: dict[asyncio.Task[None], Endpoint | None] = {}
        """Who is being served, and by which endpoint at present."""

    async def open(self) -> None:
        """Listen, unless it does already. Errors: OSError."""
        if self._server is None:
            host, port = self.address
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                listener = socket.create_server(self.address, family=family, backlog=BACKLOG)
            except OSError as error:
                raise OSError(f"can't listen on {host} port {port} ({error.strerror}); give it another port") from error
            self._server = await asyncio.start_server(self._take, sock=listener, backlog=BACKLOG, start_serving=False)
        await self._server.start_serving()

    def close(self) -> None:
        """Take nobody any more."""
        self._closed = True
        if self._server is not None:
            self._server.close()

    async def finish(self, endpoint: Endpoint) -> None:
        """Return once nobody is served by the endpoint any more, nor by anybody where the server is closed."""
        busy = {task for task, serving in self._connections.items() if serving is endpoint}
        idle = set(self._connections) - busy if self._closed else set()
        for task in idle:
            task.cancel()
        if busy:
            _, late = await asyncio.wait(busy, timeout=GRACE)
            for task in late:
                task.cancel()
        await asyncio.gather(*busy, *idle, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed or len(self._connections) >= MOST_CONNECTIONS:
            writer.write(_BUSY)
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = None
        task.add_done_callback(self._connections.pop)
        # Here, since a task that is cancelled before it has begun never gets to its end.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(reader, writer)
        try:
            # A client that hangs up is nobody's fault.
            with suppress(ConnectionError, TimeoutError):
                while await self._one(exchange):
                    pass
                await exchange.close()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _one(self, exchange: Exchange) -> bool:
        """One request; returns whether another may follow."""
        try:
            answer = await self._answer(exchange)
        except Refused as refused:
            answer = refused.answer
        try:
            return answer is not None and await exchange.answer(answer, last=self._closed)
        finally:
            self._serving(None)

    async def _answer(self, exchange: Exchange) -> Response | None:
        head = await exchange.head()
        if head is None:
            return None
        endpoint = self.endpoints.get(head.path)
        if endpoint is None:
            check_origin(head, [name for other in self.endpoints.values() for name in other.hosts])
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        self._serving(endpoint)
        return await endpoint.answer(head, exchange.body)

    def _serving(self, endpoint: Endpoint | None) -> None:
        """Note which endpoint has the connection of this task."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = endpoint
