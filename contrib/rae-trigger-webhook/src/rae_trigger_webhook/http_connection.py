"""The server's side of one connection: HTTP/1.1 by h11 over asyncio's streams, with limits of size and time."""

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote

import h11

from rae_trigger_webhook.messages import RequestHead, RequestRefused, Response

REQUEST_TIMEOUT_SECONDS = 10.0
"""Time in which a request must arrive, from its first byte to its last."""

LINGER_SECONDS, LINGER_BYTES = 1.0, 1 << 20
"""Time and amount up to which the rest of a refused request is read, so that its sender gets the response."""

MAX_HEAD_BYTES = 16 << 10
READ_BYTES = 64 << 10


class HttpConnection:
    """Requests and responses of one connection, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._deadline = 0.0
        self._method = ""
        self._has_received = False

    async def read_head(self) -> RequestHead | None:
        """Return the next request without its body; None if the client disconnected or sent nothing.

        Errors: RequestRefused.
        """
        self._deadline = asyncio.get_running_loop().time() + REQUEST_TIMEOUT_SECONDS
        self._method, self._has_received = "", False
        try:
            event = await self._next_event()
        except RequestRefused:
            if not self._has_received:
                return None
            raise
        addresses = [self._writer.get_extra_info(name) for name in ("peername", "sockname")]
        if not isinstance(event, h11.Request) or None in addresses:
            return None
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in event.headers:
            values = headers.get(name.decode(), ())
            headers[name.decode()] = (*values, value.decode("latin-1"))
        self._method = event.method.decode()
        path, _, query = event.target.decode().partition("?")
        remote, local = (str(address[0]) for address in addresses)
        return RequestHead(self._method, unquote(path), query, headers, remote, local)

    async def read_body(self, limit: int) -> bytes:
        """Return the body of the request. Errors: RequestRefused if it exceeds the limit or takes too long."""
        content = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            content += event.data
            if len(content) > limit:
                raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
        return bytes(content)

    async def send_response(self, response: Response, *, is_last: bool) -> bool:
        """Send a response; return whether another request may follow. After one that `is_last`, none may."""
        content = json.dumps(response.document).encode() + b"\n"
        keeps_open = not is_last and self._connection.their_state is h11.DONE
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            **response.headers,
            **({} if keeps_open else {"Connection": "close"}),
        }
        if self._connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        status = response.status
        events = [
            h11.Response(status_code=status, reason=status.phrase.encode(), headers=[*headers.items()]),
            *([h11.Data(data=content)] if self._method != "HEAD" else []),
            h11.EndOfMessage(),
        ]
        # In one piece, or the second part waits 40 ms for the client's acknowledgement of the first.
        self._send(*events)
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            await self._writer.drain()
        if not keeps_open or self._connection.states[h11.SERVER] is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True

    async def close(self) -> None:
        """Disconnect so that the response to a request that was not read to its end still arrives."""
        with suppress(OSError, TimeoutError):
            if self._connection.their_state in (h11.SEND_BODY, h11.ERROR):
                self._writer.write_eof()
                async with asyncio.timeout(LINGER_SECONDS):
                    bytes_left = LINGER_BYTES
                    while bytes_left > 0 and (data := await self._reader.read(READ_BYTES)):
                        bytes_left -= len(data)

    def _send(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._connection.send(event) or b"" for event in events))

    async def _next_event(self) -> h11.Event | type[h11.PAUSED] | type[h11.NEED_DATA]:
        try:
            async with asyncio.timeout_at(self._deadline):
                while (event := self._connection.next_event()) is h11.NEED_DATA:
                    if self._connection.they_are_waiting_for_100_continue:
                        self._send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
                    data = await self._reader.read(READ_BYTES)
                    self._has_received = self._has_received or bool(data)
                    self._connection.receive_data(data)
        except TimeoutError:
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long") from None
        except h11.RemoteProtocolError as error:
            raise RequestRefused(HTTPStatus(error.error_status_hint), "invalid HTTP request") from None
        return event
