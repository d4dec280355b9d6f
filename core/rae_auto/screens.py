"""Screens for command plugins: what people look at, as values to render. See `rae_auto.views.screens`.

async with open_records(context.config) as records:
    overview = await load_overview(records)
    print(overview.verdict)

A name is imported when it is first used: all of them together need half a second, most of it for the simulation.
"""

from typing import TYPE_CHECKING

from rae_auto._lazy_names import lazy_names

if TYPE_CHECKING:
    from rae_auto.explain.check_node import CheckNode, CheckResult
    from rae_auto.explain.codes.catalog import all_codes, find_codes
    from rae_auto.explain.codes.entry import CodeEntry
    from rae_auto.model.figures.durations import UsualDuration
    from rae_auto.reading.opening import open_records
    from rae_auto.reading.what_if import Assumptions, TimeAhead, WhatIfEdits, load_what_if, simulate_time_ahead
    from rae_auto.simulation.forecast import ForecastStep
    from rae_auto.views.screens.day_grid import BusyMinute, DayGrid, GridHour, load_day_grid
    from rae_auto.views.screens.digest import Digest, load_digest
    from rae_auto.views.screens.health_page import HealthPage, load_health_page
    from rae_auto.views.screens.job_list import JobHistory, JobList, JobRow, describe_skips, load_job_list
    from rae_auto.views.screens.job_page import JobPage, OccurrenceMark, load_job_page
    from rae_auto.views.screens.merged_output import (
        MAX_MERGED_RUNS,
        MergedLine,
        MergedOutput,
        MergedText,
        load_merged_output,
        load_merged_text,
    )
    from rae_auto.views.screens.merged_search import MergedSearch, search_merged_output
    from rae_auto.views.screens.month import Month, MonthDay, load_month
    from rae_auto.views.screens.output_page import OutputPage, load_output_end, load_output_page
    from rae_auto.views.screens.output_search import OutputSearch, search_output
    from rae_auto.views.screens.overview import Attention, Overview, RunningRow, WaitingRow, load_overview
    from rae_auto.views.screens.parts.absence import Absence, load_absence
    from rae_auto.views.screens.parts.base import Action, Extent, Fact, UpcomingStart
    from rae_auto.views.screens.parts.doctor_report import DoctorReport, build_doctor_report
    from rae_auto.views.screens.parts.record_source import JobsFound, RecordSource, StartsFound, WorldSpan
    from rae_auto.views.screens.parts.strip import Strip, StripCell
    from rae_auto.views.screens.parts.trends import TrendPoint, Trends
    from rae_auto.views.screens.run_page import RunPage, RunPhase, load_run_page
    from rae_auto.views.screens.timeline import (
        RunBar,
        SkipMark,
        Timeline,
        TimelineCell,
        TimelineRow,
        find_smallest_span,
        load_timeline,
    )
    from rae_auto.views.screens.what_if import WhatIf
    from rae_auto.views.screens.why_page import WhyPage, load_why_page
    from rae_auto.views.times import AWAY

_HOMES = {
    "explain.check_node": ("CheckNode", "CheckResult"),
    "explain.codes.catalog": ("all_codes", "find_codes"),
    "explain.codes.entry": ("CodeEntry",),
    "model.figures.durations": ("UsualDuration",),
    "reading.opening": ("open_records",),
    "reading.what_if": ("Assumptions", "TimeAhead", "WhatIfEdits", "load_what_if", "simulate_time_ahead"),
    "simulation.forecast": ("ForecastStep",),
    "views.screens.day_grid": ("BusyMinute", "DayGrid", "GridHour", "load_day_grid"),
    "views.screens.digest": ("Digest", "load_digest"),
    "views.screens.health_page": ("HealthPage", "load_health_page"),
    "views.screens.job_list": ("JobHistory", "JobList", "JobRow", "describe_skips", "load_job_list"),
    "views.screens.job_page": ("JobPage", "OccurrenceMark", "load_job_page"),
    "views.screens.merged_output": (
        "MAX_MERGED_RUNS",
        "MergedLine",
        "MergedOutput",
        "MergedText",
        "load_merged_output",
        "load_merged_text",
    ),
    "views.screens.merged_search": ("MergedSearch", "search_merged_output"),
    "views.screens.month": ("Month", "MonthDay", "load_month"),
    "views.screens.output_page": ("OutputPage", "load_output_end", "load_output_page"),
    "views.screens.output_search": ("OutputSearch", "search_output"),
    "views.screens.overview": ("Attention", "Overview", "RunningRow", "WaitingRow", "load_overview"),
    "views.screens.parts.absence": ("Absence", "load_absence"),
    "views.screens.parts.base": ("Action", "Extent", "Fact", "UpcomingStart"),
    "views.screens.parts.doctor_report": ("DoctorReport", "build_doctor_report"),
    "views.screens.parts.record_source": ("JobsFound", "RecordSource", "StartsFound", "WorldSpan"),
    "views.screens.parts.strip": ("Strip", "StripCell"),
    "views.screens.parts.trends": ("TrendPoint", "Trends"),
    "views.screens.run_page": ("RunPage", "RunPhase", "load_run_page"),
    "views.screens.timeline": (
        "RunBar",
        "SkipMark",
        "Timeline",
        "TimelineCell",
        "TimelineRow",
        "find_smallest_span",
        "load_timeline",
    ),
    "views.screens.what_if": ("WhatIf",),
    "views.screens.why_page": ("WhyPage", "load_why_page"),
    "views.times": ("AWAY",),
}
"""The names of each module, relative to `rae_auto`."""

__getattr__, __dir__, _MODULES = lazy_names(__name__, _HOMES)

__all__ = [
    "AWAY",
    "MAX_MERGED_RUNS",
    "Absence",
    "Action",
    "Assumptions",
    "Attention",
    "BusyMinute",
    "CheckNode",
    "CheckResult",
    "CodeEntry",
    "DayGrid",
    "Digest",
    "DoctorReport",
    "Extent",
    "Fact",
    "ForecastStep",
    "GridHour",
    "HealthPage",
    "JobHistory",
    "JobList",
    "JobPage",
    "JobRow",
    "JobsFound",
    "MergedLine",
    "MergedOutput",
    "MergedSearch",
    "MergedText",
    "Month",
    "MonthDay",
    "OccurrenceMark",
    "OutputPage",
    "OutputSearch",
    "Overview",
    "RecordSource",
    "RunBar",
    "RunPage",
    "RunPhase",
    "RunningRow",
    "SkipMark",
    "StartsFound",
    "Strip",
    "StripCell",
    "TimeAhead",
    "Timeline",
    "TimelineCell",
    "TimelineRow",
    "TrendPoint",
    "Trends",
    "UpcomingStart",
    "UsualDuration",
    "WaitingRow",
    "WhatIf",
    "WhatIfEdits",
    "WhyPage",
    "WorldSpan",
    "all_codes",
    "build_doctor_report",
    "describe_skips",
    "find_codes",
    "find_smallest_span",
    "load_absence",
    "load_day_grid",
    "load_digest",
    "load_health_page",
    "load_job_list",
    "load_job_page",
    "load_merged_output",
    "load_merged_text",
    "load_month",
    "load_output_end",
    "load_output_page",
    "load_overview",
    "load_run_page",
    "load_timeline",
    "load_what_if",
    "load_why_page",
    "open_records",
    "search_merged_output",
    "search_output",
    "simulate_time_ahead",
]
