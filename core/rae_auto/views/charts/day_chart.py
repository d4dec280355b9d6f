"""A day as a grid: a row for each hour, a field for each minute, darker where more starts fall together."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from rae_auto.views.charts.svg import ChartTable, chart, element, text_of
from rae_auto.views.screens.day_grid import DayGrid, GridHour
from rae_auto.views.screens.parts.base import expected_text

ROW = 17
LEFT = 9.0
"""The part of the width, in percent, that the labels of the hours take."""

LEVELS = (1, 2, 4, 8)
"""The numbers of starts from which a field has the next darker tone."""


def draw_day(screen: DayGrid) -> str:
    """Return the grid of a day: runs filled, failed ones in their colour, skips hollow, expected starts paler."""
    rows = [_draw_hour(hour, number) for number, hour in enumerate(screen.hours)]
    width = (100 - LEFT) / 60
    minutes = [
        element("text", f":{minute:02}", x=f"{LEFT + minute * width:.3f}%", y=11, class_="tick-label start")
        for minute in range(0, 60, 10)
    ]
    past = sum(sum(hour.past) for hour in screen.hours)
    count, is_complete = sum(sum(hour.expected) for hour in screen.hours), all(one.is_complete for one in screen.hours)
    expected = expected_text(count, is_complete=is_complete)
    failed = f", {bad} failed" if (bad := sum(sum(hour.bad) for hour in screen.hours)) else ""
    label = f"{screen.date}: {past} runs{failed}, {expected} expected starts, by hour and minute"
    return chart(*minutes, *rows, height=16 + ROW * len(screen.hours), label=label, css="day-grid")


def _draw_hour(hour: GridHour, number: int) -> str:
    y = 16 + ROW * number
    parts = [element("text", text_of(hour.label), x="0%", y=y + 12, class_="tick-label start")]
    parts.append(element("rect", x=f"{LEFT}%", width=f"{100 - LEFT}%", y=y, height=ROW - 2, rx=2, class_="lane-ground"))
    clock, row = _clock_of(text_of(hour.label)), f'y="{y + 1}" height="{ROW - 4}" rx="1.5"'
    for minute, (past, bad, skipped, expected) in _minutes_of(hour):
        if past or expected or skipped:
            css = f"{'ran' if past else 'expected'} level-{bisect_right(LEVELS, past + expected)}"
            css = "bad" if bad else css if past or expected else "skipped"
            failed = f" ({bad} failed)" if bad else ""
            left_out = f", {skipped} skipped" if skipped else ""
            words = f"<title>{clock[minute]}: {past} ran{failed}{left_out}, {expected} expected</title>"
            parts.append(f'<rect {_PLACES[minute]} {row} class="{css}">{words}</rect>')
    return element("g", *parts)


_WIDTH = (100 - LEFT) / 60
_PLACES = [f'x="{LEFT + minute * _WIDTH + _WIDTH * 0.08:.3f}%" width="{_WIDTH * 0.84:.3f}%"' for minute in range(60)]
"""The attributes of each minute's place in its hour: a day has 1,440 fields."""


def day_grid_table(grid: DayGrid) -> ChartTable:
    """Return the minutes of a day in which something happens; equal ones that follow each other are one row."""
    minutes = [
        (clock[number], numbers)
        for hour, clock in ((hour, _clock_of(hour.label)) for hour in grid.hours)
        for number, numbers in _minutes_of(hour)
    ]
    rows = []
    for numbers, group in groupby(minutes, key=itemgetter(1)):
        if any(numbers):
            (first, _), *others = group
            last = f" to {others[-1][0]}" if others else ""
            rows.append((f"{first}{last}", *map(_number_text, numbers)))
    headers = ("minute", "ran", "failed", "skipped", "expected")
    return ChartTable(f"{grid.date}, minute by minute: the numbers of each minute", headers, tuple(rows))


@lru_cache(maxsize=1_024)
def _number_text(number: int) -> str:
    return f"{number:,}"


def _minutes_of(hour: GridHour) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Yield each minute of an hour, which may begin after :00, with the numbers of past, bad, skipped and expected."""
    return enumerate(zip(hour.past, hour.bad, hour.skipped, hour.expected, strict=True), hour.first_minute)


def _clock_of(hour: str) -> list[str]:
    """Return the minutes of an hour: "02:30" for one, or "02:30 CEST" where the hour comes twice."""
    digits, space, zone = hour.partition(" ")
    return [f"{digits}{minute}{space}{zone}" for minute in _MINUTES]


_MINUTES = [f":{minute:02}" for minute in range(60)]
