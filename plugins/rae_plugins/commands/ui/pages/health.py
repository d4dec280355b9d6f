"""Health: the daemon, its store, its plugins and the machine, each with what to do about it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.screens import DoctorReport, HealthPage, RecordSource, load_health_page
from rae_plugins.commands.ui.pages.requests import is_set
from rae_plugins.commands.ui.processes.doctor import doctor_of
from rae_plugins.commands.ui.site import page, read, site_of


def query(request: Request) -> Callable[[RecordSource], Awaitable[HealthPage]]:
    """Return what reads the screen."""
    with_findings = is_set(request, "doctor")

    async def load(source: RecordSource) -> HealthPage:
        return await load_health_page(source, with_findings=with_findings)

    return load


async def show(request: Request) -> Response:
    """Answer with the page of the health."""
    screen = await read(request, query(request))
    if screen.has_findings:
        problems = tuple(row for row in screen.findings if not row.ok)
        doctor_of(site_of(request)).note(DoctorReport(at=screen.now, problems=problems))
    return await page(request, "health.html", title="Health", section="Health", values={"screen": screen})
