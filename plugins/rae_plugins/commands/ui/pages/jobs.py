"""Jobs: all of them by name, a part at a time."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rae_auto.screens import JobsFound, RecordSource, describe_skips
from rae_plugins.commands.ui.pages.requests import find_previous_offset, number, optional_text
from rae_plugins.commands.ui.site import page, read

JOBS_PER_PAGE = 50


def query(request: Request) -> Callable[[RecordSource], Awaitable[JobsFound]]:
    """Return what reads the jobs."""
    text = optional_text(request, "q", limit=64) or ""
    offset, limit = number(request, "offset", 0), _limit_of(request)

    async def load(source: RecordSource) -> JobsFound:
        return await source.jobs(text, offset=offset, limit=limit)

    return load


def _limit_of(request: Request) -> int:
    return number(request, "limit", JOBS_PER_PAGE, low=1, high=500)


async def show(request: Request) -> Response:
    """Answer with the list of jobs, or with the job itself if it is the only one that was meant."""
    found = await read(request, query(request))
    text, offset, size = optional_text(request, "q") or "", number(request, "offset", 0), _limit_of(request)
    if text and [job["id"] for job in found.jobs] == [text]:
        return RedirectResponse(request.app.url_path_for("job", job=text), 303)
    new = [job["id"] for job in found.jobs if job["last_state"] is None and not job["open"]]
    values = {
        "found": found,
        "skips": await read(request, lambda source: describe_skips(source, new)),
        "text": text,
        "offset": offset,
        "size": size,
        "limit": "" if size == JOBS_PER_PAGE else size,
        "previous": find_previous_offset(offset, size, found.matched),
    }
    return await page(request, "jobs.html", title="Jobs", section="Jobs", values=values)
