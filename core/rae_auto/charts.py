"""Charts for command plugins: pictures of screens as SVG, each with a table as its twin."""

from rae_auto.views.charts.day_chart import day_grid_table, draw_day
from rae_auto.views.charts.lapse_chart import draw_lanes
from rae_auto.views.charts.occurrence_chart import draw_occurrences
from rae_auto.views.charts.run_chart import draw_run, run_table
from rae_auto.views.charts.strip_chart import draw_strip, strip_table
from rae_auto.views.charts.svg import ChartTable, TimeAxis, stand_alone
from rae_auto.views.charts.timeline_chart import draw_axis, draw_concurrency, draw_row, timeline_table
from rae_auto.views.charts.trend_chart import draw_trend, trend_table

__all__ = [
    "ChartTable",
    "TimeAxis",
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
    "run_table",
    "stand_alone",
    "strip_table",
    "timeline_table",
    "trend_table",
]
