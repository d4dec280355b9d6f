"""Tables of cron expressions, filled by the cron trigger itself: when each starts, how it is refused or warned of.

A table between `<!-- cron … -->` and `<!-- end -->` keeps what a person wrote in its cells, and gets its last one (of
`clocks` the third and the last) from the code:

- `cron starts after TIME in ZONE`: | expression | meaning | starts |
- `cron refused`: | expression | message |
- `cron warned`: | expression | warning |
- `cron clocks`: | zone | day | what the clock does | expression | starts |
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from rae_plugins.triggers.cron import CronTrigger

MAX_STARTS = 3
MAX_STARTS_OF_A_DAY = 6
_MINUTE = timedelta(minutes=1)

_TABLE = re.compile(r"<!-- cron (?P<what>[^>]+?) -->\n(?P<rows>.*?)\n<!-- end -->", re.DOTALL)


def with_cron_tables(text: str) -> str:
    """Return a page with its tables of expressions filled."""
    return _TABLE.sub(_fill, text)


def _fill(found: re.Match[str]) -> str:
    head, line, *rows = found["rows"].splitlines()
    words = found["what"].split()
    fill: Callable[[list[str]], list[str]]
    if words[0] == "starts":
        zone = ZoneInfo(words[4])
        after = datetime.fromisoformat(words[2]).replace(tzinfo=zone)
        fill = partial(_started, after=after, zone=zone)
    else:
        fill = {"refused": _refused, "warned": _warned, "clocks": _clocks}[words[0]]
    filled = ["| " + " | ".join(fill(_cells(row))) + " |" for row in rows]
    return "\n".join([f"<!-- cron {found['what']} -->", head, line, *filled, "<!-- end -->"])


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _expression(cell: str) -> str:
    return cell.strip("`")


def _starts(expression: str, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    trigger = CronTrigger(expression=expression, timezone=zone.key)
    instant = trigger.next_after(after)
    while instant is not None:
        yield instant.astimezone(zone)
        instant = trigger.next_after(instant)


def _started(cells: list[str], *, after: datetime, zone: ZoneInfo) -> list[str]:
    starts = list(islice(_starts(_expression(cells[0]), after, zone), MAX_STARTS))
    return [*cells[:2], ", ".join(_say(start, with_year=start.year != after.year) for start in starts) or "none"]


def _say(start: datetime, *, with_year: bool) -> str:
    year = f" {start.year}" if with_year else ""
    return f"{start:%a} {start.day} {start:%b}{year} {_clock(start)}"


def _clock(start: datetime) -> str:
    return f"{start:%H:%M:%S}" if start.second else f"{start:%H:%M}"


def _refused(cells: list[str]) -> list[str]:
    try:
        CronTrigger(expression=_expression(cells[0]))
    except ValueError as error:
        return [cells[0], str(error).replace("*", "\\*")]
    raise ValueError(f"{cells[0]} is not refused")


def _warned(cells: list[str]) -> list[str]:
    warnings = CronTrigger(expression=_expression(cells[0])).warnings()
    if not warnings:
        raise ValueError(f"{cells[0]} has no warning")
    return [cells[0], "; ".join(warnings).replace("*", "\\*")]


def _clocks(cells: list[str]) -> list[str]:
    zone, day, expression = ZoneInfo(cells[0]), date.fromisoformat(cells[1]), _expression(cells[3])
    begin, end = (_midnight(each, zone) for each in (day, day + timedelta(days=1)))
    starts = list(takewhile(lambda start: start <= end, _starts(expression, begin - _MINUTE, zone)))
    shown = [f"`{start:%a} {_clock(start)} {start:%Z}`" for start in starts[:MAX_STARTS_OF_A_DAY]]
    rest = [f"{len(starts)} in all"] if len(starts) > MAX_STARTS_OF_A_DAY else []
    return [cells[0], cells[1], _change(begin, end, zone), cells[3], ", ".join(shown + rest) or "none"]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day, or where the zone skips the whole day, of the one that follows."""
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=14)
    while instant.astimezone(zone).date() < day:
        instant += _MINUTE
    return instant


def _change(begin: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Return what the clock shows before and after its change, between midnight and midnight."""
    instant = begin - _MINUTE
    while instant <= end:
        before, after = instant.astimezone(zone), (instant + _MINUTE).astimezone(zone)
        if before.utcoffset() != after.utcoffset():
            passed = (before.replace(tzinfo=None) + _MINUTE).time()
            return f"{passed:%H:%M} → {after:%H:%M}"
        instant += _MINUTE
    raise ValueError(f"the clock of {zone.key} doesn't change between {begin} and {end}")
