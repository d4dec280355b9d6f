"""Charts for command plugins: pictures of screens as SVG, each with a table as its twin.

A name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from rae_auto._lazy_names import lazy_names

if TYPE_CHECKING:
    from rae_auto.views.charts.day_chart import day_grid_table, draw_day
    from rae_auto.views.charts.lapse_chart import draw_lanes, lanes_table
    from rae_auto.views.charts.occurrence_chart import draw_occurrences, occurrences_table
    from rae_auto.views.charts.run_chart import draw_run, run_table
    from rae_auto.views.charts.strip_chart import draw_strip, strip_table
    from rae_auto.views.charts.svg import ChartTable, TimeAxis, stand_alone
    from rae_auto.views.charts.timeline_chart import (
        axis_heading,
        concurrency_table,
        draw_axis,
        draw_concurrency,
        draw_row,
        timeline_table,
    )
    from rae_auto.views.charts.trend_chart import draw_trend, trend_table

_HOMES = {
    "views.charts.day_chart": ("day_grid_table", "draw_day"),
    "views.charts.lapse_chart": ("draw_lanes", "lanes_table"),
    "views.charts.occurrence_chart": ("draw_occurrences", "occurrences_table"),
    "views.charts.run_chart": ("draw_run", "run_table"),
    "views.charts.strip_chart": ("draw_strip", "strip_table"),
    "views.charts.svg": ("ChartTable", "TimeAxis", "stand_alone"),
    "views.charts.timeline_chart": (
        "axis_heading",
        "concurrency_table",
        "draw_axis",
        "draw_concurrency",
        "draw_row",
        "timeline_table",
    ),
    "views.charts.trend_chart": ("draw_trend", "trend_table"),
}
"""The names of each module, relative to `rae_auto`."""

__getattr__, __dir__, _MODULES = lazy_names(__name__, _HOMES)

__all__ = [
    "ChartTable",
    "TimeAxis",
    "axis_heading",
    "concurrency_table",
    "day_grid_table",
    "draw_axis",
    "draw_concurrency",
    "draw_day",
    "draw_lanes",
    "draw_occurrences",
    "draw_row",
    "draw_run",
    "draw_strip",
    "draw_trend",
    "lanes_table",
    "occurrences_table",
    "run_table",
    "stand_alone",
    "strip_table",
    "timeline_table",
    "trend_table",
]
