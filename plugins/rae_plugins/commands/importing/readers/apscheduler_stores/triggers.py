"""Triggers of APScheduler 3 as triggers here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field

from rae_plugins.commands.importing.day_rules import require_both_days
from rae_plugins.commands.importing.imported import FireTimes
from rae_plugins.commands.importing.readers.apscheduler_stores.cron_fields import read_cron_fields
from rae_plugins.commands.importing.readers.taking import format_seconds
from rae_plugins.triggers.cron import CronTrigger


@define
class StoredTriggers:
    """Gathers the triggers of a job, with the guards that they need, and their times as APScheduler has them."""

    now: datetime
    remarks: list[str]
    triggers: list[dict[str, Any]] = field(factory=list)
    guards: list[dict[str, Any]] = field(factory=list)
    times: list[FireTimes] = field(factory=list)

    def read(self, kind: str, state: Mapping[str, Any]) -> None:
        """Add a trigger of a class with its state. Raises ValueError, KeyError, TypeError for what can't be read."""
        end = state.get("end_date")
        if isinstance(end, datetime) and end <= self.now:
            self.remarks.append(f"a {kind} ended on {end:%Y-%m-%d}, so it is left out")
            return
        if isinstance(end, datetime):
            self.remarks.append(f"a {kind} ends on {end:%Y-%m-%d}; here it goes on, so disable the job then")
        match kind:
            case "OrTrigger":
                self._read_several(state)
            case "CronTrigger":
                self._read_cron(state)
            case "IntervalTrigger":
                self._read_interval(state)
            case "DateTrigger":
                self._read_date(state)
            case "CalendarIntervalTrigger":
                self._read_days(state)
            case "AndTrigger":
                raise ValueError("an AndTrigger starts when all of its triggers agree, which has no equivalent")
            case _:
                raise ValueError(f"a trigger of the type {kind} is not known")

    def _read_several(self, state: Mapping[str, Any]) -> None:
        inner = state["triggers"]
        for reference, own_state in inner:
            before = len(self.guards)
            self.read(str(reference).rpartition(":")[2], own_state)
            if len(self.guards) > before and len(inner) > 1:
                raise ValueError("one of several triggers needs both its days, and a guard is of the whole job")
        for trigger in self.triggers if state.get("jitter") else ():
            trigger |= _jitter_of(state)

    def _read_days(self, state: Mapping[str, Any]) -> None:
        years, months, weeks, days = map(int, state["interval"])
        if years or months:
            raise ValueError("an interval of months or years; write a schedule for days of the month")
        days, where = weeks * 7 + days, name_of_zone(state["timezone"])
        hour, minute, second = map(int, state["time"])
        wall = datetime.combine(state["start_date"], time(hour, minute, second))
        begin = wall.replace(tzinfo=state["timezone"]).isoformat()
        options = {"type": "interval", "every": f"{days}d", "from": begin, "timezone": where}
        self.triggers.append({**options, **_jitter_of(state)})
        rule = f"DTSTART:{wall:%Y%m%dT%H%M%S}\nRRULE:FREQ=DAILY;INTERVAL={days}"
        self.times.append(FireTimes("rrule", rule, where))

    def _read_cron(self, state: Mapping[str, Any]) -> None:
        zone_name = name_of_zone(state["timezone"])
        fields = read_cron_fields(state["fields"])
        expression, guard = fields.expression, None
        if fields.needs_both_days:
            expression, guard = require_both_days(expression, zone_name)
        CronTrigger(expression=expression, timezone=zone_name)
        start = state.get("start_date")
        if isinstance(start, datetime) and start > self.now:
            self.remarks.append(f"begins on {start:%Y-%m-%d %H:%M}; here at once")
        if guard:
            self.guards.append(guard)
        options = {"type": "cron", "expression": expression, "timezone": zone_name}
        self.triggers.append({**options, **_jitter_of(state)})
        texts = {name: text for name, text in fields.texts.items() if name != "week"}
        self.times.append(FireTimes("apscheduler", json.dumps({"type": "cron", "fields": texts}), zone_name))

    def _read_interval(self, state: Mapping[str, Any]) -> None:
        seconds, start = state["interval"].total_seconds(), state["start_date"]
        if start > self.now:
            self.remarks.append(f"begins on {start:%Y-%m-%d %H:%M}; here at once")
        begin = start.astimezone(UTC).isoformat()
        self.triggers.append({"type": "interval", "every": format_seconds(seconds), "from": begin, **_jitter_of(state)})
        # Before the start APScheduler has no times; they are compared from a day before now on.
        count = max(0, int((start - self.now).total_seconds() // seconds) + int(86400 // seconds) + 1)
        earlier = (start - timedelta(seconds=seconds) * count).astimezone(UTC).isoformat()
        text = json.dumps({"type": "interval", "seconds": seconds, "start_date": earlier})
        self.times.append(FireTimes("apscheduler", text, "UTC"))

    def _read_date(self, state: Mapping[str, Any]) -> None:
        at = state["run_date"]
        if at <= self.now:
            self.remarks.append(f"was due on {at:%Y-%m-%d %H:%M}, and that is over")
            return
        self.triggers.append({"type": "once", "at": at.isoformat()})


def _jitter_of(state: Any) -> dict[str, str]:
    return {"jitter": format_seconds(float(state["jitter"]))} if state.get("jitter") else {}


def name_of_zone(where: tzinfo) -> str:
    """Return the name of a zone; of a fixed offset of whole hours that in Etc. Raises ValueError for others."""
    if isinstance(where, ZoneInfo) and where.key:
        return where.key
    offset = where.utcoffset(None)
    if offset is None:
        raise ValueError(f"the time zone {where!r:.60} has no name")
    hours = offset.total_seconds() / 3600
    if not hours.is_integer() or not -12 <= hours <= 14:
        raise ValueError(f"a fixed offset of {hours:g} hours has no time zone with a name")
    # The zones of Etc count to the west.
    return f"Etc/GMT{-int(hours):+d}" if hours else "UTC"
