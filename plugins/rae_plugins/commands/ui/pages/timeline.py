"""Timeline: jobs over time, from an hour to a month, with what ran, waited, was skipped, and is expected."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import (
    TimeAxis,
    axis_heading,
    concurrency_table,
    draw_axis,
    draw_concurrency,
    draw_row,
    timeline_table,
)
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_auto.screens import RecordSource, Timeline, find_smallest_span, load_timeline
from rae_plugins.commands.ui.pages.requests import find_previous_offset, is_set, number, optional_text
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, read

SPANS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "31d": timedelta(days=31),
}
DEFAULT_SPAN = "24h"

FUTURE_PART = 0.25
"""The part of the width that is to come, while the timeline goes with the time."""

JOBS_SHOWN = 40


def query(request: Request) -> Callable[[RecordSource], Awaitable[Timeline]]:
    """Return what reads the screen."""
    asked, end = span_of(request), parse_end(optional_text(request, "until", limit=40))
    text, offset = optional_text(request, "q", limit=64) or "", number(request, "offset", 0)

    async def load(source: RecordSource) -> Timeline:
        span = SPANS[asked or DEFAULT_SPAN]
        if asked is None and end is None:
            # A day would be almost empty while there is an hour on record.
            shorter = [one for one in SPANS.values() if one <= span]
            span = await find_smallest_span(source, shorter, FUTURE_PART)
        until = end or source.now() + span * FUTURE_PART
        return await load_timeline(source, until - span, until, text=text, offset=offset, limit=JOBS_SHOWN)

    return load


def span_of(request: Request) -> str | None:
    """Return the name of the span that is asked for, or None if none is. Raises BadRequest."""
    span = optional_text(request, "span", limit=8)
    if span is not None and span not in SPANS:
        raise BadRequest(f"span must be one of {', '.join(SPANS)}, not {quote(span)}")
    return span


def parse_end(text: str | None) -> datetime | None:
    """Return the instant of an address, or None if there is none. Raises BadRequest."""
    if text is None:
        return None
    try:
        # A plus sign in an address means a space.
        instant = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise BadRequest(f"until must be an instant such as 2026-11-28T18:00Z, not {quote(text)}") from None
    if instant.tzinfo is None or not 1971 < instant.year < 9000:
        raise BadRequest("until must have an offset, as in 2026-11-28T18:00Z")
    return instant


async def show(request: Request) -> Response:
    """Answer with the timeline."""
    screen = await read(request, query(request))
    is_collapsed = is_set(request, "collapse")
    axis = TimeAxis(screen.since, screen.until, ZoneInfo(screen.zone), screen.idle if is_collapsed else ())
    values = {
        "screen": screen,
        "spans": SPANS,
        "smaller": next((name for name in reversed(SPANS) if SPANS[name] < screen.until - screen.since), ""),
        "span": next(name for name, span in SPANS.items() if span == screen.until - screen.since),
        "axis_heading": axis_heading(axis),
        "has_unknown_ends": any(
            attempt.unknown_until for row in screen.rows for bar in row.bars for attempt in bar.attempts
        ),
        "totals": _totals_of(screen),
        "text": optional_text(request, "q") or "",
        "offset": number(request, "offset", 0),
        "size": JOBS_SHOWN,
        "previous": find_previous_offset(number(request, "offset", 0), JOBS_SHOWN, screen.jobs_extent.total),
        "axis": inlined(draw_axis(axis, screen)),
        "rows": [(row, inlined(draw_row(row, axis, screen))) for row in screen.rows],
        "row_numbers": timeline_table(screen, ZoneInfo(screen.zone)),
        "concurrency": inlined(draw_concurrency(screen, axis)),
        "concurrency_numbers": concurrency_table(screen, ZoneInfo(screen.zone)),
        "earlier": (screen.until - (screen.until - screen.since) / 2).isoformat(),
        "later": (screen.until + (screen.until - screen.since) / 2).isoformat(),
        "is_collapsed": is_collapsed,
        "is_moving": optional_text(request, "until") is None,
    }
    return await page(request, "timeline.html", title="Timeline", section="Timeline", values=values)


def _totals_of(screen: Timeline) -> Mapping[str, int]:
    """Return the numbers of all jobs, with all skips together as in the rows: a guard skips runs, also at once."""
    totals = dict(screen.totals)
    skipped = totals.pop("skipped", 0) + totals.pop("skipped_runs", 0)
    return {**totals, "skipped": skipped}
