"""All that pages share: where they read, how they look, and whom they answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from attrs import define, field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from rae_auto import __version__
from rae_auto.api import CommandContext
from rae_auto.errors import DaemonUnreachable
from rae_plugins.commands.ui.gate import Door
from rae_plugins.commands.ui.keys import KEYS, ViewKey
from rae_plugins.commands.ui.live_events import LiveEvents
from rae_plugins.commands.ui.processes.what_if import WhatIfProcess
from rae_plugins.commands.ui.sessions import BrowserSession, BrowserSessions

if TYPE_CHECKING:
    from rae_auto.screens import RecordSource
    from rae_plugins.commands.ui.processes.doctor import DoctorRuns

T = TypeVar("T")

RETRY_SECONDS = 2.0
"""Time after which a page looks again for a daemon where none was."""

NAVIGATION = (
    ("Now", "/", "N"),
    ("Timeline", "/timeline", "t"),
    ("Month", "/month", "m"),
    ("Jobs", "/jobs", "J"),
    ("What if", "/what-if", "s"),
    ("Health", "/health", "H"),
)
"""The screens that are not about one job: name, address and key."""

OWN_KEYS = (
    ViewKey("N J", "now, jobs"),
    ViewKey("[ ]", "earlier, later"),
)
"""The keys that the full-screen view doesn't have."""

JOB_ADDRESSES = {
    "p": "/jobs/*#until",
    "w": "/jobs/*/why",
    "o": "/output?job=*",
    "n": "/jobs/*#next-title",
    "h": "/jobs/*#history-title",
    "e": "/jobs/*#definition-title",
}
"""Where keys lead that are about a job, which stands for the star, on pages that have nothing of their own for them."""


class Records:
    """Where pages read: the daemon, or the store while there is none. Opened when first needed."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._note_found: Callable[[], None] = lambda: None
        self._source: RecordSource | None = None
        self._stack = AsyncExitStack()
        self._opened_at = 0.0
        self._is_outdated = False
        self._opening = asyncio.Lock()

    async def read(self, load: Callable[["RecordSource"], Awaitable[T]]) -> T:
        """Return what a function reads; it is called again if the daemon has gone meanwhile."""
        source = await self.open()
        try:
            return await load(source)
        except DaemonUnreachable:
            await self.close()
            return await load(await self.open())

    async def open(self) -> "RecordSource":
        """Return where to read now. Errors: ConfigError, StoreError, DaemonUnreachable."""
        async with self._opening:
            found = self._source
            is_recent = found is not None and monotonic() - self._opened_at <= RETRY_SECONDS
            if found is not None and not self._is_outdated and (found.has_daemon or is_recent):
                return found
            return await self._open_again(found)

    async def _open_again(self, former: "RecordSource | None") -> "RecordSource":
        from rae_auto.screens import open_records  # lazy: start-up

        config, stack = self._context.config, AsyncExitStack()
        # First, so that a reload meanwhile isn't missed.
        self._is_outdated = False
        try:
            opened = await stack.enter_async_context(open_records(None if config is None else str(config)))
        except BaseException:
            await self.close()
            raise
        continue_from = getattr(opened, "continue_from", None)
        if former is not None and not opened.has_daemon and continue_from is not None:
            # What it has computed, or is computing, serves the next one as well.
            continue_from(former)
        watch_expected = getattr(opened, "watch_expected", None)
        if watch_expected is not None:
            watch_expected(self._note_found)
        await self.close()
        self._source, self._stack, self._opened_at = opened, stack, monotonic()
        return opened

    def watch(self, note_found: Callable[[], None]) -> None:
        """Call a function when something has been computed for which a page waits."""
        self._note_found = note_found

    def note_reload(self) -> None:
        """Open the daemon again before the next page, because its time zone may be another one now."""
        self._is_outdated = True

    def note_change(self) -> None:
        """Have what was computed of the jobs computed again, because they have changed."""
        note_change = getattr(self._source, "note_change", None)
        if note_change is not None:
            note_change()

    async def close(self) -> None:
        """Forget where to read, as after a reload, which may change the time zone."""
        self._source = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()


@define
class Site:
    """The running page."""

    context: CommandContext
    door: Door
    sessions: BrowserSessions
    records: Records
    live: LiveEvents
    what_if: WhatIfProcess = field(factory=WhatIfProcess)
    doctor: "DoctorRuns | None" = None
    """The runs of doctor; None until a page asks for its report."""
    started_at: datetime = field(factory=lambda: datetime.now(UTC))


@define
class PageRequest:
    """The part of a request that templates make forms and links of."""

    csrf: str
    read_only: bool
    address: str


class AsciiJson(JSONResponse):
    """JSON with all else than ASCII escaped: names of files can have bytes that UTF-8 has no form for."""

    def render(self, content: Any) -> bytes:
        """Return a value as JSON."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def site_of(request: Request) -> Site:
    """Return the site that a request is for."""
    found: Site = request.app.state.site
    return found


def session_of(request: Request) -> BrowserSession:
    """Return the session that the gate has found."""
    found: BrowserSession = request.state.session
    return found


def is_fetched_again(request: Request) -> bool:
    """Return whether the script of a page asks for it, to keep it up to date."""
    return request.headers.get("sec-fetch-dest", "document") != "document"


async def read(request: Request, load: Callable[["RecordSource"], Awaitable[T]]) -> T:
    """Return what a page shows."""
    site = site_of(request)
    # Before it is read: a page that was read before a change must not say that it has it.
    request.state.live_version = getattr(request.state, "live_version", site.live.version)
    return await site.records.read(load)


async def page(
    request: Request, template: str, *, title: str, section: str, values: Mapping[str, Any], status: int = 200
) -> Response:
    """Return a page: the template with what the screen is, and what every page has."""
    from rae_plugins.commands.ui.rendering import PageTimes, render, zone_name  # lazy: start-up

    site, session = site_of(request), session_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    try:
        source = await site.records.open()
        zone, has_daemon, now, lead = source.zone, source.has_daemon, source.now(), await source.lead_text()
    except Exception:  # The page of an error is shown without records.
        zone, has_daemon, now, lead = ZoneInfo("UTC"), False, datetime.now(UTC), ""
    times = PageTimes(zone, now)
    shared = {
        "title": title,
        "section": section,
        "navigation": NAVIGATION,
        "keys": (*KEYS, *OWN_KEYS),
        "job_addresses": JOB_ADDRESSES,
        "version": __version__,
        "has_daemon": has_daemon,
        "lead_text": lead,
        "times": times,
        "time_text": times.text,
        "zone_text": zone_name(zone, now),
        "now": now,
        "live_version": getattr(request.state, "live_version", site.live.version),
        "read_only": site.door.is_read_only,
        # A page that is fetched again must not take them from the one that is being opened.
        "messages": () if is_fetched_again(request) else session.take_messages(),
        "page": PageRequest(session.csrf_token, site.door.is_read_only, f"{request.url.path}{query}"),
        "template_class": f"page-{template.removesuffix('.html').replace('_', '-')}",
    }
    return HTMLResponse(render(template, {**shared, **values}), status)
