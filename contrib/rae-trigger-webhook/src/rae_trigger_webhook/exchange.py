"""The server's side of one connection: HTTP/1.1 by h11 over asyncio's streams, within limits of size and time."""

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote

import h11

from rae_trigger_webhook.messages import Head, Refused, Response

REQUEST_TIME = 10.0
"""Seconds in which a request must have come, from its first byte to its last."""

LINGER_TIME, LINGER_SIZE = 1.0, 1 << 20
"""For how long, and of how much, the rest of a refused request is read, for its sender to get to the answer."""

_LONGEST_HEAD = 16 << 10
_PIECE = 64 << 10


class Exchange:
    """Requests come in and answers go out, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._deadline = 0.0
        self._method = ""
        self._begun = False

    async def head(self) -> Head | None:
        """The next request, without its body; None where the client has hung up, or has nothing to say."""
        self._deadline = asyncio.get_running_loop().time() + REQUEST_TIME
        self._method, self._begun = "", False
        try:
            event = await self._next_event()
        except Refused:
            if not self._begun:
                return None
            raise
        addresses = [self._writer.get_extra_info(name) for name in ("peername", "sockname")]
        if not isinstance(event, h11.Request) or None in addresses:
            return None
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in event.headers:
            known = headers.get(name.decode(), ())
            headers[name.decode()] = (*known, value.decode("latin-1"))
        self._method = event.method.decode()
        path, _, query = event.target.decode().partition("?")
        remote, local = (str(address[0]) for address in addresses)
        return Head(self._method, unquote(path), query, headers, remote, local)

    async def body(self, limit: int) -> bytes:
        """The body of the request. Errors: Refused, where it is larger than the limit or takes too long."""
        content = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            content += event.data
            if len(content) > limit:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {limit} bytes")
        return bytes(content)

    async def answer(self, answer: Response, *, last: bool) -> bool:
        """Send an answer; returns whether another request may follow. `last`: none may."""
        content = json.dumps(answer.document).encode() + b"\n"
        goes_on = not last and self._connection.their_state is h11.DONE
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            **answer.headers,
            **({} if goes_on else {"Connection": "close"}),
        }
        if self._connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        status = answer.status
        events = [
            h11.Response(status_code=status, reason=status.phrase.encode(), headers=[*headers.items()]),
            *([h11.Data(data=content)] if self._method != "HEAD" else []),
            h11.EndOfMessage(),
        ]
        # At once, or the second part waits 40 ms until the client has acknowledged the first.
        self._send(*events)
        async with asyncio.timeout(REQUEST_TIME):
            await self._writer.drain()
        if not goes_on or self._connection.states[h11.SERVER] is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True

    async def close(self) -> None:
        """Hang up, in a way that an answer to a request that wasn't read to its end arrives all the same."""
        with suppress(OSError, TimeoutError):
            if self._connection.their_state in (h11.SEND_BODY, h11.ERROR):
                self._writer.write_eof()
                async with asyncio.timeout(LINGER_TIME):
                    left = LINGER_SIZE
                    while left > 0 and (piece := await self._reader.read(_PIECE)):
                        left -= len(piece)

    def _send(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._connection.send(event) or b"" for event in events))

    async def _next_event(self) -> h11.Event | type[h11.PAUSED] | type[h11.NEED_DATA]:
        try:
            async with asyncio.timeout_at(self._deadline):
                while (event := self._connection.next_event()) is h11.NEED_DATA:
                    if self._connection.they_are_waiting_for_100_continue:
                        self._send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
                    piece = await self._reader.read(_PIECE)
                    self._begun = self._begun or bool(piece)
                    self._connection.receive_data(piece)
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long") from None
        except h11.RemoteProtocolError as error:
            raise Refused(HTTPStatus(error.error_status_hint), "this is no HTTP that can be understood") from None
        return event
