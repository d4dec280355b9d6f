"""The routes: which page answers which address."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from rae_auto.api import CommandContext
from rae_auto.errors import BadRequest, SchedulerError
from rae_plugins.commands.ui import changes
from rae_plugins.commands.ui.assets import serve_asset
from rae_plugins.commands.ui.gate import SIGN_IN_PATH, Door, Gate
from rae_plugins.commands.ui.live_events import LiveEvents, serve_events
from rae_plugins.commands.ui.pages import PAGES
from rae_plugins.commands.ui.sessions import BrowserSessions
from rae_plugins.commands.ui.site import AsciiJson, Records, Site, page, site_of

MIN_COMPRESSED_BYTES = 600


def build_application(context: CommandContext, door: Door, sessions: BrowserSessions) -> ASGIApp:
    """Return the application, behind its gate."""
    records = Records(context)
    live = LiveEvents(context, records.note_change, records.note_reload)
    records.watch(live.note_computed)
    site = Site(context, door, sessions, records, live)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        live.listen()
        yield
        await site.what_if.close()
        if site.doctor is not None:
            await site.doctor.close()
        await site.records.close()

    app = Starlette(
        routes=[
            Route(SIGN_IN_PATH, sign_in, methods=["GET"]),
            Route("/static/{name}", serve_asset, methods=["GET"]),
            Route("/events", serve_events, methods=["GET"]),
            Route("/do", changes.do, methods=["POST"]),
            Route("/api/{rest:path}", JsonApi()),
            *PAGES,
        ],
        exception_handlers={HTTPException: show_http_error, Exception: show_failure, SchedulerError: show_error},
        lifespan=lifespan,
    )
    app.state.site = site
    return Gate(GZipMiddleware(app, minimum_size=MIN_COMPRESSED_BYTES, compresslevel=5), door, sessions)


class JsonApi:
    """The JSON API, which is imported with all screens when it is first asked."""

    def __init__(self) -> None:
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._router is None:
            from rae_plugins.commands.ui.json_api import ROUTES  # lazy: start-up

            self._router = Router(ROUTES)
        await self._router(scope, receive, send)


async def sign_in(request: Request) -> Response:
    """Begin a session with the token of a link, and lead to the first page, so that the token leaves the address."""
    site = site_of(request)
    session = site.sessions.sign_in(request.query_params.get("token", ""))
    if session is None:
        text = "this link was used before, or is too old; start 'rae-auto ui' again for another one\n"
        return PlainTextResponse(text, 401)
    response = RedirectResponse("/", 303)
    response.set_cookie(site.door.cookie, session, httponly=True, samesite="strict", path="/")
    return response


async def show_http_error(request: Request, error: Exception) -> Response:
    """Answer an address that leads nowhere."""
    assert isinstance(error, HTTPException)
    text = {404: "There is nothing at this address.", 405: "This address can't be asked in this way."}
    return await _show(request, text.get(error.status_code, error.detail), error.status_code)


async def show_error(request: Request, error: Exception) -> Response:
    """Answer with the error of a job, a run or the daemon, as the command line would print it."""
    status = 404 if isinstance(error, LookupError) else 400 if isinstance(error, BadRequest) else 503
    return await _show(request, str(error), status)


async def show_failure(request: Request, error: Exception) -> Response:
    """Answer a fault of ours in one line, never with a traceback."""
    return await _show(request, f"This page failed: {type(error).__name__}. Please report it.", 500)


async def _show(request: Request, text: str, status: int) -> Response:
    if request.url.path.startswith("/api/"):
        return AsciiJson({"error": text}, status)
    if not hasattr(request.state, "session"):
        return PlainTextResponse(f"{text}\n", status)
    return await page(request, "error.html", title="Error", section="", values={"text": text}, status=status)
