"""A trend: the median of each step as a line, from there to the 95th percentile as a band."""

from collections.abc import Callable, Sequence
from datetime import timedelta, tzinfo

from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.charts.svg import ChartTable, chart, element, text_of, title
from rae_auto.views.screens.parts.trends import TrendPoint

HEIGHT = 72
BOTTOM = 58
TOP = 6


def draw_trend(
    points: Sequence[TrendPoint], step: timedelta, form: Callable[[float], str], name: str, zone: tzinfo
) -> str:
    """Return the trend of these points by the clock of a zone; `form` writes a value for people."""
    most = max(point.p95 for point in points) or 1.0
    span = max((points[-1].start - points[0].start) / step, 1.0)
    places = [4.0 + 92.0 * ((point.start - points[0].start) / step) / span for point in points]
    inner = [_point(point, x, most, form, zone) for point, x in zip(points, places, strict=True)]
    lines = [
        element(
            "line",
            x1=f"{a:.3f}%", x2=f"{b:.3f}%", y1=_y(one.p50, most), y2=_y(other.p50, most), class_="median",
        )
        for (a, one), (b, other) in zip(
            zip(places, points, strict=True), list(zip(places, points, strict=True))[1:], strict=False
        )
    ]  # fmt: skip
    ends = dict.fromkeys(_when(point, step, zone) for point in (points[0], points[-1]))
    marks = zip(ends, (("0%", "start"), ("100%", "end")), strict=False)
    label = f"{name}: the median of the latest step is {form(points[-1].p50)}, 95 % are at most {form(points[-1].p95)}"
    return chart(
        element("line", x1="0%", x2="100%", y1=BOTTOM, y2=BOTTOM, class_="base"),
        *lines,
        *inner,
        *(element("text", text_of(text), x=x, y=HEIGHT - 2, class_=f"tick-label {css}") for text, (x, css) in marks),
        height=HEIGHT,
        label=label,
        css="trend",
    )


def _y(value: float, most: float) -> float:
    return BOTTOM - value / most * (BOTTOM - TOP)


def _when(point: TrendPoint, step: timedelta, zone: tzinfo) -> str:
    at = point.start.astimezone(zone)
    return f"{at.day} {at:%b}{'' if step >= timedelta(days=1) else f' {at:%H:%M}'}"


def _point(point: TrendPoint, x: float, most: float, form: Callable[[float], str], zone: tzinfo) -> str:
    high, low = _y(point.p95, most), _y(point.p50, most)
    spread = f"{form(point.p50)} median, 95 % at most {form(point.p95)}"
    text = f"from {_text(point, zone)}: {spread}, {format_count(point.runs, 'run')}"
    return element(
        "g",
        title(text),
        element("line", x1=f"{x:.3f}%", x2=f"{x:.3f}%", y1=low, y2=high, class_="spread"),
        element("circle", cx=f"{x:.3f}%", cy=low, r=2.4, class_="point"),
    )


def trend_table(points: Sequence[TrendPoint], caption: str, form: Callable[[float], str], zone: tzinfo) -> ChartTable:
    """Return the points of a trend."""
    rows = tuple((_text(point, zone), f"{point.runs:,}", form(point.p50), form(point.p95)) for point in points)
    return ChartTable(caption, ("from", "runs", "median", "95 % at most"), rows)


def _text(point: TrendPoint, zone: tzinfo) -> str:
    return f"{point.start.astimezone(zone):%Y-%m-%d %H:%M}"
