"""One frame as lines, as `--once` prints them, and the parts of which the full-screen view is made."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from rae_auto.toolkit.text_cells import count_cells
from rae_plugins.commands.top.cells import (
    activity_mark,
    clock_text,
    state_mark,
    strip_of_day,
    strip_of_marks,
    took_part,
    usual_text,
)
from rae_plugins.commands.top.styled_lines import Line, Part, cells_of, cut, fit, line, wrap

if TYPE_CHECKING:
    from rae_auto.screens import Attention, JobList, JobRow, Overview

PANE_NAMES = ("output", "why", "next", "history", "life", "timeline", "month", "health", "help")
LARGE_PANES = ("timeline", "month", "health", "help")
ENDED = frozenset({"succeeded", "failed", "timed_out", "lost", "cancelled", "interrupted"})
"""The states of occurrences with a run that started and ended."""

COLUMN_WIDTHS = {"next": 13, "marks": 10, "last": 15, "took": 13, "usual": 13}
"""The columns beside the name, from the one that is left out last to the one that is left out first.

Each leaves a gap behind its longest text; the marks are the last column.
"""

MARGIN = 3
MIN_NAME_WIDTH = 14
UPCOMING_WIDTH = 13
MAX_NAME_WIDTH = 32
MIN_SHOWN_NAME = 6
"""Columns from which on the name for people is shown beside the id of a job."""
MIN_SCHEDULE_WIDTH = 12


class PaneRequest(NamedTuple):
    """A request for a pane: about the selected job, if there is one, in some size."""

    row: "JobRow | None"
    width: int
    height: int


def verdict_line(overview: "Overview", width: int, now: datetime) -> Line:
    """Return whether all is well at an instant, and which daemon says so."""
    mark = Part(" ● ", "good") if overview.ok else Part(" ▲ ", "bad")
    process = f"pid {overview.daemon.pid}" if overview.daemon.pid else overview.daemon.state
    daemon = f"rae-auto {overview.daemon.version}, {process} "
    left = cut((mark, Part(overview.verdict_at(now), "strong")), width - 1)
    gap = width - cells_of(left) - len(daemon)
    return (*left, Part(" " * gap), Part(daemon, "muted")) if gap > 0 else left


def _verdict_lines(overview: "Overview", width: int) -> list[Line]:
    """Return the verdict in as many lines as it needs."""
    first = verdict_line(overview, width, overview.now)
    mark = line(first[0])
    whole = (*mark, Part(overview.verdict))
    return [first] if cells_of(whole) < width else wrap(overview.verdict, width, "strong", mark)


def attention_lines(overview: "Overview", width: int, *, has_keys: bool) -> list[Line]:
    """Return what needs a person, each in a line; of many the first ones, and how many more there are.

    With `has_keys` those for which something can be done here have their number, which is the key for it; the others
    have the command to type in a shell.
    """
    found = overview.attention[:MAX_ATTENTION_LINES]
    lines = [_attention_line(one, width, number if has_keys else None) for number, one in enumerate(found, 1)]
    more = overview.attention_extent.total - len(found)
    return [*lines, line(Part(f"   and {more} more", "muted"))] if more > 0 else lines


def _attention_line(one: "Attention", width: int, number: int | None) -> Line:
    has_key = number is not None and one.action.kind in ATTENTION_ACTIONS
    action = f" [{number}] {one.action.label} " if has_key else f" {one.action.command} "
    left = cut((*_attention_mark(one), Part(one.why)), width - count_cells(action) - 1)
    return (*left, Part(" " * (width - cells_of(left) - count_cells(action))), Part(action, "muted"))


def _whole_attention_lines(overview: "Overview", width: int) -> list[Line]:
    """Return what needs a person in as many lines as it needs, each with the command to type."""
    lines = []
    for one in overview.attention[:MAX_PRINTED_ROWS]:
        mark = _attention_mark(one)
        if cells_of((*mark, Part(one.why))) + count_cells(one.action.command) + 2 < width:
            lines.append(_attention_line(one, width, None))
        else:
            lines += wrap(one.why, width, begin=mark)
            lines += wrap(one.action.command, width, "muted", line("   → "))
    more = overview.attention_extent.total - len(overview.attention[:MAX_PRINTED_ROWS])
    return [*lines, line(Part(f"   and {more} more", "muted"))] if more > 0 else lines


def _attention_mark(one: "Attention") -> Line:
    return line(" ", state_mark("retrying") if one.kind in ("waiting", "undelivered") else Part("!", "bad"), " ")


FIXED_LINES = 6
"""Lines of a view beside what needs a person, the jobs and the lower pane."""

LOWER_LINES = 9
"""Lines of the lower pane where the jobs need all others; in a very low terminal, it has fewer."""

MIN_JOB_LINES = 3
MAX_ATTENTION_LINES = 4
MAX_PRINTED_ROWS = 20
ATTENTION_ACTIONS = ("run", "cancel")
"""The kinds of actions on what needs a person that the view can carry out itself."""


def lower_height(height: int, attention: int, jobs: int) -> int:
    """Return the lines of the lower pane in a view of some height: those that the jobs don't need."""
    room = height - FIXED_LINES - attention
    return max(room - max(jobs, MIN_JOB_LINES), min(LOWER_LINES, room - MIN_JOB_LINES), 1)


def day_line(overview: "Overview", zone: ZoneInfo, width: int) -> Line:
    """Return a day back and a day ahead in one line."""
    strip = overview.strip
    since, until = (at.astimezone(zone).strftime(" %a %H:%M ") for at in (strip.since, strip.until))
    parts = strip_of_day(strip.cells, max(width - len(since) - len(until), 0))
    return (Part(since, "muted"), *parts, Part(until, "muted"))


def columns_for(width: int) -> frozenset[str]:
    """Return which columns a view of some width has room for, beside the names."""
    left = width - MARGIN - MIN_NAME_WIDTH
    shown = set()
    for name, column_width in COLUMN_WIDTHS.items():
        left -= column_width
        if left < 0:
            break
        shown.add(name)
    return frozenset(shown)


def name_width(width: int) -> int:
    """Return how wide the column of names is in a view of some width."""
    rest = MARGIN + 1 + sum(COLUMN_WIDTHS[name] for name in columns_for(width))
    return max(min(width - rest, MAX_NAME_WIDTH), 8)


def title_line(row: "JobRow | None", pane: str, *, is_playing: bool) -> Line:
    """Return the line above the lower pane: the selected job, and the panes, of which one is shown."""
    tabs = [
        Part(f" {name} ", "strong" if name == pane and not is_playing else "muted")
        for name in PANE_NAMES
        if name != "help"
    ]
    name = Part(f" {row.job if row else ''} ", "title")
    return line(name, *tabs, *([Part(" simulation ", "strong")] if is_playing else []))


def header_line(width: int) -> Line:
    """Return the names of the columns."""
    titles = {"next": "next", "last": "last", "took": "took", "usual": "usually", "marks": "last ten"}
    shown = columns_for(width)
    names = (
        fit("   job", name_width(width) + MARGIN),
        *(fit(title, COLUMN_WIDTHS[name]) for name, title in titles.items() if name in shown),
        "  schedule" if _schedule_width(width) else "",
    )
    return cut(line(Part("".join(names), "title")), width)


def _schedule_width(width: int) -> int:
    """Return how much room is left for the schedule; 0 if that is too little."""
    if len(columns_for(width)) < len(COLUMN_WIDTHS):
        return 0
    left = width - MARGIN - 3 - name_width(width) - sum(COLUMN_WIDTHS.values())
    return left if left >= MIN_SCHEDULE_WIDTH else 0


def _describe_none(row: "JobRow") -> str:
    """Return what became of a job without a result: starts were skipped, or it was never due.

    One that was taken out of the configuration and put back has runs on record, and no result.
    """
    states = {mark.state for mark in row.history.marks}
    if states & ENDED:
        return "-"
    return "skipped" if "skipped" in states else "never"


def job_line(row: "JobRow", zone: ZoneInfo, now: datetime, width: int) -> Line:
    """Return the row of a job; in a narrow view without the columns that tell least."""
    last = clock_text(row.last_ended_at, zone, now)
    took = took_part(row, now)
    due = "paused" if row.activity == "paused" else clock_text(row.next_at, zone, now)
    due += " skip" if row.next_blocked else ""
    cells: dict[str, Line] = {
        "next": line(fit(due, COLUMN_WIDTHS["next"])),
        "last": line(
            state_mark(row.last_state) if row.last_state else " ",
            Part(fit(f" {last if row.last_state else _describe_none(row)}", COLUMN_WIDTHS["last"] - 1), "muted"),
        ),
        "took": line(Part(fit(took.text, COLUMN_WIDTHS["took"]), took.role)),
        "usual": line(Part(fit(usual_text(row), COLUMN_WIDTHS["usual"]), "muted")),
        "marks": tuple(strip_of_marks(row.history.marks, COLUMN_WIDTHS["marks"])),
    }
    shown = columns_for(width)
    parts = (
        Part(" "),
        activity_mark(row),
        Part(" "),
        *_name_parts(row, name_width(width)),
        *(part for name, found in cells.items() if name in shown for part in found),
        Part(f"  {row.schedule}" if _schedule_width(width) else "", "muted"),
    )
    return cut(parts, width)


def _name_parts(row: "JobRow", width: int) -> Line:
    """Return the id of a job and, as far as there is room, its name for people."""
    role, room = "strong" if row.activity == "running" else "", width - 1 - count_cells(row.job) - 2
    if row.name in ("", row.job) or room < MIN_SHOWN_NAME:
        return line(Part(f"{fit(row.job, width - 1)} ", role))
    return line(Part(f"{row.job}  ", role), Part(f"{fit(row.name, room)} ", "muted"))


def whole_frame(overview: "Overview", jobs: "JobList", zone: ZoneInfo, width: int) -> list[Line]:
    """Return everything at once: verdict, what needs a person, what waits, the jobs and the next starts."""
    waiting = [
        part
        for run in overview.waiting[:MAX_PRINTED_ROWS]
        for part in wrap(f"{run.job} waits: {run.waiting_for}", width, begin=line(" ", state_mark(run.state), " "))
    ]
    upcoming = [
        cut(
            line(
                "   ",
                fit(clock_text(start.starts_at or start.due_at, zone, overview.now), UPCOMING_WIDTH),
                start.job,
                Part(f"  {start.note}" if start.note else "", "muted"),
            ),
            width,
        )
        for start in overview.upcoming
    ]
    extent = jobs.extent
    missing = [] if extent.is_complete else [line(Part(f"   {extent.describe('job', str)}", "muted"))]
    return [
        *_verdict_lines(overview, width),
        *_whole_attention_lines(overview, width),
        *waiting,
        (),
        header_line(width),
        *(job_line(row, zone, overview.now, width) for row in jobs.rows),
        *missing,
        *([(), line(Part("   next starts", "title")), *upcoming] if upcoming else []),
    ]
