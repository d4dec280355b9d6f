"""A day as a grid: a row for each hour, a field for each minute, darker where more starts fall together."""

from datetime import tzinfo

from rae_auto.views.charts.svg import ChartTable, chart, element, rectangle, text_of, title
from rae_auto.views.screens.month import DayGrid, GridHour

ROW = 17
LEFT = 9.0
"""The part of the width, in percent, that the labels of the hours take."""

LEVELS = (1, 2, 4, 8)
"""The numbers of starts from which a field has the next darker tone."""


def draw_day(screen: DayGrid) -> str:
    """Return the grid of a day: runs of the past filled, expected starts outlined."""
    rows = [_draw_hour(hour, number) for number, hour in enumerate(screen.hours)]
    width = (100 - LEFT) / 60
    minutes = [
        element("text", f":{minute:02}", x=f"{LEFT + minute * width:.3f}%", y=11, class_="tick-label start")
        for minute in range(0, 60, 10)
    ]
    past = sum(sum(hour.past) for hour in screen.hours)
    expected = sum(sum(hour.expected) for hour in screen.hours)
    label = f"{screen.date}: {past} runs, {expected} expected starts, by hour and minute"
    return chart(*minutes, *rows, height=16 + ROW * len(screen.hours), label=label, css="day-grid")


def _draw_hour(hour: GridHour, number: int) -> str:
    y = 16 + ROW * number
    parts = [element("text", text_of(hour.label), x="0%", y=y + 12, class_="tick-label start")]
    parts.append(element("rect", x=f"{LEFT}%", width=f"{100 - LEFT}%", y=y, height=ROW - 2, rx=2, class_="lane-ground"))
    width = (100 - LEFT) / 60
    for minute, (past, expected) in enumerate(zip(hour.past, hour.expected, strict=True)):
        if not past and not expected:
            continue
        level = sum(past + expected >= least for least in LEVELS)
        words = title(f"{hour.label}:{minute:02}: {past} ran, {expected} expected")
        left, css = LEFT + minute * width + width * 0.08, f"{'ran' if past else 'expected'} level-{level}"
        parts.append(rectangle(left, width * 0.84, y + 1, ROW - 4, css, inner=words))
    return element("g", *parts)


def day_grid_table(grid: DayGrid, zone: tzinfo) -> ChartTable:
    """Return the busiest minutes of a day."""
    rows = tuple(
        (f"{minute.at.astimezone(zone):%H:%M}", f"{minute.count:,}", ", ".join(minute.jobs)) for minute in grid.busiest
    )
    return ChartTable(f"The busiest minutes of {grid.date}", ("minute", "starts", "jobs"), rows)
