"""The lower pane: what is known of the selected job, as lines."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import zip_longest

from rae_auto.errors import SchedulerError
from rae_auto.screens import (
    CheckNode,
    Month,
    MonthDay,
    OccurrenceMark,
    RecordSource,
    Timeline,
    load_health_page,
    load_job_page,
    load_month,
    load_output_end,
    load_run_page,
    load_timeline,
    load_why_page,
)
from rae_plugins.commands.top.cells import LEGENDS, TOOK_LEGEND, clock_text, duration_text, state_mark
from rae_plugins.commands.top.frame import PaneRequest
from rae_plugins.commands.top.styled_lines import Line, Part, cells_of, fit, hang, line, wrap
from rae_plugins.commands.ui.inks import ink_line
from rae_plugins.commands.ui.keys import KEYS, ViewKey

TIMELINE_HOURS = 12
OUTPUT_BYTES = 64 << 10
CHECK_MARKS = {"yes": Part("✓", "good"), "no": Part("✕", "bad"), "unknown": Part("?", "waiting")}

OWN_KEYS = (
    ViewKey("g G", "first, last row"),
    ViewKey("u", "life of the latest run"),
    ViewKey("1 2 3 4", "what needs you; twice: do it"),
    ViewKey("q", "leave"),
)
"""The keys that the web page doesn't have."""

Loader = Callable[[RecordSource, PaneRequest], Awaitable[list[Line]]]


async def load_output(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the end of what the job's last run printed."""
    run = None if place.row is None else place.row.history.latest_run
    if place.row is None or run is None or run.run_id is None:
        return [line(Part("it has not run yet", "muted"))]
    page = await load_output_end(source, run.run_id, OUTPUT_BYTES)
    of_all = f" of {page.attempts}" if page.attempts > 1 else ""
    attempt = f"attempt {page.attempt}{of_all}" if page.attempts else "not started"
    state = "waits for the next attempt" if page.state == "retrying" else page.state.replace("_", " ")
    head = line(Part(f"run {page.run_id}, {attempt}: {state}", "muted"))
    lines = [_inked(one.text) for one in page.lines]
    return [head, *(lines or [line(Part("it printed nothing", "muted"))])]


INK_ROLES = {"red": "bad", "green": "good", "yellow": "waiting", "blue": "busy", "cyan": "busy", "magenta": "title"}


def _inked(text: str) -> Line:
    """Return a line of output with its colours as roles; all other sequences are left out or made visible."""
    parts, column = [], 0
    for classes, tabbed in ink_line(text):
        words = (" " * column + tabbed).expandtabs(8)[column:]
        column += len(words)
        inks = [name.removeprefix("ink-") for name in classes.split()]
        role = next((INK_ROLES[ink] for ink in inks if ink in INK_ROLES), "strong" if "bold" in inks else "")
        parts.append(Part(words, role))
    return tuple(parts)


async def load_why(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the answer, and the tree of checks below it."""
    if place.row is None:
        return []
    page = await load_why_page(source, place.row.job)
    lines: list[Line] = [*wrap(page.answer, place.width, "strong"), ()]
    for check in page.checks:
        lines += _check_lines(check, 0)
    return [*lines, *(line(Part(fit(f"  {fact.subject}", 18), "muted"), fact.text) for fact in page.facts)]


def _check_lines(check: CheckNode, depth: int) -> list[Line]:
    mark = CHECK_MARKS.get(check.result, CHECK_MARKS["unknown"])
    own = line("  " * (depth + 1), mark, Part(f" {check.name}: ", "muted"), check.text)
    lines = [own, *(found for child in check.notable for found in _check_lines(child, depth + 1))]
    for words, routine in check.routine.items():
        names = ", ".join(child.name.replace("_", " ") for child in routine)
        lines.append(line("  " * (depth + 2), Part(f"{words}: {names}", "muted")))
    return lines


async def load_next(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the schedule, the next starts with remarks, and who defined the job."""
    if place.row is None:
        return []
    page = await load_job_page(source, place.row.job, has_trends=False)
    lines = [line(Part(page.schedule, "strong"))]
    for start in page.upcoming:
        at = clock_text(start.starts_at or start.due_at, source.zone, page.now)
        lines.append(line("  ", fit(at, 14), Part(start.note, "muted")))
    origin = page.added_by and f"added by {page.added_by}"
    remarks = filter(None, (origin or page.defined_at, page.pause_note))
    lines += [line(Part(text, "muted")) for text in remarks]
    return [*lines, *(line(Part(fit(f"  {fact.subject}", 16), "muted"), fact.text) for fact in page.policies)]


async def load_history(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the occurrences of the job, newest first: runs, and what did not run with its reason."""
    if place.row is None:
        return []
    page = await load_job_page(source, place.row.job, has_trends=False)
    head = page.history_extent.describe("occurrence", lambda at: clock_text(at, source.zone, page.now))
    return [
        line(Part(head, "muted")),
        *(_occurrence_line(mark, source, page.now) for mark in page.history[:500]),
    ]


def _occurrence_line(mark: OccurrenceMark, source: RecordSource, now: datetime) -> Line:
    late = mark.lateness if mark.lateness is not None and mark.lateness >= timedelta(seconds=1) else None
    words = (
        mark.text,
        f"{duration_text(late)} late" if late else "",
        f"{mark.count} starts" if mark.count > 1 and mark.reason != "missed" else "",
    )
    return line(
        " ",
        state_mark(mark.state),
        " ",
        fit(clock_text(mark.due_at, source.zone, now), 14),
        Part(fit(mark.state.replace("_", " "), 12)),
        Part(fit(duration_text(mark.duration), 12)),
        Part("; ".join(filter(None, words)), "muted"),
    )


async def load_day(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the jobs from the selected one on, over half a day back and half a day ahead."""
    now, half = source.now(), timedelta(hours=TIMELINE_HOURS)
    rows = max(place.height - 3, 4)
    found = await source.jobs("", limit=1)
    offset = 0 if place.row is None or found.total <= rows else await find_place(source, "", place.row.job)
    timeline = await load_timeline(source, now - half, now + half, offset=offset, limit=rows)
    return day_lines(timeline, source, place.width)


async def find_place(source: RecordSource, text: str, job: str) -> int:
    """Return the place of a job among those that match a text, or where it would be: they are in the order of ids."""
    low, high = 0, (await source.jobs(text, limit=1)).matched
    while low < high:
        middle = (low + high) // 2
        found = await source.jobs(text, offset=middle, limit=1)
        if found.jobs and found.jobs[0]["id"] < job:
            low = middle + 1
        else:
            high = middle
    return low


def day_lines(timeline: Timeline, source: RecordSource, width: int) -> list[Line]:
    """Return a timeline as characters: runs as their marks, skips hollow, expected starts as points."""
    name = min(max((cells_of([Part(row.job)]) for row in timeline.rows), default=8), 24)
    columns = max(width - name - 3, 20)
    span = timeline.until - timeline.since

    def column(at: datetime) -> int:
        return min(max(int((at - timeline.since) / span * columns), 0), columns - 1)

    axis = [" "] * columns
    first = timeline.since.astimezone(source.zone).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for hour in range(0, 2 * TIMELINE_HOURS, 3 if columns > 60 else 6):
        at = first + timedelta(hours=hour)
        for number, letter in enumerate(at.astimezone(source.zone).strftime("%H:%M")):
            place = column(at) + number
            if place < columns:
                axis[place] = letter
    heading = f"{timeline.since.astimezone(source.zone):%a %d}"
    heading = fit(heading if len(heading) <= name else "", name)
    lines = [line(Part(f"{heading}  ", "muted"), Part("".join(axis), "muted"))]
    middle = column(timeline.now)
    for row in timeline.rows:
        cells = [Part(" ")] * columns
        cells[middle] = Part("│", "muted")
        if row.expected and row.expected_until < timeline.until:
            for place in range(column(row.expected_until), columns):
                cells[place] = Part("…", "muted")
        for start in row.expected:
            cells[column(start.at)] = state_mark("skipped") if start.is_blocked else Part("▫", "muted")
        for cell in row.cells:
            state = "failed" if cell.bad else "succeeded" if cell.good else "cancelled" if cell.stopped else "skipped"
            cells[column(cell.start)] = state_mark(state)
        for skip in row.skips:
            cells[column(skip.at)] = state_mark("skipped")
        for bar in sorted(row.bars, key=lambda bar: bar.queued_at):
            begin = column(bar.started_at or bar.queued_at)
            end = column(bar.ended_at or timeline.now) if bar.started_at else begin
            for place in range(begin, end + 1):
                cells[place] = state_mark(bar.state)
        lines.append((Part(fit(row.job, name)), Part("  "), *cells))
    ends, others = LEGENDS
    return [*lines, line(Part(ends, "muted")), line(Part(f"{others}  ▫ expected  … more", "muted"))]


async def load_calendar(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the calendar of this month."""
    today = source.now().astimezone(source.zone)
    return calendar_lines(await load_month(source, today.year, today.month), place.width)


def calendar_lines(month: Month, width: int) -> list[Line]:
    """Return a month with a line for each week: what happened, and how many starts are to come."""
    cell = max(min((width - 2) // 7, 18), 9)
    first = month.days[0].date
    lines = [
        line(
            Part(first.strftime("  %B %Y"), "strong"),
            Part("  computing upcoming starts …" if month.is_pending else "", "muted"),
        ),
        line(
            Part("  " + "".join(fit(day, cell) for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")), "title")
        ),
    ]
    week: list[Part] = [Part("  "), Part(" " * cell * first.weekday())]
    for day in month.days:
        week += _day_parts(day, cell)
        if day.date.weekday() == 6:
            lines.append(tuple(week))
            week = [Part("  ")]
    lines.append(tuple(week))
    notes = [f"{day.date:%d %b}: {'; '.join(day.notes)}" for day in month.days if day.notes]
    counts = [f"{month.totals[name]} {word}" for name, word in GROUP_WORDS.items() if month.totals[name]]
    if month.totals["expected"] or not month.is_complete:
        counts.append(f"{month.expected_text} expected")
    totals = ", ".join(counts)
    return [*lines, (), line(Part(f"  {totals}", "muted")), *(line(Part(f"  {note}", "muted")) for note in notes)]


GROUP_WORDS = {"good": "succeeded", "bad": "failed", "stopped": "stopped", "skipped": "skipped"}
"""The words for groups of outcomes."""


def _day_parts(day: MonthDay, cell: int) -> list[Part]:
    number = Part(f"{day.date.day:2} ", "muted" if day.is_past else "strong")
    shown = [("succeeded", day.good), ("failed", day.bad), ("cancelled", day.stopped)]
    parts = [number]
    left = cell - 3
    for state, count in [*shown, ("skipped", day.skipped)]:
        text = f"{state_mark(state).text}{_short(count)} "
        if count and len(text) <= left:
            parts.append(Part(text, state_mark(state).role))
            left -= len(text)
    if (day.expected or not day.is_complete) and left > 3:
        least = "" if day.is_complete else "≥" if day.expected else "…"
        text = f"▫{least}{_short(day.expected) if day.expected else ''} "[:left]
        parts.append(Part(text, "muted"))
        left -= len(text)
    return [*parts, Part(" " * left)]


def _short(count: int) -> str:
    return str(count) if count < 1000 else f"{count / 1000:.0f}k"


async def load_life(source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the life of the job's latest run, and how it differs from the last good one."""
    run = None if place.row is None else place.row.history.latest_run
    if run is None or run.run_id is None:
        return [line(Part("it has not run yet", "muted"))]
    page = await load_run_page(source, run.run_id)
    lines = [line(state_mark(page.state), f" {page.why}")]
    for phase in page.phases:
        length = (phase.until or page.now) - phase.since
        took = duration_text(length) if length else ""
        at = clock_text(phase.since, source.zone, page.now)
        lines.append(line("  ", Part(fit(at, 14), "muted"), Part(fit(took, 10)), phase.text))
    if page.differences:
        lines.append(line(Part(f"unlike run {page.last_good}, the last good one", "title")))
        lines += [
            line("  ", Part(fit(one.subject, 14), "muted"), f"{one.then} → {one.now}") for one in page.differences
        ]
    return lines


async def load_health(source: RecordSource, _: PaneRequest) -> list[Line]:
    """Return the checks of the daemon, what does not work, notices that wait, and downtimes."""
    page = await load_health_page(source)
    roles = {"ok": "good", "warning": "waiting", "critical": "bad"}
    lines = [line(Part(page.summary, "strong"))]
    lines += [
        line("  ", Part(fit(check.level, 10), roles.get(check.level, "muted")), Part(fit(check.name, 18)), check.text)
        for check in page.checks
    ]
    failing = [(one.source, one.error) for one in page.sources if one.state == "failed"]
    failing += [(fact.subject, fact.text) for fact in page.quarantined]
    lines += [line("  ", Part(fit(subject, 28), "bad"), text) for subject, text in failing]
    for one in page.outbox:
        role = "muted" if one.state in ("held", "waiting") else "waiting"
        until = "" if one.held_until is None else f" until {clock_text(one.held_until, source.zone, page.now)}"
        what = f"held{until}" if one.state == "held" else f"notice {one.state.replace('_', ' ')}"
        lines.append(line("  ", Part(fit(what, 28), role), f"{one.text}: {one.error}" if one.error else one.text))
    lines += [line("  ", Part(fit(fact.subject, 28), "muted"), fact.text) for fact in page.sizes]
    for span in page.world:
        lines.append(line("  ", Part(fit(clock_text(span.since, source.zone, page.now), 28), "muted"), span.text))
    return lines


async def load_help(_: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the keys."""
    return help_lines(place.width)


def help_lines(width: int) -> list[Line]:
    """Return the keys in two columns, or in one where two don't fit."""
    lines = [line(Part(fit(f"  {one.keys}", 12), "strong"), fit(one.does, 28)) for one in (*KEYS, *OWN_KEYS)]
    middle = (len(lines) + 1) // 2 if width >= 80 else len(lines)
    columns = zip_longest(lines[:middle], lines[middle:], fillvalue=())
    legends = [line(Part(f"  {text}", "muted")) for text in (*LEGENDS, TOOK_LEGEND)]
    return [*((*left, *right) for left, right in columns), (), *legends]


PANES: dict[str, Loader] = {
    "output": load_output,
    "why": load_why,
    "next": load_next,
    "history": load_history,
    "life": load_life,
    "timeline": load_day,
    "month": load_calendar,
    "health": load_health,
    "help": load_help,
}

HANGING = ("why", "next", "history", "life", "health")
"""Panes of subjects with a text beside each, which goes on below itself."""


async def load_pane(name: str, source: RecordSource, place: PaneRequest) -> list[Line]:
    """Return the lines of a pane; an error is one of them."""
    try:
        lines = await PANES[name](source, place)
    except (SchedulerError, OSError) as error:
        return [line(Part(text, "bad")) for text in str(error).splitlines()]
    return [part for one in lines for part in hang(one, place.width)] if name in HANGING else lines
