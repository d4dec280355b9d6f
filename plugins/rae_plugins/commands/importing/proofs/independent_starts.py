"""Start times of a source as programs calculate them that share no code with this one.

| kind | text | who calculates |
|---|---|---|
| `cron` | five fields | cronsim, which follows Debian's cron |
| `both` | five fields of which both days must match | cronsim, with that rule |
| `calendar` | a calendar event of systemd | `systemd-analyze` |
| `rrule` | `DTSTART:…` and `RRULE:…` in wall time | dateutil |
| `apscheduler` | a trigger of APScheduler 3 as JSON | APScheduler itself |

Each yields instants in UTC, in their order, from `begin` on.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.zones import zone
from rae_plugins.commands.importing.imported import FireTimes

SYSTEMD_TIMEOUT_SECONDS = 120


def independent_starts(
    times: FireTimes, begin: datetime, end: datetime, where: ZoneInfo, *, most: int
) -> Iterator[datetime]:
    """Yield the starts in a span, as many as are asked for at most.

    Raises ImportError or OSError where the program is missing, ValueError for a text that it refuses.
    """
    starts = (
        _systemd_starts(times, begin, most) if times.kind == "calendar" else _KINDS[times.kind](times, begin, where)
    )
    for at in starts:
        if at >= end:
            return
        if at > begin:
            yield at


def _systemd_starts(times: FireTimes, begin: datetime, count: int) -> Iterator[datetime]:
    name = times.timezone or zone("local").key
    text = times.text if times.timezone is None else f"{times.text} {times.timezone}"
    command = ["systemd-analyze", "calendar", f"--iterations={count}", f"--base-time=@{int(begin.timestamp())}", text]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SYSTEMD_TIMEOUT_SECONDS,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TZ": name, "LC_ALL": "C"},
    )
    if done.returncode:
        raise ValueError((done.stderr or done.stdout).strip().splitlines()[-1])
    yield from _parse_elapses(done.stdout, zone(name))


def _parse_elapses(text: str, where: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants that systemd prints: in UTC where it does, else in the zone."""
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        if not line.startswith(("Next elapse:", "Iter. #", "Iteration #")):
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        written = following if following.startswith("(in UTC):") else line
        words = written.partition(": ")[2].split()
        if len(words) < 3:
            continue
        at = datetime.fromisoformat(f"{words[1]}T{words[2]}")
        yield at.replace(tzinfo=UTC if words[-1] == "UTC" else where).astimezone(UTC)


def _cronsim_starts(times: FireTimes, begin: datetime, where: ZoneInfo) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # lazy: start-up; an extra

    try:
        starts = CronSim(times.text, begin.astimezone(where))
    except CronSimError as error:
        raise ValueError(str(error)) from None
    # Of days of the month and of the week both, as some programs have it.
    starts.day_and = starts.day_and or times.kind == "both"
    for at in starts:
        yield at.astimezone(UTC)


def _rrule_starts(times: FireTimes, begin: datetime, where: ZoneInfo) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr  # lazy: start-up

    # Of walls that come twice the first; of those that are skipped, the same distance after the gap began.
    first = begin.astimezone(where).replace(tzinfo=None) - timedelta(days=1)
    for wall in rrulestr(times.text).xafter(first, inc=True):
        yield wall.replace(tzinfo=where).astimezone(UTC)


def _apscheduler_starts(times: FireTimes, begin: datetime, where: ZoneInfo) -> Iterator[datetime]:
    trigger = make_apscheduler_trigger(json.loads(times.text), where)
    at = trigger.get_next_fire_time(None, begin)
    while at is not None:
        yield at.astimezone(UTC)
        at = trigger.get_next_fire_time(at, at)


def make_apscheduler_trigger(fields: Mapping[str, Any], where: ZoneInfo) -> Any:
    """Return a trigger of APScheduler, without its jitter. Raises ImportError, ValueError."""
    from apscheduler.triggers.cron import CronTrigger  # lazy: start-up; an extra
    from apscheduler.triggers.interval import IntervalTrigger  # lazy: start-up; an extra

    bounds = {key: _instant(fields[key], where) for key in ("start_date", "end_date") if fields.get(key)}
    if fields["type"] == "interval":
        return IntervalTrigger(seconds=fields["seconds"], timezone=where, **bounds)
    return CronTrigger(timezone=where, **fields["fields"], **bounds)


def _instant(text: str, where: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).astimezone(where)


_KINDS: Mapping[str, Callable[[FireTimes, datetime, ZoneInfo], Iterator[datetime]]] = {
    "cron": _cronsim_starts,
    "both": _cronsim_starts,
    "rrule": _rrule_starts,
    "apscheduler": _apscheduler_starts,
}
