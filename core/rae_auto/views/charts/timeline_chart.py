"""Rows of the timeline: waiting light, running solid, skips hollow, the future outlined, and bands for downtimes."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.model.reasons import Missed
from rae_auto.views.charts.svg import STATE_CLASSES, ChartTable, TimeAxis, element, rectangle, text_of, title
from rae_auto.views.screens.parts.strip import SKIPPED
from rae_auto.views.screens.timeline import (
    ConcurrencyStep,
    ExpectedBar,
    RunBar,
    SkipMark,
    Timeline,
    TimelineCell,
    TimelineRow,
)

ROW = 24
AXIS = 22
CONCURRENCY = 58
MIN_WIDTH = 0.18
"""The width in percent at which a mark can still be seen."""


def draw_axis(axis: TimeAxis, screen: Timeline) -> str:
    """Return the axis with its labels, and where now is."""
    labels = [
        element("text", text_of(label), x=axis.at(at), y=14, class_="tick-label") for at, label in axis.ticks(most=10)
    ]
    return _svg(AXIS, *labels, *_now(screen, axis, AXIS))


def axis_heading(axis: TimeAxis) -> str:
    """Return the day with which the axis begins: "Sun 29 Nov"; its labels name each day that begins after it."""
    first = axis.since.astimezone(axis.zone)
    return f"{first:%a} {first.day} {first:%b}"


def draw_row(row: TimelineRow, axis: TimeAxis, screen: Timeline) -> str:
    """Return the marks of a job."""
    expected = [_draw_expected(bar, axis) for bar in row.expected]
    most = max((cell.good + cell.bad + cell.stopped for cell in row.cells), default=0)
    return _svg(
        ROW,
        *_bands(screen, axis, ROW),
        axis.draw_lines(ROW, most=10),
        *_draw_more_expected(row, axis, screen),
        *expected,
        *(_draw_cell(cell, axis, screen, most) for cell in row.cells),
        *(_draw_run(bar, axis, screen.now) for bar in row.bars),
        *(_draw_skip(mark, axis) for mark in row.skips),
        *_now(screen, axis, ROW),
    )


def draw_concurrency(screen: Timeline, axis: TimeAxis) -> str:
    """Return how many runs were active at the same time, and the line of `max_parallel`."""
    most = max([step.active for step in screen.concurrency] + [1])
    top = max(most, min(screen.max_parallel, most * 2))
    steps = []
    for step, end in _active_steps(screen):
        height = step.active / top * (CONCURRENCY - 8)
        text = f"{step.active} active from {step.at.astimezone(axis.zone):%a %H:%M:%S}"
        steps.append(element("g", title(text), _rect(axis, step.at, end, CONCURRENCY - height, height, "running")))
    limit: list[str] = []
    if screen.max_parallel <= top:
        y = CONCURRENCY - screen.max_parallel / top * (CONCURRENCY - 8)
        limit = [
            element("line", x1="0%", x2="100%", y1=y, y2=y, class_="limit"),
            element("text", text_of(f"max_parallel {screen.max_parallel}"), x="0%", y=y - 3, class_="tick-label start"),
        ]
    return _svg(CONCURRENCY, *_bands(screen, axis, CONCURRENCY), *steps, *limit, *_now(screen, axis, CONCURRENCY))


def _active_steps(screen: Timeline) -> Iterator[tuple[ConcurrencyStep, datetime]]:
    """Yield the steps in which runs were active, each with its end."""
    ends = [step.at for step in screen.concurrency[1:]]
    for step, end in zip(screen.concurrency, [*ends, min(screen.now, screen.until)], strict=False):
        if step.active and end > step.at:
            yield step, end


def concurrency_table(screen: Timeline, zone: tzinfo) -> ChartTable:
    """Return the times in which runs were active, and how many at once."""
    rows = tuple((_when(step.at, zone), _when(end, zone), f"{step.active:,}") for step, end in _active_steps(screen))
    return ChartTable(f"Runs at once, at most {screen.max_parallel}", ("from", "to", "at once"), rows)


def _svg(height: int, *children: str) -> str:
    # The rows of the table of numbers say the same to those who can't see the marks.
    return element("svg", *children, class_="chart lane", height=height, width="100%", aria_hidden="true")


def _rect(axis: TimeAxis, since: datetime, until: datetime, y: float, height: float, css: str) -> str:
    left = axis.number_at(since)
    width = max(axis.number_at(until) - left, MIN_WIDTH)
    return rectangle(left, width, y, height, css)


def _now(screen: Timeline, axis: TimeAxis, height: int) -> Iterator[str]:
    if screen.since < screen.now < screen.until:
        x = axis.at(screen.now)
        yield element("line", x1=x, x2=x, y1=0, y2=height, class_="now")


def _bands(screen: Timeline, axis: TimeAxis, height: int) -> Iterator[str]:
    for band in screen.bands:
        yield element("g", title(band.text), _rect(axis, band.since, band.until, 0, height, f"world {band.kind}"))
    for begin, end in axis.idle:
        text = f"nothing from {begin.astimezone(axis.zone):%a %H:%M} to {end.astimezone(axis.zone):%a %H:%M}"
        yield element("g", title(text), _rect(axis, begin, end, 0, height, "idle"))


def _draw_run(bar: RunBar, axis: TimeAxis, now: datetime) -> str:
    parts = []
    started = bar.started_at or bar.ended_at or now
    if bar.due_at < bar.queued_at:
        parts.append(_rect(axis, bar.due_at, bar.queued_at, 11, 2, "late"))
    if started > bar.queued_at:
        parts.append(_rect(axis, bar.queued_at, started, 8, 8, "waiting"))
    for attempt in bar.attempts:
        group = STATE_CLASSES.get(attempt.state, "running")
        ended_at = attempt.ended_at or now
        parts.append(_rect(axis, attempt.started_at, ended_at, 5, 14, group))
        if attempt.unknown_until is not None and attempt.unknown_until > ended_at:
            parts.append(_rect(axis, ended_at, attempt.unknown_until, 10, 4, "unknown"))
    if not bar.attempts and (bar.ended_at is not None or not parts):
        # After a wait as well, which alone would look like one that goes on.
        parts.append(_draw_end(bar.ended_at or bar.queued_at, bar.state, axis))
    late = f", {format_elapsed(bar.lateness)} late" if bar.lateness.total_seconds() >= 1 else ""
    text = f"{bar.due_at.astimezone(axis.zone):%a %H:%M:%S}: {bar.text}{late}"
    return element("a", title(text), *parts, href=f"/runs/{bar.run_id}", tabindex=-1)


def _draw_skip(mark: SkipMark, axis: TimeAxis) -> str:
    count = f"{format_count(mark.count, 'start')} " if mark.count > 1 and mark.reason != Missed.code else ""
    text = f"{mark.at.astimezone(axis.zone):%a %H:%M:%S}: {count}skipped: {mark.text}"
    if mark.since is not None and mark.since < mark.at:
        return element("g", title(text), _rect(axis, mark.since, mark.at, 8, 8, "skipped"))
    return element("g", title(text), _draw_end(mark.at, SKIPPED, axis))


def _draw_end(at: datetime, state: str, axis: TimeAxis) -> str:
    """Draw what has ended without an attempt: hollow where it was skipped."""
    group = STATE_CLASSES.get(state, SKIPPED)
    if group == SKIPPED:
        return element("circle", cx=axis.at(at), cy=ROW / 2, r=4, class_=group)
    return _rect(axis, at, at, 5, 14, group)


def _draw_more_expected(row: TimelineRow, axis: TimeAxis, screen: Timeline) -> Iterator[str]:
    """Draw the time for which more starts are expected than are shown one by one."""
    if row.expected and row.expected_until < screen.until:
        text = f"more starts are expected from {row.expected_until.astimezone(axis.zone):%a %H:%M} on"
        yield element("g", title(text), _rect(axis, row.expected_until, screen.until, 10, 4, "expected more"))


def _draw_expected(bar: ExpectedBar, axis: TimeAxis) -> str:
    what = "will be skipped" if bar.is_blocked else "expected"
    text = f"{bar.at.astimezone(axis.zone):%a %H:%M}: {what}{f' ({bar.note})' if bar.note else ''}"
    mark = (
        element("circle", cx=axis.at(bar.at), cy=ROW / 2, r=2.5, class_="skipped")
        if bar.is_blocked
        else _rect(axis, bar.at, bar.ends_at, 6, 12, "expected")
    )
    return element("g", title(text), mark)


def _draw_cell(cell: TimelineCell, axis: TimeAxis, screen: Timeline, most: int) -> str:
    left, y, marks = axis.number_at(cell.start), float(ROW - 3), ""
    width = max(axis.number_at(cell.start + screen.cell_step) - left, MIN_WIDTH)
    for count, css in ((cell.good, "good"), (cell.stopped, "stopped"), (cell.bad, "bad")):
        if count:
            height = max(count / most * (ROW - 7), 2.5)
            y -= height
            marks += rectangle(left, width, y, height, css)
    if cell.skipped and not marks:
        marks = rectangle(left, width, ROW - 9, 5, "skipped")
    return f"<g>{title(f'{cell.start.astimezone(axis.zone):%a %H:%M}: {describe_cell(cell)}')}{marks}</g>"


def describe_cell(cell: TimelineCell) -> str:
    """Return the numbers of a cell that aren't 0: "3 succeeded, 1 failed"."""
    counts = ((cell.good, "succeeded"), (cell.bad, "failed"), (cell.stopped, "stopped"), (cell.skipped, "skipped"))
    return ", ".join([f"{count} {word}" for count, word in counts if count])


def timeline_table(timeline: Timeline, zone: tzinfo) -> ChartTable:
    """Return the rows of a timeline with their numbers, and what happened last."""
    rows = tuple(
        (
            row.job if row.name in ("", row.job) else f"{row.job} ({row.name})",
            f"{row.runs:,}",
            f"{row.skipped:,}",
            f"{len(row.expected):,}",
            f"{_when(row.bars[-1].queued_at, zone)}: {row.bars[-1].text}" if row.bars else "-",
        )
        for row in timeline.rows
    )
    return ChartTable("Jobs over time", ("job", "runs", "skipped", "expected", "newest run"), rows)


def _when(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%a %d %H:%M:%S}"
