"""The last occurrences of a job: a column for each, as high as its run took, hollow where nothing ran."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from math import log10

from rae_auto.model.figures.durations import UsualDuration
from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.views.charts.svg import STATE_CLASSES, ChartTable, chart, element, rectangle, title
from rae_auto.views.screens.job_page import OccurrenceMark

HEIGHT = 84
TOP = 64
MIN_BAR = 4.0
COLUMNS = 60


def draw_occurrences(marks: Sequence[OccurrenceMark], usual: UsualDuration | None, zone: tzinfo) -> str:
    """Return the marks, oldest first; heights grow with the logarithm of the duration. Bands show what is usual."""
    max_duration = max((mark.duration for mark in marks if mark.duration is not None), default=timedelta(0))
    width = 100 / COLUMNS
    first = COLUMNS - len(marks)
    columns = [_column(mark, (first + number) * width, width, max_duration, zone) for number, mark in enumerate(marks)]
    bad = sum(STATE_CLASSES.get(mark.state) == "bad" for mark in marks)
    skipped = sum(mark.state == "skipped" for mark in marks)
    label = f"The last {format_count(len(marks), 'occurrence')}: {bad} failed, {skipped} skipped."
    return chart(
        _band(usual, max_duration),
        element("line", x1="0%", x2="100%", y1=HEIGHT - 10, y2=HEIGHT - 10, class_="base"),
        *columns,
        height=HEIGHT,
        label=label,
        css="occurrences",
    )


def _height(duration: timedelta, max_duration: timedelta) -> float:
    whole = log10(1 + max(max_duration.total_seconds(), 0.001) * 20)
    return max(log10(1 + duration.total_seconds() * 20) / whole * TOP, MIN_BAR)


def _band(usual: UsualDuration | None, max_duration: timedelta) -> str:
    if usual is None:
        return ""
    high, low = _height(min(usual.p95, max_duration), max_duration), _height(min(usual.p50, max_duration), max_duration)
    text = f"half of the runs take at most {format_elapsed(usual.p50)}, 95 % at most {format_elapsed(usual.p95)}"
    return element(
        "g",
        title(text),
        element("rect", x="0%", width="100%", y=HEIGHT - 10 - high, height=max(high - low, 1.0), class_="band"),
    )


def _column(mark: OccurrenceMark, x: float, width: float, max_duration: timedelta, zone: tzinfo) -> str:
    group = STATE_CLASSES.get(mark.state, "skipped")
    is_hollow = mark.started_at is None
    height = 10.0 if is_hollow or mark.duration is None else _height(mark.duration, max_duration)
    took = "" if mark.duration is None else f", {format_elapsed(mark.duration)}"
    reason = f" ({mark.text})" if mark.text else ""
    text = f"{_when(mark, zone)}: {_state(mark)}{took}{reason}"
    css = f"{group} hollow" if is_hollow else group
    bar = rectangle(x + width * 0.14, width * 0.72, HEIGHT - 10 - height, height, css)
    return f"<g>{title(text)}{bar}</g>"


def _when(mark: OccurrenceMark, zone: tzinfo) -> str:
    return f"{mark.due_at.astimezone(zone):%a %Y-%m-%d %H:%M:%S}"


def _state(mark: OccurrenceMark) -> str:
    return mark.state.replace("_", " ")


def occurrences_table(marks: Sequence[OccurrenceMark], zone: tzinfo) -> ChartTable:
    """Return the marks, oldest first."""
    rows = tuple(
        (_when(mark, zone), _state(mark), "-" if mark.duration is None else format_elapsed(mark.duration), mark.text)
        for mark in marks
    )
    return ChartTable("The last occurrences", ("due", "state", "took", "why"), rows)
