"""The gate before every page: who may ask, from where, and with what.

A page on the loopback address is reachable for every web site that the browser shows, and for every user of the
machine. So each request passes these checks, before it is routed and whatever it asks for:

| check | refuses | with |
| --- | --- | --- |
| host | names of other machines that lead here (DNS rebinding) | 421 |
| method | all but GET, HEAD and POST | 405 |
| site | what another site's page asks for, by `Sec-Fetch-Site`; but for the link to sign in | 403 |
| session | browsers that are not signed in, static files included | 401 |
| size, time | bodies that are too large or too slow | 413, 408 |
| origin, token | changes that do not come from a page of this session; all of them if `--read-only` | 403 |

Answers carry a policy that lets the browser run no script and load nothing but our own files, and keeps answers out of
frames, of caches and of the hands of other sites.
"""

import asyncio
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rae_plugins.commands.ui.sessions import BrowserSession, BrowserSessions

MAX_BODY_BYTES = 1 << 20
BODY_TIMEOUT_SECONDS = 10.0

HTTP_PORT = 80

SIGN_IN_PATH = "/login"

POSTS_THAT_CHANGE_NOTHING = frozenset({"/what-if", "/api/what-if"})

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=(), clipboard-write=(self)",
}


@frozen
class Refusal(Exception):
    """A request that does not pass the gate."""

    status: int
    text: str


@frozen
class Door:
    """The address that the pages are served at."""

    host: str
    port: int
    is_read_only: bool = False

    @property
    def hosts(self) -> frozenset[str]:
        """The values of the header Host that mean us; browsers leave out the port of HTTP."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        names = (shown, "localhost", "127.0.0.1", "[::1]")
        return frozenset((*(f"{name}:{self.port}" for name in names), *(names if self.port == HTTP_PORT else ())))

    @property
    def origin(self) -> str:
        """The origin of our pages, as it is printed in the link."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; cookies of all ports of a host share one jar."""
        return f"rae_ui_{self.port}"


class Gate:
    """Lets requests of signed-in browsers through to the pages, and refuses all others."""

    def __init__(self, app: ASGIApp, door: Door, sessions: BrowserSessions) -> None:
        self._app = app
        self._door = door
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = _with_headers(send, is_static=scope["path"].startswith("/static/"))
        try:
            receive = await self._admit(scope, receive)
        except Refusal as refusal:
            response: Response = PlainTextResponse(f"{refusal.text}\n", refusal.status, {"connection": "close"})
            await response(scope, receive, answer)
            return
        await self._app(scope, receive, answer)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Check a request, and return how to read its body. Raises Refusal."""
        headers = scope["headers"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._door.hosts:
            raise Refusal(421, "this address is not served here")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise Refusal(405, "only GET, HEAD and POST are answered")
        path = scope["path"]
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        if path == SIGN_IN_PATH and scope["method"] == "GET":
            return receive
        if given.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refusal(403, "this comes from another site; open the page itself")
        session = self._sessions.find(_cookie(given.get("cookie", ""), self._door.cookie))
        if session is None:
            raise Refusal(401, "sign in with the link that 'rae-auto ui' printed; it works once, so start it again")
        scope.setdefault("state", {})["session"] = session
        if scope["method"] != "POST":
            return receive
        return await self._check_change(scope, given, hosts[0], session, receive)

    async def _check_change(
        self, scope: Scope, given: Mapping[str, str], host: str, session: BrowserSession, receive: Receive
    ) -> Receive:
        if given.get("origin") != f"http://{host}".removesuffix(f":{HTTP_PORT}"):
            raise Refusal(403, "this change does not come from a page of this address")
        kind = given.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/x-www-form-urlencoded", "application/json"):
            raise Refusal(415, "send a form or JSON")
        body = await _read(receive)
        token = given.get("x-csrf-token")
        if token is None and kind.endswith("urlencoded"):
            token = parse_qs(body.decode(errors="replace"), max_num_fields=200).get("csrf", [""])[0]
        if not session.accepts(token):
            raise Refusal(403, "this change does not come from a page of this session; load the page again")
        if self._door.is_read_only and scope["path"] not in POSTS_THAT_CHANGE_NOTHING:
            raise Refusal(403, "changes nothing, because it was started with --read-only")
        return _replay(body)


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


async def _read(receive: Receive) -> bytes:
    """Return the body of a request. Raises Refusal if it is too large or takes too long."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "the request ended early")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY_BYTES:
                    raise Refusal(413, f"more than {MAX_BODY_BYTES:,} bytes; send less")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refusal(408, "the request took too long") from None


def _replay(body: bytes) -> Receive:
    messages: Iterable[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(iter(messages), {"type": "http.disconnect"})

    return receive


def _with_headers(send: Send, *, is_static: bool) -> Send:
    """Add the headers that every answer has. What is not a static file of a fixed content is never stored."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            present: list[Any] = list(message.get("headers", ()))
            names = {name.lower() for name, _ in present}
            wanted = {**HEADERS, **({} if is_static and b"cache-control" in names else {"cache-control": "no-store"})}
            present = [(name, value) for name, value in present if name.decode("latin-1").lower() not in wanted]
            message["headers"] = [*present, *((name.encode(), value.encode()) for name, value in wanted.items())]
        await send(message)

    return answer
