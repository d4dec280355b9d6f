"""Cells of rows: marks whose shapes differ, times by the clock, and durations against the usual one."""

from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, sqrt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import format_elapsed
from rae_plugins.commands.top.styled_lines import Part

if TYPE_CHECKING:
    from rae_auto.screens import JobRow, OccurrenceMark, StripCell

MARKS = {
    "succeeded": Part("●", "good"),
    "failed": Part("✕", "bad"),
    "timed_out": Part("⊘", "bad"),
    "lost": Part("?", "bad"),
    "cancelled": Part("■", "waiting"),
    "interrupted": Part("◩", "waiting"),
    "skipped": Part("○", "muted"),
    "running": Part("▶", "busy"),
    "starting": Part("▸", "busy"),
    "was_running": Part("▷", "waiting"),
    "was_starting": Part("▹", "waiting"),
    "queued": Part("◔", "waiting"),
    "retrying": Part("↻", "waiting"),
}
"""The mark of each state of a run, with the shape that it has on the web page: shape and colour both tell it."""

ACTIVITIES = {
    "running": MARKS["running"],
    "was_running": MARKS["was_running"],
    "retrying": MARKS["retrying"],
    "queued": MARKS["queued"],
    "paused": Part("‖", "waiting"),
    "disabled": Part("-", "muted"),
    "done": Part("✓", "muted"),
    "idle": Part("·", "muted"),
}
LEGENDS = (
    "● succeeded  ✕ failed  ⊘ timed out  ? lost  ■ cancelled  ◩ interrupted  ○ skipped",
    "▶ running  ▷ was running  ◔ waiting  ↻ retrying  ‖ paused",
)
TOOK_LEGEND = "took: of the latest run that is over; with … so far, of the one that is running"

_BLOCKS = " ▁▂▃▄▅▆▇█"


def activity_mark(row: "JobRow") -> Part:
    """Return the mark of what a job does now; the colour shows one that failed last, or is overdue."""
    mark = ACTIVITIES.get(row.activity, ACTIVITIES["idle"])
    if row.is_overdue or row.is_too_long:
        return Part("!", "bad")
    if row.activity == "idle" and row.failures and row.last_state is not None:
        return state_mark(row.last_state)
    return mark


def state_mark(state: str) -> Part:
    """Return the mark of a state of a run."""
    return MARKS.get(state, Part("·", "muted"))


def strip_of_marks(marks: "tuple[OccurrenceMark, ...]", width: int) -> list[Part]:
    """Return the latest occurrences, the newest on the right."""
    shown = marks[-width:]
    return [Part(" " * (width - len(shown))), *(state_mark(mark.state) for mark in shown)]


def clock_text(at: datetime | None, zone: ZoneInfo, now: datetime) -> str:
    """Return an instant by the clock of the zone: `03:00`, `Sun 03:00` within six days, else `12 Dec 03:00`."""
    if at is None:
        return "-"
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    if there.date() == today:
        return there.strftime("%H:%M:%S" if there.second else "%H:%M")
    days = abs((there.date() - today).days)
    return there.strftime("%a %H:%M") if days < 7 else there.strftime("%d %b %Y" if days > 300 else "%d %b %H:%M")


def duration_text(value: timedelta | None) -> str:
    """Return a short duration; an empty text for None."""
    return "" if value is None else format_elapsed(value, parts=1 if value >= timedelta(hours=1) else 2)


def took_part(row: "JobRow", now: datetime) -> Part:
    """Return how long a job's run has been running, with dots, or its latest run took; coloured if that is unusual."""
    if row.running_since is not None:
        elapsed = max(now - row.running_since, timedelta(0))
        elapsed -= timedelta(microseconds=elapsed.microseconds)
        return Part(f"{duration_text(elapsed)}…", "bad" if row.is_too_long else "busy")
    usual = row.history.usual
    is_slow = usual is not None and row.took is not None and usual.runs >= 5 and row.took > usual.p95 * 1.5
    return Part(duration_text(row.took), "waiting" if is_slow else "")


def usual_text(row: "JobRow") -> str:
    """Return how long the job's runs usually take."""
    usual = row.history.usual
    return "" if usual is None else f"~{duration_text(usual.p50)}"


def strip_of_day(cells: "tuple[StripCell, ...]", width: int) -> list[Part]:
    """Return a day back and a day ahead as bars: facts on the left, expectations, paler, on the right."""
    columns = min(width, len(cells))
    if columns < 8:
        return []
    bounds = [number * len(cells) // columns for number in range(columns + 1)]
    groups = [cells[first:last] for first, last in pairwise(bounds)]
    sizes = [sum(cell.good + cell.bad + cell.stopped + cell.expected for cell in group) for group in groups]
    most = max(sizes, default=0) or 1
    return [_bar_of(group, size / most) for group, size in zip(groups, sizes, strict=True)]


def _bar_of(group: "tuple[StripCell, ...]", share: float) -> Part:
    """Return a bar as high as a share of the highest; its root, because few runs beside many are runs, too."""
    if not share:
        return MARKS["skipped"] if any(cell.skipped for cell in group) else Part("·", "muted")
    return Part(_BLOCKS[ceil(sqrt(share) * 8)], _role_of(group))


def _role_of(group: "tuple[StripCell, ...]") -> str:
    """Return the role of the worst that happened; "muted" for what is to come."""
    if all(cell.is_future for cell in group):
        return "muted"
    worst = next((name for name in ("bad", "stopped", "good") if any(getattr(cell, name) for cell in group)), "")
    return {"bad": "bad", "stopped": MARKS["cancelled"].role, "good": "good"}.get(worst, "muted")
