"""Output: a part of it at a time, searched on the server, followed while it grows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from rae_auto.errors import RunNotFound
from rae_auto.screens import (
    MAX_MERGED_RUNS,
    MergedOutput,
    OutputPage,
    OutputSearch,
    RecordSource,
    load_merged_output,
    load_output_page,
    search_output,
)
from rae_plugins.commands.ui.inks import ink_output_line
from rae_plugins.commands.ui.live_events import STREAM_HEADERS, format_message
from rae_plugins.commands.ui.pages.requests import is_set, number, optional_number, optional_text
from rae_plugins.commands.ui.site import page, read, site_of

PART_BYTES = 64 << 10
FOLLOW_INTERVAL_SECONDS = 0.2
MAX_OFFSET = 1 << 50
DEFAULT_MERGED_RUNS = 5


def query(request: Request) -> Callable[[RecordSource], Awaitable[OutputPage]]:
    """Return what reads a part of an output: by default its end; "after" reads on exactly where another part ended."""
    run, attempt = request.path_params["run"], optional_number(request, "attempt", low=1, high=10_000)
    start = optional_number(request, "start", low=-MAX_OFFSET, high=MAX_OFFSET)
    limit = optional_number(request, "limit", low=1, high=1 << 20) or PART_BYTES
    after = optional_number(request, "after", high=MAX_OFFSET)
    first = after if after is not None else -limit if start is None else start

    async def load(source: RecordSource) -> OutputPage:
        return await load_output_page(source, run, attempt, start=first, limit=limit, is_exact=after is not None)

    return load


def search_query(request: Request) -> Callable[[RecordSource], Awaitable[OutputSearch]]:
    """Return what searches an output."""
    run, attempt = request.path_params["run"], optional_number(request, "attempt", low=1, high=10_000)
    pattern = optional_text(request, "pattern") or ""
    start = optional_number(request, "from", high=MAX_OFFSET) or 0

    async def load(source: RecordSource) -> OutputSearch:
        return await search_output(source, run, pattern, attempt, start=start)

    return load


async def show(request: Request) -> Response:
    """Answer with a part of an output, and with what a search found in it."""
    screen = await read(request, query(request))
    pattern = optional_text(request, "pattern")
    values = {
        "screen": screen,
        "lines": await _show_lines(request, screen),
        "has_errors": any(one.is_error for one in screen.lines),
        "found": await read(request, search_query(request)) if pattern else None,
        "pattern": pattern or "",
        "is_wrapped": not is_set(request, "long"),
        "size": PART_BYTES,
    }
    return await page(request, "output.html", title=f"Output of {screen.job}", section="Jobs", values=values)


async def _show_lines(request: Request, screen: OutputPage) -> list[tuple[int, list[tuple[str, str]]]]:
    zone = (await site_of(request).records.open()).zone
    return [(one.offset, ink_output_line(one.text, one.at, zone, is_error=one.is_error)) for one in screen.lines]


def merged_query(request: Request) -> Callable[[RecordSource], Awaitable[MergedOutput]]:
    """Return what reads several outputs as one."""
    job, run = optional_text(request, "job"), optional_text(request, "run")
    runs = number(request, "runs", DEFAULT_MERGED_RUNS, low=1, high=MAX_MERGED_RUNS)

    async def load(source: RecordSource) -> MergedOutput:
        return await load_merged_output(source, job=job, run=run, runs=runs)

    return load


async def show_merged(request: Request) -> Response:
    """Answer with several outputs as one, in the order of time."""
    screen = await read(request, merged_query(request))
    zone = (await site_of(request).records.open()).zone
    lines = [(one, ink_output_line(one.text, one.at, zone, is_error=one.is_error)) for one in screen.lines]
    values = {
        "screen": screen,
        "lines": lines,
        "has_errors": any(one.is_error for one in screen.lines),
        "is_wrapped": not is_set(request, "long"),
        "runs": number(request, "runs", DEFAULT_MERGED_RUNS, low=1, high=MAX_MERGED_RUNS),
        "most": MAX_MERGED_RUNS,
    }
    title = f"Output of {screen.job or 'all jobs'}"
    return await page(request, "merged_output.html", title=title, section="Jobs", values=values)


async def follow(request: Request) -> Response:
    """Answer with a stream of the lines that are added to an output, until its attempt ends."""
    screen = await read(request, query(request))
    return StreamingResponse(_lines(request, screen), media_type="text/event-stream", headers=STREAM_HEADERS)


async def _lines(request: Request, screen: OutputPage) -> AsyncIterator[str]:
    yield format_message("hello", {})
    end = next_start = screen.start
    is_growing = True
    while True:

        async def load(source: RecordSource, start: int = next_start) -> OutputPage:
            run, attempt = screen.run_id, screen.attempt
            return await load_output_page(source, run, attempt, start=start, limit=1 << 20, is_exact=True)

        part = await read(request, load)
        if part.lines and part.end > end:
            # A line that had no end yet comes again, whole, in the place of what was shown of it.
            lines = await _show_lines(request, part)
            yield format_message("lines", [{"offset": offset, "parts": parts} for offset, parts in lines])
            end, next_start = part.end, part.next_start
            continue
        if not is_growing:
            yield format_message("end", {})
            return
        is_growing = part.is_growing
        await asyncio.sleep(FOLLOW_INTERVAL_SECONDS if is_growing else 0)


async def download(request: Request) -> Response:
    """Answer with a whole output as a file, which no browser shows as a page."""
    screen = await read(request, query(request))
    path = Path(screen.path)
    if not await asyncio.to_thread(path.is_file):
        raise RunNotFound(f"run {screen.run_id} has no output")
    name = f"{screen.job}-{screen.run_id}.{screen.attempt}.txt"
    return FileResponse(path, media_type="application/octet-stream", filename=name)
