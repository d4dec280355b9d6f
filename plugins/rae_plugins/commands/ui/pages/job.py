"""Job: its schedule, its last occurrences, how long it takes, its guards' answers, and what comes next."""

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import draw_occurrences, draw_trend, occurrences_table, trend_table
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import format_bytes, format_elapsed
from rae_auto.screens import JobPage, RecordSource, load_job_page
from rae_plugins.commands.ui.pages.requests import is_set
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import is_fetched_again, page, read, site_of


def query(
    request: Request, *, has_trends: bool = True, may_ask_guards: bool = True
) -> Callable[[RecordSource], Awaitable[JobPage]]:
    """Return what reads the screen, with trends or without. Raises BadRequest."""
    job, asks_guards = request.path_params["job"], may_ask_guards and is_set(request, "guards")
    if asks_guards and site_of(request).door.is_read_only:
        raise BadRequest("guards aren't asked with --read-only, because some of them run a command")

    async def load(source: RecordSource) -> JobPage:
        return await load_job_page(source, job, asks_guards=asks_guards, has_trends=has_trends)

    return load


async def show(request: Request) -> Response:
    """Answer with the page of a job."""
    # Guards run programs: a person asks them once, and the events that keep the page up to date don't.
    screen = await read(request, query(request, may_ask_guards=not is_fetched_again(request)))
    zone = ZoneInfo(screen.zone)
    trends = [
        (
            name,
            points,
            inlined(draw_trend(points, screen.trends.step, form, name, zone)),
            form,
            trend_table(points, name, form, zone),
        )
        for name, points, form in (
            ("duration", screen.trends.duration, format_elapsed),
            ("lateness", screen.trends.lateness, format_elapsed),
            ("processor time", screen.trends.cpu_time, format_elapsed),
            ("memory", screen.trends.memory, _format_bytes),
        )
        if points
    ]
    values = {
        "screen": screen,
        "occurrences": inlined(draw_occurrences(screen.occurrences, screen.usual, zone)),
        "occurrences_numbers": occurrences_table(screen.occurrences, zone),
        "trends": trends,
        "has_asked_guards": is_set(request, "guards"),
    }
    return await page(request, "job.html", title=screen.name, section="Jobs", values=values)


def _format_bytes(value: float) -> str:
    return format_bytes(int(value))
