"""The palette: screens, what there is about the job of the page, and jobs, found by words while they are typed."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote as quote_path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rae_auto.screens import JobsFound, RecordSource
from rae_plugins.commands.ui.keys import KEYS
from rae_plugins.commands.ui.pages.requests import is_set, optional_text
from rae_plugins.commands.ui.rendering import render
from rae_plugins.commands.ui.site import JOB_ADDRESSES, NAVIGATION, read

MAX_JOBS = 20


class PaletteEntry(NamedTuple):
    """A page that can be opened: its name and its address."""

    name: str
    address: str
    is_job: bool = False


async def show(request: Request) -> Response:
    """Answer with what has the words while they are typed, and lead to the first of it when they are sent."""
    text, about = (optional_text(request, "q", limit=64) or "").strip(), optional_text(request, "job")

    async def load(source: RecordSource) -> JobsFound:
        found = await source.jobs(text, limit=MAX_JOBS)
        return found if found.jobs else await source.jobs(text.lower(), limit=MAX_JOBS)

    commands = [*_screens(), *_commands(about)] if about else [*_screens()]
    found = [one for one in commands if text.lower() in one.name.lower()]
    found += [PaletteEntry(job["id"], _job_address(job["id"]), True) for job in (await read(request, load)).jobs]
    if is_set(request, "preview"):
        return HTMLResponse(render("palette.html", {"entries": found}))
    return RedirectResponse(found[0].address if found else f"/jobs?q={quote_path(text)}", 303)


def _screens() -> Iterator[PaletteEntry]:
    return (PaletteEntry(name, address) for name, address, _ in NAVIGATION)


def _commands(job: str) -> Iterator[PaletteEntry]:
    """Yield what there is about a job, by the words of its keys."""
    for one in KEYS:
        if one.keys in JOB_ADDRESSES:
            address = JOB_ADDRESSES[one.keys].replace("*", quote_path(job, safe=""))
            yield PaletteEntry(f"{job}: {one.does}", address)
    yield PaletteEntry(f"{job}: test its triggers", f"{_job_address(job)}/test-trigger")


def _job_address(job: str) -> str:
    return f"/jobs/{quote_path(job, safe='')}"
