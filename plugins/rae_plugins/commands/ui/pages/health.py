"""Health: the daemon, its store, its plugins and the machine, each with what to do about it."""

from collections.abc import Awaitable, Callable

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from rae_auto.screens import DoctorReport, HealthPage, RecordSource, load_health_page
from rae_plugins.commands.ui.pages.requests import is_set
from rae_plugins.commands.ui.processes.doctor import doctor_of
from rae_plugins.commands.ui.site import is_fetched_again, page, read, site_of


def query(request: Request) -> Callable[[RecordSource], Awaitable[HealthPage]]:
    """Return what reads the screen."""
    with_findings = is_set(request, "doctor")

    async def load(source: RecordSource) -> HealthPage:
        return await load_health_page(source, with_findings=with_findings)

    return load


async def show(request: Request) -> Response:
    """Answer with the page of the health."""
    doctor = doctor_of(site_of(request))
    if is_set(request, "doctor") and is_fetched_again(request):
        # At every event: doctor, and measuring the disk, take a second.
        screen = await read(request, load_health_page)
        shown = doctor.find_shown(screen.now)
        screen = screen if shown is None else keep_findings(screen, shown)
    else:
        screen = await read(request, query(request))
        if screen.has_findings:
            problems = tuple(row for row in screen.findings if not row.ok)
            doctor.note(DoctorReport(at=screen.now, problems=problems), screen)
    return await page(request, "health.html", title="Health", section="Health", values={"screen": screen})


def keep_findings(screen: HealthPage, shown: HealthPage) -> HealthPage:
    """Return a page with the findings, and the sizes on disk, of one that was shown before."""
    present = {fact.subject for fact in screen.sizes}
    sizes = (*screen.sizes, *(fact for fact in shown.sizes if fact.subject not in present))
    return evolve(screen, findings=shown.findings, has_findings=True, findings_at=shown.findings_at, sizes=sizes)
