"""Elements of SVG. Positions along the time are in percent, so that a chart is as wide as its place on the page."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from html import escape

from attrs import frozen

from rae_auto.model.primitives.escaping import escape_unprintable

TICK_STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
) + tuple(timedelta(days=days) for days in (2, 7, 14, 28))


CHART_STYLE = """
.gantt .phase{fill:#2f6fb7}
.chart{display:block;overflow:visible}.chart text{font:11px system-ui,sans-serif;fill:#5c6670;text-anchor:middle}
.chart text.start{text-anchor:start}.chart text.end{text-anchor:end}.chart .tick{stroke:#dde2e7}
.chart .base{stroke:#9aa4ae}.chart .good{fill:#1a7f4b}.chart .bad{fill:#b3261e}.chart .stopped{fill:#6b5b7b}
.chart .running{fill:#2f6fb7}.chart .waiting,.chart .late,.chart .unknown{fill:#d7b98a}
.chart .world,.chart .idle{fill:#9aa4ae;fill-opacity:.3}.chart .limit{stroke:#b3261e;stroke-dasharray:4 3}
.chart .skipped,.chart .hollow{fill:none;stroke:#7a848e}.chart .expected{fill:#dbe8f6;stroke:#7fa6d1}
.chart .future{fill:#eef4fa}.chart .now{stroke:#2f6fb7;stroke-width:2}.chart .band{fill:#d8ecdf}
.chart .median{stroke:#2f6fb7;stroke-width:2}.chart .spread{stroke:#9dbfe3;stroke-width:3}.chart .point{fill:#2f6fb7}
.gantt text.phase-label{text-anchor:start;fill:#1c2024}.gantt text.before{text-anchor:end}.gantt .due{fill:#9aa4ae}
.gantt text.on-solid{fill:#fff}.gantt .retry-delay{fill:none;stroke:#b98a3a}.gantt .stopping{fill:#b3261e}
.gantt .ended{fill:#1c2024}.gantt .exited{fill:#6b5b7b}.gantt .gone,.gantt .left{fill:none;stroke-width:2.5}
.gantt .gone{stroke:#1a7f4b}.gantt .left,.gantt .signal{stroke:#b3261e;stroke-width:3}.gantt .left{stroke-dasharray:3 2}
.gantt .down,.gantt .suspended{fill:#9aa4ae;fill-opacity:.45}.gantt .adopted{fill:#2f6fb7}
.lane-ground{fill:#eef1f4}.chart .ran{fill:#2f6fb7}.lapse .curtain{fill:none}
.day-grid .level-1{fill-opacity:.4}
.day-grid .level-2{fill-opacity:.6}.day-grid .level-3{fill-opacity:.8}
@media(prefers-color-scheme:dark){.chart text{fill:#aab4be}.chart .tick,.lane-ground{stroke:#333b43}
.chart .future{fill:#1b2733}.chart .band{fill:#1d3a29}.chart .expected{fill:#223a55}
.gantt text.phase-label{fill:#e6e9ec}}
"""
"""Colours for a picture that stands alone; the web page has its own for the same classes."""

STATE_CLASSES = {
    "succeeded": "good",
    "failed": "bad",
    "timed_out": "bad",
    "lost": "bad",
    "cancelled": "stopped",
    "interrupted": "stopped",
    "skipped": "skipped",
    "queued": "waiting",
    "retrying": "waiting",
    "starting": "running",
    "running": "running",
    "was_starting": "waiting",
    "was_running": "waiting",
}
"""The class of the marks of each state of a run."""


@frozen
class ChartTable:
    """The numbers of a picture as a table, for people who don't see it."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def element(name: str, *children: str, **attributes: object) -> str:
    """Return an element of markup; words among the children come from `text_of` or `title`.

    Underscores in names of attributes stand for hyphens, a last one is left out, and so are attributes that are None.
    """
    shown = [(key, value) for key, value in attributes.items() if value is not None]
    given = "".join([f' {_attribute_name(key)}="{_attribute_text(value)}"' for key, value in shown])
    inner = "".join(children)
    return f"<{name}{given}>{inner}</{name}>" if inner else f"<{name}{given}/>"


@lru_cache(maxsize=64)
def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _attribute_text(value: object) -> str:
    if isinstance(value, float):
        return number_text(value)
    if type(value) is int:
        return str(value)
    text = str(value)
    # Most have nothing to escape, and a page has thousands.
    return text if _PLAIN(text) else escape(escape_unprintable(text))


_PLAIN = re.compile(r"[ !#-%(-;=?-~]*").fullmatch


@lru_cache(maxsize=1_024)
def number_text(value: float) -> str:
    """Return a number with at most three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def rectangle(
    x: float, width: float, y: float, height: float, css: str, *, radius: float = 1.5, inner: str = ""
) -> str:
    """Return a rectangle: its place along the time and its width in percent, the others in pixels.

    It says the same as `element` in half of the time, because charts have hundreds of them. `css` are names of classes.
    """
    place = f'x="{x:.3f}%" width="{width:.3f}%" y="{number_text(y)}" height="{number_text(height)}"'
    given = f'{place} rx="{number_text(radius)}" class="{css}"'
    return f"<rect {given}>{inner}</rect>" if inner else f"<rect {given}/>"


def text_of(text: str) -> str:
    """Return words as the content of an element."""
    return text if _PLAIN(text) else escape(escape_unprintable(text), quote=False)


def stand_alone(svg: str) -> str:
    """Return a picture with a style of its own, for a file or a mail."""
    head, _, rest = svg.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{CHART_STYLE.strip()}</style>{rest}'


def chart(*children: str, height: int, label: str, css: str) -> str:
    """Return a chart of a height in pixels; `label` says what it shows to those who can't see it."""
    return element("svg", *children, class_=f"chart {css}", role="img", aria_label=label, height=height, width="100%")


def title(text: str) -> str:
    """Return the tooltip of the element around it."""
    return f"<title>{text_of(text)}</title>"


IDLE_PART = 0.012
"""The part of the width that remains of an omitted span."""


class TimeAxis:
    """A span of time along the width of a chart; some spans in it may be omitted but for a narrow gap."""

    def __init__(
        self, since: datetime, until: datetime, zone: tzinfo, idle: Sequence[tuple[datetime, datetime]] = ()
    ) -> None:
        self.since, self.until, self.zone, self.idle = since, until, zone, idle
        left_out = sum((end - begin).total_seconds() for begin, end in idle)
        self._seconds = max((until - since).total_seconds() - left_out, 0.001) / (1 - IDLE_PART * len(idle))
        self._ticks: dict[int, list[tuple[datetime, str]]] = {}
        self._lines: dict[tuple[int, int], str] = {}

    def number_at(self, instant: datetime) -> float:
        """Return the place of an instant in percent, at most at the ends."""
        seconds, gaps = (instant - self.since).total_seconds(), 0.0
        for begin, end in self.idle:
            if instant <= begin:
                break
            passed = (min(instant, end) - begin).total_seconds()
            seconds -= passed
            gaps += IDLE_PART * passed / (end - begin).total_seconds()
        return min(max((seconds / self._seconds + gaps) * 100, 0.0), 100.0)

    def is_left_out(self, instant: datetime) -> bool:
        """Return whether an instant is in an omitted span."""
        return any(begin < instant < end for begin, end in self.idle)

    def at(self, instant: datetime) -> str:
        """Return the place of an instant as an attribute."""
        return f"{self.number_at(instant):.3f}%"

    def width(self, since: datetime, until: datetime) -> str:
        """Return the width of a span as an attribute."""
        return f"{max(self.number_at(until) - self.number_at(since), 0.0):.3f}%"

    def ticks(self, most: int = 8) -> list[tuple[datetime, str]]:
        """Return instants at round times by the clock of the zone, and their labels."""
        if most not in self._ticks:
            self._ticks[most] = self._find_ticks(most)
        return self._ticks[most]

    def _find_ticks(self, most: int) -> list[tuple[datetime, str]]:
        shown = timedelta(seconds=self._seconds)
        step = next((one for one in TICK_STEPS if shown / one <= most), TICK_STEPS[-1])
        local = self.since.astimezone(self.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        ticks = []
        instant = midnight + ((local - midnight) // step + 1) * step
        while instant < self.until.astimezone(self.zone):
            if not self.is_left_out(instant):
                ticks.append((instant, self._label(instant, step)))
            instant += step
        return ticks

    def _label(self, instant: datetime, step: timedelta) -> str:
        if step < timedelta(minutes=1):
            return f"{instant:%H:%M:%S}"
        is_day = step >= timedelta(days=1) or (instant.hour, instant.minute) == (0, 0)
        return f"{instant:%a} {instant.day}" if is_day else f"{instant:%H:%M}"

    def draw_lines(self, height: int, most: int) -> str:
        """Return lines at round times; the same for each row of a chart, so they are made once."""
        found = self._lines.get((height, most))
        if found is None:
            places = [self.at(instant) for instant, _ in self.ticks(most)]
            found = "".join([element("line", x1=x, x2=x, y1=0, y2=height, class_="tick") for x in places])
            self._lines[height, most] = found
        return found

    def draw_ticks(self, height: int, most: int = 8, labels_at: int | None = None) -> str:
        """Return lines at round times, with their labels at the bottom."""
        parts = []
        for instant, label in self.ticks(most):
            x = self.at(instant)
            parts.append(element("line", x1=x, x2=x, y1=0, y2=height - 14, class_="tick"))
            parts.append(element("text", text_of(label), x=x, y=labels_at or height - 3, class_="tick-label"))
        return "".join(parts)
