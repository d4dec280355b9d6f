"""Triggers of Task Scheduler: each as triggers here, or a remark with what to use instead."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from rae_auto.model.primitives.zones import zone
from rae_plugins.commands.importing.imported import FireTimes
from rae_plugins.commands.importing.readers.taking import format_seconds
from rae_plugins.commands.importing.readers.task_calendar import DayTimes, read_calendar, to_instant
from rae_plugins.commands.importing.readers.task_values import TakenElement, parse_boundary, parse_period
from rae_plugins.commands.importing.readers.xml_text import local_name

_DAY = timedelta(days=1)
_SCHEDULES = ("ScheduleByDay", "ScheduleByWeek", "ScheduleByMonth", "ScheduleByMonthDayOfWeek")
_SESSION_EVENTS = {
    "SessionLock": "lock",
    "SessionUnlock": "unlock",
    "ConsoleConnect": "login",
    "RemoteConnect": "login",
    "ConsoleDisconnect": "logout",
    "RemoteDisconnect": "logout",
}
_UNKNOWN: Mapping[str, str] = {
    "IdleTrigger": "starts when the machine becomes idle; use a schedule with an idle guard and a guard_timeout",
    "EventTrigger": "starts at an entry of the event log; watch its cause with a trigger of another type",
    "RegistrationTrigger": "starts when the task is registered; 'rae-auto trigger JOB' starts it by hand",
    "WnfStateChangeTrigger": "starts at an internal notification of Windows",
    "CustomTrigger": "starts at an internal notification of Windows",
}


@define
class TriggerReader:
    """Reads the triggers of a task. `times` are those of the triggers by the clock, in their order."""

    now: datetime
    remarks: list[str]
    triggers: list[dict[str, Any]] = field(factory=list)
    times: list[FireTimes] = field(factory=list)

    def read(self, trigger: TakenElement) -> None:
        """Add the triggers of an element. Raises ValueError for what can't be read."""
        name = trigger.name
        if not trigger.take_flag("Enabled", default=True):
            self.remarks.append(f"a {name} is disabled, so it is left out")
            return
        if name in _UNKNOWN:
            start, subscription = trigger.take_text("StartBoundary"), trigger.take_text("Subscription")
            reported = f" ({' '.join(subscription.split())[:200]})" if subscription else f" ({start})" if start else ""
            self.remarks.append(f"{name}{reported}: {_UNKNOWN[name]}")
            return
        end = parse_boundary(trigger.take_text("EndBoundary"))
        if end is not None and _to_wall(end) <= _to_wall(self.now):
            self.remarks.append(f"a {name} ended on {end:%Y-%m-%d}, so it is left out")
            return
        if end is not None:
            self.remarks.append(f"a {name} ends on {end:%Y-%m-%d}; here it goes on, so disable the job then")
        if trigger.take_text("ExecutionTimeLimit"):
            self.remarks.append(f"the ExecutionTimeLimit of a {name} has no equivalent; the job has a timeout")
        reader = self._readers().get(name)
        if reader is None:
            self.remarks.append(f"a {name} has no equivalent")
            return
        reader(trigger)
        trigger.forget("Id")
        if rest := list(trigger.rest()):
            self.remarks.append(f"of a {name} has no equivalent: {', '.join(rest)}")

    def _readers(self) -> Mapping[str, Callable[[TakenElement], None]]:
        return {
            "CalendarTrigger": self._read_calendar,
            "TimeTrigger": self._read_time,
            "BootTrigger": lambda trigger: self._add_event(trigger, "boot"),
            "LogonTrigger": lambda trigger: self._add_event(trigger, "login"),
            "SessionStateChangeTrigger": self._read_session,
        }

    def _read_calendar(self, trigger: TakenElement) -> None:
        start, timezone = self._read_start(trigger)
        wall_now = self.now.astimezone(zone(timezone or "local")).replace(tzinfo=None)
        if start > wall_now + _DAY:
            self.remarks.append(f"begins on {start:%Y-%m-%d %H:%M}; here at once")
        jitter = self._read_jitter(trigger)
        interval, duration = _read_repetition(trigger.take_element("Repetition"), self.remarks)
        offsets = [timedelta(0)]
        if interval is not None:
            offsets = [interval * count for count in range(-(-(duration or _DAY) // interval))]
        times = DayTimes(start, offsets, timezone, min(start, wall_now))
        schedule = next(
            (found for name in _SCHEDULES if (found := trigger.take_element(name)).name), TakenElement(None)
        )
        for options, comparison in read_calendar(schedule, times, self.remarks):
            self.triggers.append({**options, **jitter})
            self.times.append(comparison)

    def _read_time(self, trigger: TakenElement) -> None:
        start, timezone = self._read_start(trigger)
        jitter = self._read_jitter(trigger)
        interval, duration = _read_repetition(trigger.take_element("Repetition"), self.remarks)
        where = zone(timezone or "local")
        begin = start.replace(tzinfo=where)
        is_over = begin <= self.now and (interval is None or (duration is not None and begin + duration <= self.now))
        if is_over:
            self.remarks.append(f"was due on {start:%Y-%m-%d %H:%M}, and that is over")
            return
        if interval is None:
            self.triggers.append({"type": "once", "at": begin.isoformat(), **jitter})
            return
        if duration is not None:
            self.remarks.append(
                f"repeats until {begin + duration:%Y-%m-%d %H:%M}; here it goes on, so disable the job then"
            )
        if begin > self.now:
            self.remarks.append(f"begins on {start:%Y-%m-%d %H:%M}; here at once")
        every = format_seconds(interval.total_seconds())
        self.triggers.append({"type": "interval", "every": every, "from": to_instant(start, timezone), **jitter})
        utc = begin.astimezone(zone("UTC")).strftime("%Y%m%dT%H%M%S")
        rule = f"DTSTART:{utc}\nRRULE:FREQ=SECONDLY;INTERVAL={int(interval.total_seconds())}"
        self.times.append(FireTimes("rrule", rule, "UTC"))

    def _read_session(self, trigger: TakenElement) -> None:
        change = trigger.take_text("StateChange")
        if change.startswith("Remote"):
            self.remarks.append(f"{change} is for remote sessions alone; here any session counts")
        if change in _SESSION_EVENTS:
            self._add_event(trigger, _SESSION_EVENTS[change])
        else:
            self.remarks.append(f"the change {change!r} of a session has no equivalent")

    def _add_event(self, trigger: TakenElement, event: str) -> None:
        options: dict[str, Any] = {"type": "system", "on": [event]}
        if user := trigger.take_text("UserId"):
            options["user"] = user.rpartition("\\")[2]
        if (delay := parse_period(trigger.take_text("Delay"))) and delay > timedelta(0):
            options["delay"] = format_seconds(delay.total_seconds())
        trigger.forget("StartBoundary")
        interval, _ = _read_repetition(trigger.take_element("Repetition"), self.remarks)
        if interval is not None:
            self.remarks.append(f"repeats every {interval} after that; here it starts once, so add an interval trigger")
        self.triggers.append(options)

    def _read_jitter(self, trigger: TakenElement) -> dict[str, str]:
        delay = parse_period(trigger.take_text("RandomDelay"))
        return {"jitter": format_seconds(delay.total_seconds())} if delay else {}

    def _read_start(self, trigger: TakenElement) -> tuple[datetime, str | None]:
        """Return the begin on the clock of a zone, and the zone; None for the machine's."""
        start = parse_boundary(trigger.take_text("StartBoundary"))
        if start is None:
            raise ValueError(f"a {trigger.name} has no StartBoundary")
        offset = start.utcoffset()
        if offset is None:
            return start, None
        hours = offset.total_seconds() / 3600
        if hours == 0 or not hours.is_integer() or not -12 <= hours <= 14:
            return start.astimezone(zone("UTC")).replace(tzinfo=None), "UTC"
        # The zones of Etc count to the west.
        return start.replace(tzinfo=None), f"Etc/GMT{-int(hours):+d}"


def _to_wall(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=zone("local"))


def _read_repetition(element: TakenElement, remarks: list[str]) -> tuple[timedelta | None, timedelta | None]:
    interval, duration = parse_period(element.take_text("Interval")), parse_period(element.take_text("Duration"))
    if element.take_flag("StopAtDurationEnd", default=False):
        remarks.append("StopAtDurationEnd ends what runs at the end of the repetition; the job has a timeout")
    if interval is not None and interval <= timedelta(0):
        raise ValueError("an interval of zero")
    return interval, duration


def find_triggers(element: TakenElement) -> list[TakenElement]:
    """Return the triggers of a task, in their order."""
    return [TakenElement(child) for child in element.children if local_name(child)]
