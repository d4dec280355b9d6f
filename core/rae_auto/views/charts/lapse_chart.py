"""The time-lapse: a lane for each job, with a mark for each step in which it starts or is skipped.

One unit is one step. A curtain over the right part, which the script moves, hides what is still to come.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rae_auto.views.charts.svg import ChartTable, element

LEVELS = (1, 2, 4)
"""The least starts in a step from which the next darker shade is used."""


def draw_lanes(playback: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the jobs of a playback with their lanes."""
    return [(lane["job"], _draw(lane["starts"], lane["skips"])) for lane in playback["lanes"]]


def _draw(starts: Sequence[int], skips: Sequence[int]) -> str:
    parts = [element("path", class_=css, d=path) for css, path in _paths(starts, skips) if path]
    steps = len(starts)
    curtain = element("rect", class_="curtain", x=steps, width=steps, height=10)
    return element(
        "svg",
        *parts,
        curtain,
        class_="chart lane lapse",
        viewBox=f"0 0 {steps} 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _paths(starts: Sequence[int], skips: Sequence[int]) -> Iterator[tuple[str, str]]:
    for level, least in enumerate(LEVELS, 1):
        above = LEVELS[level] if level < len(LEVELS) else 1 << 62
        steps = [number for number, count in enumerate(starts) if least <= count < above]
        yield f"ran level-{level}", "".join(f"M{number} 1h1v8h-1z" for number in steps)
    yield "skipped", "".join(f"M{number + 0.25:g} 4h.5v2h-.5z" for number, count in enumerate(skips) if count)


def lanes_table(playback: Mapping[str, Any], zone: tzinfo) -> ChartTable:
    """Return how often each job of a playback starts and is skipped, and in which steps it starts first and last."""
    steps = [datetime.fromisoformat(step["at"]) for step in playback["steps"]]

    def when(at: datetime) -> str:
        return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M}"

    rows = []
    for lane in playback["lanes"]:
        started = [at for at, count in zip(steps, lane["starts"], strict=True) if count]
        ends = (when(started[0]), when(started[-1])) if started else ("-", "-")
        rows.append((lane["job"], f"{sum(lane['starts']):,}", f"{sum(lane['skips']):,}", *ends))
    headers = ("job", "starts", "skips", "first start", "last start")
    return ChartTable("Starts and skips of each job", headers, tuple(rows))
