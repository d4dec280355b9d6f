"""Output: a part of it at a time, searched on the server, followed while it grows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote as quote_path

from attrs import frozen
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from rae_auto.errors import BadRequest, RunNotFound
from rae_auto.screens import (
    MAX_MERGED_RUNS,
    MergedOutput,
    MergedSearch,
    MergedText,
    OutputPage,
    OutputSearch,
    RecordSource,
    load_merged_output,
    load_merged_text,
    load_output_page,
    search_merged_output,
    search_output,
)
from rae_plugins.commands.ui.inks import ink_output_line
from rae_plugins.commands.ui.live_events import STREAM_HEADERS, format_message
from rae_plugins.commands.ui.pages.requests import is_set, number, optional_number, optional_text
from rae_plugins.commands.ui.site import is_fetched_again, page, read, site_of

PART_BYTES = 64 << 10
FOLLOW_INTERVAL_SECONDS = 0.2
MAX_OFFSET = 1 << 50
DEFAULT_MERGED_RUNS = 5

T = TypeVar("T")
Load = Callable[[RecordSource], Awaitable[T]]


def query(request: Request) -> Load[OutputPage]:
    """Return what reads a part of an output: by default its end; "after" reads on exactly where another part ended."""
    run, attempt = request.path_params["run"], optional_number(request, "attempt", low=1, high=10_000)
    start = optional_number(request, "start", low=-MAX_OFFSET, high=MAX_OFFSET)
    limit = optional_number(request, "limit", low=1, high=1 << 20) or PART_BYTES
    after = optional_number(request, "after", high=MAX_OFFSET)
    first = after if after is not None else -limit if start is None else start

    async def load(source: RecordSource) -> OutputPage:
        return await load_output_page(source, run, attempt, start=first, limit=limit, is_exact=after is not None)

    return load


def search_query(request: Request) -> Load[OutputSearch]:
    """Return what searches an output."""
    run, attempt = request.path_params["run"], optional_number(request, "attempt", low=1, high=10_000)
    pattern = request.query_params.get("pattern", "")
    start = optional_number(request, "from", high=MAX_OFFSET) or 0

    async def load(source: RecordSource) -> OutputSearch:
        return await search_output(source, run, pattern, attempt, start=start)

    return load


async def show(request: Request) -> Response:
    """Answer with a part of an output, and with what a search found in it."""
    screen = await read(request, query(request))
    search = await _search(request, search_query)
    values = {
        "screen": screen,
        "lines": await _show_lines(request, screen),
        "has_errors": any(one.is_error for one in screen.lines),
        **search,
        "is_wrapped": not is_set(request, "long"),
        "size": PART_BYTES,
    }
    title = f"Output of {screen.job}"
    return await page(request, "output.html", title=title, section="Jobs", values=values, status=_status_of(search))


async def _search(request: Request, search: Callable[[Request], Load[Any]]) -> dict[str, Any]:
    """Return what a page shows of a search: the pattern as it was typed, and what was found or is wrong with it."""
    pattern = request.query_params.get("pattern", "")
    found = problem = None
    # The script fetches a page again for what has changed, and keeps what a search has found.
    if pattern and not is_fetched_again(request):
        try:
            found = await read(request, search(request))
        except BadRequest as error:
            problem = str(error)
    return {"pattern": pattern, "found": found, "problem": problem}


def _status_of(search: Mapping[str, Any]) -> int:
    return 400 if search["problem"] else 200


async def _show_lines(request: Request, screen: OutputPage) -> list[tuple[int, list[tuple[str, str]]]]:
    zone = (await site_of(request).records.open()).zone
    return [(one.offset, ink_output_line(one.text, one.at, zone, is_error=one.is_error)) for one in screen.lines]


@frozen
class _Chosen:
    """The runs whose outputs are merged."""

    job: str | None
    run: str | None
    runs: int


def _choose(request: Request) -> _Chosen:
    """Return which outputs an address is about. Raises BadRequest."""
    runs = number(request, "runs", DEFAULT_MERGED_RUNS, low=1, high=MAX_MERGED_RUNS)
    return _Chosen(optional_text(request, "job"), optional_text(request, "run"), runs)


def merged_query(request: Request) -> Load[MergedOutput]:
    """Return what reads several outputs as one."""
    chosen = _choose(request)

    async def load(source: RecordSource) -> MergedOutput:
        return await load_merged_output(source, job=chosen.job, run=chosen.run, runs=chosen.runs)

    return load


def merged_search_query(request: Request) -> Load[MergedSearch]:
    """Return what searches several outputs."""
    chosen, pattern = _choose(request), request.query_params.get("pattern", "")
    start = request.query_params.get("from", "")

    async def load(source: RecordSource) -> MergedSearch:
        return await search_merged_output(
            source, pattern, job=chosen.job, run=chosen.run, runs=chosen.runs, start=start
        )

    return load


async def show_merged(request: Request) -> Response:
    """Answer with several outputs as one, in the order of time, and with what a search found in them."""
    screen = await read(request, merged_query(request))
    search = await _search(request, merged_search_query)
    zone = (await site_of(request).records.open()).zone
    lines = [(one, ink_output_line(one.text, one.at, zone, is_error=one.is_error)) for one in screen.lines]
    values = {
        "screen": screen,
        "lines": lines,
        "has_errors": any(one.is_error for one in screen.lines),
        **search,
        "is_wrapped": not is_set(request, "long"),
        "runs": _choose(request).runs,
        "most": MAX_MERGED_RUNS,
    }
    title, status = f"Output of {screen.job or 'all jobs'}", _status_of(search)
    return await page(request, "merged_output.html", title=title, section="Jobs", values=values, status=status)


async def download_merged(request: Request) -> Response:
    """Answer with several whole outputs as one file, in the order of time."""
    chosen = _choose(request)

    async def load(source: RecordSource) -> MergedText:
        return await load_merged_text(source, job=chosen.job, run=chosen.run, runs=chosen.runs)

    text = await read(request, load)
    headers = {"content-disposition": f"attachment; filename*=utf-8''{quote_path(text.file_name, safe='')}"}
    return StreamingResponse(text.parts, media_type="application/octet-stream", headers=headers)


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
