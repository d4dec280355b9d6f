"""Now: one sentence, what needs you, what runs and waits, and what comes next."""

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import draw_strip, strip_table
from rae_auto.screens import Overview, RecordSource, load_absence, load_overview
from rae_plugins.commands.ui.looks import find_last_look, note_look
from rae_plugins.commands.ui.processes.doctor import doctor_of
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, read, site_of


def query(request: Request) -> Callable[[RecordSource], Awaitable[Overview]]:
    """Return what reads the screen."""

    async def load(source: RecordSource) -> Overview:
        away_since, site = find_last_look(request, source.now()), site_of(request)
        absence = None if away_since is None else await load_absence(source, away_since)
        return await load_overview(source, absence, doctor_of(site).latest(site.context.config, source.now()))

    return load


async def show(request: Request) -> Response:
    """Answer with the first page."""
    screen = await read(request, query(request))
    needs = screen.attention_extent.total
    title = "All is well" if screen.ok else f"{needs or 1} need{'s' if needs == 1 else ''} you"
    values = {
        "screen": screen,
        "strip": inlined(draw_strip(screen.strip, screen.zone)),
        "is_doctor_looking": doctor_of(site_of(request)).is_looking,
        "strip_numbers": strip_table(screen.strip, ZoneInfo(screen.zone)),
    }
    response = await page(request, "overview.html", title=title, section="Now", values=values)
    note_look(request, response, screen.now)
    return response
