"""Forecasts day by day, as `rae-auto simulate` shows them on a terminal: what repeats is one line.

Sat 2026-11-28 CET
  00:00-23:50  tick    start  144 times, every 10 min
  02:30        backup  start
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import groupby, islice, pairwise
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.views.table_layout import align_rows

MAX_SEPARATE_ENTRIES = 4
"""The number of like entries of a job that a day shows one by one."""

_INDENT = "  "


@frozen
class Entry:
    """An event of a job at an instant; many of the same kind are shown together."""

    at: datetime
    job: str
    what: str
    details: str
    kind: str


def day_lines(entries: Iterable[Entry], zone: ZoneInfo) -> Iterator[str]:
    """Yield a heading for each day, and a line for each entry or group of like entries."""
    ordered = sorted(entries, key=lambda entry: (entry.at, entry.job, entry.what))
    days = [(day, list(found)) for day, found in groupby(ordered, key=lambda entry: _day_of(entry, zone))]
    rows = [(day, _rows_of(found, zone)) for day, found in days]
    lines = iter(align_rows([row for _, found in rows for row in found]))
    for (day, found), (_, entries_of_day) in zip(rows, days, strict=True):
        names = dict.fromkeys(entry.at.astimezone(zone).tzname() or "" for entry in entries_of_day)
        yield f"{day:%a %Y-%m-%d} {', then '.join(names)}"
        for line in islice(lines, len(found)):
            yield f"{_INDENT}{line}"


def summary_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a line for each job: how often it starts, and how often something else happens to it."""
    counts: dict[str, Counter[str]] = {}
    for entry in entries:
        counts.setdefault(entry.job, Counter())[entry.kind] += 1
    rows = []
    for job, kinds in sorted(counts.items()):
        starts = format_count(kinds.pop("start", 0), "start")
        others = [format_count(count, kind, kind) for kind, count in kinds.items()]
        rows.append((job, ", ".join([starts, *others])))
    for line in align_rows(rows):
        yield f"{_INDENT}{line}"


def _day_of(entry: Entry, zone: ZoneInfo) -> date:
    return entry.at.astimezone(zone).date()


Row = tuple[str, str, str, str]


def _rows_of(entries: Sequence[Entry], zone: ZoneInfo) -> list[Row]:
    """Return the rows of a day, with groups in the place of their first entry."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.job, entry.kind), []).append(entry)
    is_changing = len({entry.at.astimezone(zone).utcoffset() for entry in entries}) > 1
    rows: list[tuple[datetime, Row]] = []
    for group in groups.values():
        times = [_clock(entry.at, zone, is_changing) for entry in group]
        if len(group) <= MAX_SEPARATE_ENTRIES:
            found = zip(group, times, strict=True)
            rows += [(entry.at, (time, entry.job, entry.what, entry.details)) for entry, time in found]
        else:
            first = group[0]
            rows.append((first.at, (f"{times[0]}-{times[-1]}", first.job, first.what, _describe_group(group))))
    return [row for _, row in sorted(rows)]


def _describe_group(group: Sequence[Entry]) -> str:
    gaps = {later.at - earlier.at for earlier, later in pairwise(group)}
    every = f", every {format_elapsed(gaps.pop())}" if len(gaps) == 1 else ""
    details = dict.fromkeys(entry.details for entry in group if entry.details)
    first = f"; {'' if len(details) == 1 else 'first '}{next(iter(details))}" if details else ""
    return f"{format_count(len(group), 'time')}{every}{first}"


def _clock(at: datetime, zone: ZoneInfo, is_changing: bool) -> str:
    local = at.astimezone(zone)
    text = local.strftime("%H:%M:%S" if local.second or local.microsecond else "%H:%M")
    return f"{text} {local.tzname()}" if is_changing else text
