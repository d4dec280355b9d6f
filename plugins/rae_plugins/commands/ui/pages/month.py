"""Month: a calendar of outcomes and expectations; a day opens its 24 hours of 60 minutes."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import day_grid_table, draw_day
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote, quote_some
from rae_auto.screens import (
    DayGrid,
    Month,
    MonthDay,
    RecordSource,
    StartsFound,
    UpcomingStart,
    load_day_grid,
    load_month,
)
from rae_plugins.commands.ui.pages.requests import optional_number, optional_text
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, read

MAX_CALENDAR_ENTRIES = 5_000
MAX_STARTS_OF_JOB = 200
"""Starts in a month up to which a job is in the calendar file of all jobs: six a day."""

MAX_LINE_BYTES = 75
"""Bytes of a line of a calendar file."""

MIN_YEAR, MAX_YEAR = 1971, 9000

SHOWN_ROWS = 5
"""Rows of failures, and of skips, above the grid of a day; others are folded."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def query(request: Request) -> Callable[[RecordSource], Awaitable[Month]]:
    """Return what reads the screen: by default of the present month."""
    year = optional_number(request, "year", low=MIN_YEAR, high=MAX_YEAR)
    month = optional_number(request, "month", low=1, high=12)

    async def load(source: RecordSource) -> Month:
        today = source.now().astimezone(source.zone)
        return await load_month(source, year or today.year, month or today.month)

    return load


def day_query(request: Request) -> Callable[[RecordSource], Awaitable[DayGrid]]:
    """Return what reads a day."""
    text = request.path_params["date"]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"the day must be like 2026-11-28, not {quote(text[:40])}") from None
    if not MIN_YEAR <= day.year <= MAX_YEAR:
        raise BadRequest(f"the year must be from {MIN_YEAR} to {MAX_YEAR}")

    async def load(source: RecordSource) -> DayGrid:
        return await load_day_grid(source, day)

    return load


async def show(request: Request) -> Response:
    """Answer with the calendar of a month."""
    screen = await read(request, query(request))
    first = date(screen.year, screen.month, 1)
    values = {
        "screen": screen,
        "first": first,
        "weeks": list(_weeks(screen)),
        "weekdays": WEEKDAYS,
        "max_starts": MAX_STARTS_OF_JOB,
        "before": first - timedelta(days=1),
        "after": first + timedelta(days=31),
        "today": screen.now.astimezone(ZoneInfo(screen.zone)).date(),
    }
    return await page(request, "month.html", title=f"{first:%B %Y}", section="Month", values=values)


def _weeks(screen: Month) -> Iterator[list[MonthDay | None]]:
    days: list[MonthDay | None] = [None] * screen.days[0].date.weekday()
    days += screen.days
    days += [None] * (-len(days) % 7)
    yield from (days[start : start + 7] for start in range(0, len(days), 7))


async def show_day(request: Request) -> Response:
    """Answer with a day, minute by minute."""
    screen = await read(request, day_query(request))
    values = {
        "screen": screen,
        "chart": inlined(draw_day(screen)),
        "shown_rows": SHOWN_ROWS,
        "minutes": day_grid_table(screen),
        "before": screen.date - timedelta(days=1),
        "after": screen.date + timedelta(days=1),
    }
    return await page(request, "day.html", title=f"{screen.date:%a} {screen.date}", section="Month", values=values)


async def export(request: Request) -> Response:
    """Answer with the starts to come of a month as a calendar file, of a job or of all but those that start often."""
    screen, job = await read(request, query(request)), optional_text(request, "job")
    zone = ZoneInfo(screen.zone)
    begin = datetime.combine(screen.days[0].date, time(), zone)
    end = datetime.combine(screen.days[-1].date + timedelta(days=1), time(), zone)

    async def load(source: RecordSource) -> StartsFound:
        since = max(source.now(), begin - timedelta(microseconds=1))
        if since >= end:
            return StartsFound([], end)
        max_each = MAX_STARTS_OF_JOB + 1 if job is None else None
        return await source.starts(job, since, end, MAX_CALENDAR_ENTRIES, max_each=max_each)

    found = await read(request, load)
    counts = Counter(start.job for start in found.starts)
    crowded = set[str]() if job is not None else {name for name, count in counts.items() if count > MAX_STARTS_OF_JOB}
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rae-auto//ui//EN"]
    if notes := list(_notes(found, end, crowded, zone)):
        lines.append(f"X-WR-CALDESC:{_escape('; '.join(notes))}")
    stamp = f"{screen.now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    for start in found.starts:
        if start.due_at < end and start.job not in crowded:
            lines += _event(start, stamp)
    text = "\r\n".join([*map(_fold, lines), "END:VCALENDAR", ""])
    name = f"rae-auto-{screen.year}-{screen.month:02}.ics"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/calendar; charset=utf-8", headers=headers)


def _notes(found: StartsFound, end: datetime, crowded: Collection[str], zone: ZoneInfo) -> Iterator[str]:
    """Yield what the file doesn't have."""
    if found.until < end:
        yield f"More starts are expected after {found.until.astimezone(zone):%Y-%m-%d %H:%M}"
    if crowded:
        verb = "starts" if len(crowded) == 1 else "start"
        yield f"Without {quote_some(sorted(crowded))}, which {verb} more than {MAX_STARTS_OF_JOB} times in the month"


def _event(start: UpcomingStart, stamp: str) -> Iterator[str]:
    at = f"{start.due_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    yield from ("BEGIN:VEVENT", f"UID:{start.job}-{at}@rae-auto", f"DTSTAMP:{stamp}", f"DTSTART:{at}", "DURATION:PT1M")
    yield f"SUMMARY:{_escape(start.job)}"
    if start.note:
        yield f"DESCRIPTION:{_escape(start.note)}"
    yield from ("TRANSP:TRANSPARENT", "END:VEVENT")


def _fold(text: str) -> str:
    """Return a line in parts of at most 75 bytes, as RFC 5545 has them (section 3.1)."""
    if len(text.encode()) <= MAX_LINE_BYTES:
        return text
    parts, size = [""], 0
    for char in text:
        width = len(char.encode())
        if size + width > MAX_LINE_BYTES:
            parts.append("")
            # The space before it counts, too.
            size = 1
        parts[-1] += char
        size += width
    return "\r\n ".join(parts)


def _escape(text: str) -> str:
    """Return a text as a value of a calendar file."""
    return " ".join(text.split()).replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
