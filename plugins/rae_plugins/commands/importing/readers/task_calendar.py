"""Calendar triggers of Task Scheduler as cron expressions and intervals, each with a rule of RFC 5545 beside it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from rae_auto.model.primitives.zones import zone
from rae_plugins.commands.importing.imported import FireTimes
from rae_plugins.commands.importing.readers.task_values import TakenElement
from rae_plugins.commands.importing.readers.xml_text import local_name

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_RULE_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_DAY = timedelta(days=1)

TriggerTimes = tuple[dict[str, Any], FireTimes]


@frozen
class DayTimes:
    """When a calendar trigger starts on its days: the times after the begin of the first of them, and the zone.

    `since` is the begin, or now where that is to come: a cron expression has no begin.
    """

    start: datetime
    offsets: Sequence[timedelta]
    timezone: str | None
    since: datetime

    def expressions(self, days: str) -> Iterator[tuple[str, Sequence[datetime]]]:
        """Yield expressions for days (the last three fields) and the walls of the first day that each one is for."""
        walls = [self.start + offset for offset in self.offsets]
        minutes: dict[tuple[int, int], list[datetime]] = {}
        for wall in walls:
            minutes.setdefault((wall.minute, wall.second), []).append(wall)
        groups: dict[tuple[int, tuple[int, ...]], list[datetime]] = {}
        for (_, second), same in minutes.items():
            groups.setdefault((second, tuple(sorted({wall.hour for wall in same}))), []).extend(same)
        for (second, hours), same in groups.items():
            at = sorted({wall.minute for wall in same})
            seconds = f"{second} " if second else ""
            yield f"{seconds}{_join(at, 60)} {_join(hours, 24)} {days}", sorted(same)


def _join(values: Sequence[int], size: int) -> str:
    """Return values of a field, as steps where they are."""
    step = size // len(values)
    if len(values) > 1 and size % len(values) == 0 and list(values) == list(range(values[0], size, step)):
        return "*" if step == 1 else f"*/{step}" if values[0] == 0 else f"{values[0]}-{size - 1}/{step}"
    return ",".join(map(str, values))


def read_calendar(schedule: TakenElement, times: DayTimes, remarks: list[str]) -> list[TriggerTimes]:
    """Return the triggers of a `ScheduleBy…` element. Raises ValueError for what can't be said."""
    if any(times.start.date() != (times.start + offset).date() for offset in times.offsets):
        if schedule.name != "ScheduleByDay":
            remarks.append("its repetition goes on after midnight; here it ends there")
        times = _keep_day(times, wraps=schedule.name == "ScheduleByDay")
    match schedule.name:
        case "ScheduleByDay":
            return _read_days(schedule, times)
        case "ScheduleByWeek":
            return _read_weeks(schedule, times)
        case "ScheduleByMonth":
            return _read_month_days(schedule, times)
        case "ScheduleByMonthDayOfWeek":
            return _read_month_weeks(schedule, times)
    raise ValueError(f"{schedule.name or 'a schedule that is missing'} is not known")


def _keep_day(times: DayTimes, *, wraps: bool) -> DayTimes:
    day = times.start.date()
    kept = [one for one in times.offsets if wraps or (times.start + one).date() == day]
    return evolve(times, offsets=sorted({one % _DAY for one in kept}))


def _cron(times: DayTimes, days: str, rule: str) -> list[TriggerTimes]:
    found = []
    for expression, walls in times.expressions(days):
        options = {"type": "cron", "expression": expression, **_zone_of(times)}
        hours = sorted({wall.hour for wall in walls})
        minutes = sorted({wall.minute for wall in walls})
        by = f";BYHOUR={','.join(map(str, hours))};BYMINUTE={','.join(map(str, minutes))};BYSECOND={times.start.second}"
        found.append((options, _rule(times, rule + by)))
    return found


def _rule(times: DayTimes, rule: str, start: datetime | None = None) -> FireTimes:
    begin = (start or times.since.replace(hour=0, minute=0, second=0)).strftime("%Y%m%dT%H%M%S")
    return FireTimes("rrule", f"DTSTART:{begin}\nRRULE:{rule}", times.timezone)


def _zone_of(times: DayTimes) -> dict[str, str]:
    return {"timezone": times.timezone} if times.timezone else {}


def _read_days(schedule: TakenElement, times: DayTimes) -> list[TriggerTimes]:
    count = int(schedule.take_text("DaysInterval", "1"))
    if count == 1:
        return _cron(times, "* * *", "FREQ=DAILY")
    return [
        _interval(times, times.start + offset, f"{count}d", f"FREQ=DAILY;INTERVAL={count}") for offset in times.offsets
    ]


def _interval(times: DayTimes, start: datetime, every: str, rule: str) -> TriggerTimes:
    options = {"type": "interval", "every": every, "from": to_instant(start, times.timezone), **_zone_of(times)}
    return options, _rule(times, rule, start)


def to_instant(wall: datetime, timezone: str | None) -> str:
    """Return a wall time of a zone as an instant in ISO 8601."""
    return wall.replace(tzinfo=zone(timezone or "local")).isoformat()


def _read_weeks(schedule: TakenElement, times: DayTimes) -> list[TriggerTimes]:
    count = int(schedule.take_text("WeeksInterval", "1"))
    numbers = _names(schedule.take_element("DaysOfWeek"), _DAYS) or [times.start.isoweekday() % 7]
    if count == 1:
        days = ",".join(_DAYS[number][:3].lower() for number in numbers)
        return _cron(times, f"* * {days}", f"FREQ=WEEKLY;BYDAY={','.join(_RULE_DAYS[number] for number in numbers)}")
    # Weeks begin on Sunday and count from that of the start.
    sunday = times.start - timedelta(days=times.start.isoweekday() % 7)
    found = []
    for number in numbers:
        first = sunday + timedelta(days=number)
        first += timedelta(weeks=count) if first < times.start else timedelta()
        rule = f"FREQ=WEEKLY;INTERVAL={count};WKST=SU"
        found += [_interval(times, first + offset, f"{count}w", rule) for offset in times.offsets]
    return found


def _read_month_days(schedule: TakenElement, times: DayTimes) -> list[TriggerTimes]:
    texts = [(child.text or "").strip() for child in schedule.take_element("DaysOfMonth").children]
    texts = texts or [str(times.start.day)]
    days = ",".join("L" if text == "Last" else str(int(text)) for text in texts)
    months = _names(schedule.take_element("Months"), _MONTHS)
    rule = f"FREQ=MONTHLY;BYMONTHDAY={days.replace('L', '-1')}{_rule_months(months)}"
    return _cron(times, f"{days} {_cron_months(months)} *", rule)


def _read_month_weeks(schedule: TakenElement, times: DayTimes) -> list[TriggerTimes]:
    weeks = [(child.text or "").strip() for child in schedule.take_element("Weeks").children] or ["1"]
    numbers = _names(schedule.take_element("DaysOfWeek"), _DAYS) or [times.start.isoweekday() % 7]
    months = _names(schedule.take_element("Months"), _MONTHS)
    pairs = [(week, number) for week in weeks for number in numbers]
    days = ",".join(
        f"{number}L" if week == "Last" else f"{_DAYS[number][:3].lower()}#{int(week)}" for week, number in pairs
    )
    rules = ",".join(f"{-1 if week == 'Last' else int(week)}{_RULE_DAYS[number]}" for week, number in pairs)
    rule = f"FREQ=MONTHLY;BYDAY={rules}{_rule_months(months)}"
    return _cron(times, f"* {_cron_months(months)} {days}", rule)


def _names(element: TakenElement, names: Sequence[str]) -> list[int]:
    found = [local_name(child) for child in element.children]
    if unknown := [name for name in found if name not in names]:
        raise ValueError(f"{unknown[0]!r} is not a day of the week or a month")
    return sorted(names.index(name) for name in found)


def _cron_months(months: Sequence[int]) -> str:
    return "*" if len(months) in (0, 12) else ",".join(str(number + 1) for number in months)


def _rule_months(months: Sequence[int]) -> str:
    return "" if len(months) in (0, 12) else f";BYMONTH={','.join(str(number + 1) for number in months)}"
