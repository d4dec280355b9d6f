"""Starts of a schedule when the clocks change, by program: `python tests/benchmarks/clock_changes.py [ZONE DAY]`.

rae-auto beside systemd (`systemd-analyze calendar`), cronstable, APScheduler, croniter and cronsim, as far as they are
installed, in the same run. Nothing waits: each is asked for the starts of that day. Without arguments two days of
Europe/Berlin. The default cases: a fixed time, and one with a star, that the clock skips or shows twice.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from itertools import takewhile
from zoneinfo import ZoneInfo

EXPRESSIONS = {"30 2 * * *": "*-*-* 02:30:00", "*/30 2 * * *": "*-*-* 02:00/30:00"}
"""Each expression with the same times in the form of systemd."""

DAYS = [("Europe/Berlin", "2027-03-28"), ("Europe/Berlin", "2026-10-25")]
MAX_STARTS = 8

Starts = Callable[[str, ZoneInfo, datetime], Iterator[datetime]]


def main(days: list[tuple[str, str]]) -> None:
    for name, day in days:
        for expression in EXPRESSIONS:
            print(f"{name}, {date.fromisoformat(day)}, {expression}")
            for program, starts in programs().items():
                found = starts_of_day(starts, expression, ZoneInfo(name), datetime.fromisoformat(day))
                print(f"  {program:>14}  {', '.join(f'{start:%H:%M %Z}' for start in found) or 'none'}")


def starts_of_day(starts: Starts, expression: str, zone: ZoneInfo, begin: datetime) -> list[datetime]:
    """Return the starts on a day, each as the clock of the zone really shows it then."""
    after, end = begin.replace(tzinfo=zone) - timedelta(seconds=1), begin + timedelta(days=1)
    real = (start.astimezone(UTC).astimezone(zone) for start in starts(expression, zone, after))
    return list(takewhile(lambda start: start.replace(tzinfo=None) < end, real))


def programs() -> dict[str, Starts]:
    """Return the programs that are installed, each with its function."""
    found: dict[str, Starts] = {"rae-auto": rae_auto_starts}
    if shutil.which("systemd-analyze"):
        found["systemd"] = systemd_starts
    modules: dict[str, Starts] = {
        "cronstable": cronstable_starts,
        "apscheduler": apscheduler_starts,
        "croniter": croniter_starts,
        "cronsim": cronsim_starts,
    }
    return found | {name: starts for name, starts in modules.items() if find_spec(name)}


def rae_auto_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from rae_plugins.triggers.cron import CronTrigger

    trigger = CronTrigger(expression=expression, timezone=zone.key)
    start = trigger.next_after(after)
    while start is not None:
        yield start.astimezone(zone)
        start = trigger.next_after(start)


def systemd_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    event = f"{EXPRESSIONS[expression]} {zone.key}"
    base = f"{after.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    command = ["systemd-analyze", "calendar", "--base-time", base, "--iterations", str(MAX_STARTS), event]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C"})
    for text in re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", answer.stdout):
        yield datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(zone)


def cronstable_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from cronstable.croninfo import next_fires

    yield from next_fires(expression, MAX_STARTS, start=after)


def apscheduler_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from apscheduler.triggers.cron import CronTrigger

    trigger = CronTrigger.from_crontab(expression, timezone=zone)
    start = trigger.get_next_fire_time(None, after)
    for _ in range(MAX_STARTS):
        yield start
        start = trigger.get_next_fire_time(start, start)


def croniter_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from croniter import croniter

    found = croniter(expression, after)
    for _ in range(MAX_STARTS):
        yield found.get_next(datetime)


def cronsim_starts(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    yield from (start for start, _ in zip(CronSim(expression, after), range(MAX_STARTS), strict=False))


if __name__ == "__main__":
    given = sys.argv[1:]
    main([(given[0], given[1])] if given else DAYS)
