"""The strip: 24 hours of facts to the left of now, 24 hours of expectations to the right."""

from datetime import datetime, tzinfo
from math import sqrt
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.charts.svg import ChartTable, TimeAxis, chart, element, rectangle, title
from rae_auto.views.screens.parts.strip import STRIP_SPAN, Strip, StripCell

HEIGHT = 86
BASE = 58
"""The line on which bars stand; what was skipped hangs below it."""

TOP = 50
MIN_BAR = 3.0


def draw_strip(strip: Strip, zone: str) -> str:
    """Return the strip: bars of runs by outcome, hollow marks of skips, outlined bars of expected starts."""
    axis = TimeAxis(strip.since, strip.until, ZoneInfo(zone))
    most = max((cell.good + cell.bad + cell.stopped + cell.expected for cell in strip.cells), default=0)
    bars = [_bars(cell, axis, strip, most) for cell in strip.cells if any(_counts(cell))]
    now = axis.at(strip.now)
    totals = [sum(column) for column in zip(*map(_counts, strip.cells), strict=True)] or [0] * 5
    least = "" if strip.expected_until >= strip.now + STRIP_SPAN else "at least "
    label = (
        f"The last 24 hours: {totals[0]} succeeded, {totals[1]} failed, {totals[2]} stopped, {totals[3]} skipped. "
        f"The next 24 hours: {least}{format_count(totals[4], 'start')} expected."
    )
    return chart(
        element("rect", x=now, y=0, width=axis.width(strip.now, strip.until), height=BASE, class_="future"),
        axis.draw_ticks(HEIGHT, most=12),
        element("line", x1="0%", x2="100%", y1=BASE, y2=BASE, class_="base"),
        *bars,
        element("line", x1=now, x2=now, y1=0, y2=HEIGHT - 14, class_="now"),
        height=HEIGHT,
        label=label,
        css="strip",
    )


def _counts(cell: StripCell) -> tuple[int, int, int, int, int]:
    return cell.good, cell.bad, cell.stopped, cell.skipped, cell.expected


def _bars(cell: StripCell, axis: TimeAxis, strip: Strip, most: int) -> str:
    x, width = axis.number_at(cell.start), axis.number_at(cell.start + strip.step) - axis.number_at(cell.start)
    left, bar_width = x + width * 0.12, width * 0.76
    scale, total = TOP / sqrt(most) if most else 0.0, cell.good + cell.bad + cell.stopped + cell.expected
    parts, y = [], float(BASE)
    for count, css in ((cell.good, "good"), (cell.stopped, "stopped"), (cell.bad, "bad"), (cell.expected, "expected")):
        if count:
            height = max(scale * sqrt(total) * (count / total), MIN_BAR)
            y -= height
            parts.append(rectangle(left, bar_width, y, height, css, radius=1))
    if cell.skipped:
        parts.append(rectangle(left, bar_width, BASE + 3, 6, "skipped", radius=1))
    return f"<g>{title(_describe(cell, axis))}{''.join(parts)}</g>"


def _describe(cell: StripCell, axis: TimeAxis) -> str:
    start: datetime = cell.start.astimezone(axis.zone)
    words = ("succeeded", "failed", "stopped", "skipped", "expected")
    counts = ", ".join(f"{count} {word}" for count, word in zip(_counts(cell), words, strict=True) if count)
    return f"{start:%a %H:%M}: {counts}"


def strip_table(strip: Strip, zone: tzinfo) -> ChartTable:
    """Return the steps of a strip in which something happens."""

    def when(at: datetime) -> str:
        return f"{at.astimezone(zone):%a %H:%M}"

    rows = tuple(
        (
            when(cell.start),
            *(f"{getattr(cell, group):,}" for group in ("good", "bad", "stopped", "skipped", "expected")),
        )
        for cell in strip.cells
        if any(_counts(cell))
    )
    headers = ("from", "succeeded", "failed", "stopped", "skipped", "expected")
    return ChartTable("Runs of the last 24 hours, and starts of the next 24 hours", headers, rows)
