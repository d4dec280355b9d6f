"""The life of a run as a Gantt chart: due, decided, waiting, each attempt, its end; a row for each phase."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.views.charts.svg import STATE_CLASSES, ChartTable, TimeAxis, chart, element, text_of, title
from rae_auto.views.screens.run_page import RunPage, RunPhase

ROW = 26

ROOM_FOR_LABEL = 55
"""The part of the width, in percent, that the longest label may take beside a bar; else it stands on the bar."""

NARROW_LABEL = 24
"""Letters of a label for which 45 % of 290 pixels have room."""

SOLID = frozenset({"attempt", "stopping"})

LABELS = {
    "due": "due",
    "late": "late",
    "waiting": "waited",
    "attempt": "attempt",
    "unknown": "unknown",
    "signal": "signal",
    "exited": "exited",
    "gone": "gone",
    "left": "not gone",
    "retry_delay": "retry delay",
    "stopping": "stopping",
    "ended": "ended",
    "down": "no daemon",
    "suspended": "suspended",
    "adopted": "taken over",
}


def draw_run(screen: RunPage) -> str:
    """Return the chart of a run's phases."""
    since = min(phase.since for phase in screen.phases)
    until = max((phase.until or screen.now for phase in screen.phases), default=screen.now)
    until = max(until, since + timedelta(milliseconds=100))
    axis = TimeAxis(since - (until - since) * 0.02, until + (until - since) * 0.04, ZoneInfo(screen.zone))
    height = ROW * len(screen.phases) + 20
    rows = [_row(phase, number, axis, screen.now) for number, phase in enumerate(screen.phases)]
    label = "; ".join(map(_spoken, screen.phases))
    return chart(axis.draw_ticks(height, most=6), *rows, height=height, label=label, css="gantt")


def _spoken(phase: RunPhase) -> str:
    name = LABELS.get(phase.kind, phase.kind)
    return phase.text if phase.text.startswith(name) else f"{name}: {phase.text}"


def _row(phase: RunPhase, number: int, axis: TimeAxis, now: datetime) -> str:
    y, until = ROW * number + 4, phase.until or now
    length = until - phase.since
    text = f"{phase.text} ({format_elapsed(length)})" if length else phase.text
    outcome = f" {STATE_CLASSES[phase.state]}" if phase.state in STATE_CLASSES else ""
    css = f"{phase.kind.replace('_', '-')}{' open' if phase.until is None else ''}{outcome}"
    if not length:
        mark = _draw_instant(phase.kind, axis.at(phase.since), y + 9, css)
    else:
        mark = element(
            "rect", x=axis.at(phase.since), width=axis.width(phase.since, until), y=y + 2, height=14, rx=3,
            class_=f"phase {css}",
        )  # fmt: skip
    left, right = axis.number_at(phase.since), axis.number_at(until)
    room = ROOM_FOR_LABEL if length else 50
    if right <= room:
        x, shift, place = right, 8, ""
    elif left >= 100 - room:
        x, shift, place = left, -8, " before"
    else:
        x, shift, place = left, 8, " on-solid" if phase.kind in SOLID else ""
    words = element("text", *_words(_short(text)), x=f"{x:.3f}%", dx=shift, y=y + 13, class_=f"phase-label{place}")
    return element("g", title(text), mark, words)


def _draw_instant(kind: str, x: str, y: int, css: str) -> str:
    """Return the mark of an instant: a signal is a stroke, a verified end a ring, all others are dots."""
    if kind == "signal":
        return element("line", x1=x, x2=x, y1=y - 7, y2=y + 7, class_=f"phase {css}")
    return element("circle", cx=x, cy=y, r=4.5, class_=f"phase {css}")


def _words(text: str) -> Iterator[str]:
    """Yield a label as the words that fit into a narrow picture, and the others, which a style can hide there."""
    head = re.split(r"[:,;] | \(", text, maxsplit=1)[0]
    if len(head) > NARROW_LABEL:
        head = head[: NARROW_LABEL + 1].rpartition(" ")[0] or head[:NARROW_LABEL]
    yield text_of(head)
    if head != text:
        yield element("tspan", text_of(text[len(head) :]), class_="more")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def run_table(page: RunPage, zone: tzinfo) -> ChartTable:
    """Return the phases of a run."""

    def when(at: datetime) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"

    rows = tuple(
        (
            phase.kind.replace("_", " "),
            when(phase.since),
            "goes on" if phase.until is None else format_elapsed(max(phase.until - phase.since, timedelta(0))),
            phase.text,
        )
        for phase in page.phases
    )
    return ChartTable(f"The life of run {page.run_id}", ("phase", "from", "for", "what"), rows)
