"""Run: its life as a chart, its attempts, its output, and how it differs from the last good one."""

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import draw_run, run_table
from rae_auto.screens import RecordSource, RunPage, load_run_page
from rae_plugins.commands.ui.inks import ink_line
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, read

SHOWN_LINES = 40
"""Number of last lines of the output that the page of a run has."""


def query(request: Request) -> Callable[[RecordSource], Awaitable[RunPage]]:
    """Return what reads the screen."""
    run = request.path_params["run"]

    async def load(source: RecordSource) -> RunPage:
        return await load_run_page(source, run)

    return load


async def show(request: Request) -> Response:
    """Answer with the page of a run."""
    screen = await read(request, query(request))
    lines = () if screen.output is None else screen.output.lines[-SHOWN_LINES:]
    values = {
        "screen": screen,
        "chart": inlined(draw_run(screen)),
        "life_numbers": run_table(screen, ZoneInfo(screen.zone)),
        "lines": [(one.offset, ink_line(one.text)) for one in lines],
    }
    return await page(request, "run.html", title=f"{screen.job} {screen.state}", section="Jobs", values=values)
