"""Days from one `day_start` to the next on the clock of a time zone, 23 to 25 hours long.

A wall time that the clock skips stands for the moment at which it was set forward; one that it shows twice stands for
the first time. So each instant belongs to exactly one day, and to one slot of that day.
"""

from datetime import date, datetime, time, timedelta

from attrs import field, frozen

from rae_auto.model.primitives.zones import zone
from rae_plugins.machine.wall_clock import first_instant_of, wall_time_at

_ONE_DAY = timedelta(days=1)


@frozen
class Days:
    """The days of a zone (an IANA name) that begin at a time of the clock ("04:00")."""

    zone_name: str
    day_start: str
    _start: timedelta = field(init=False)

    @_start.default
    def _make_start(self) -> timedelta:
        return datetime.combine(date.min, time.fromisoformat(self.day_start)) - datetime.combine(date.min, time())

    def date_of(self, instant: datetime) -> date:
        """Return the day to which an instant belongs."""
        candidate = (self._wall_time(instant) - self._start).date()
        # If the clock passes the start of the day twice, the day begins the first time.
        return candidate + _ONE_DAY if instant >= self.start_of(candidate + _ONE_DAY) else candidate

    def start_of(self, day: date) -> datetime:
        """Return the instant at which a day begins, in UTC."""
        return self._instant(datetime.combine(day, time()) + self._start)

    def week_of(self, day: date) -> date:
        """Return the Monday of a day's week."""
        return day - day.weekday() * _ONE_DAY

    def slot_of(self, instant: datetime, minutes: int) -> tuple[date, int]:
        """Return the day, and the number of the slot of `minutes`, counted from the day's start on the clock."""
        day = self.date_of(instant)
        wall_time = self._wall_time(instant) - datetime.combine(day, time()) - self._start
        last = 24 * 60 // minutes - 1
        return day, min(max(wall_time // timedelta(minutes=minutes), 0), last)

    def slot_start(self, day: date, slot: int, minutes: int) -> datetime:
        """Return the start of a slot, in UTC; the slot after the last is the first of the next day."""
        return self._instant(datetime.combine(day, time()) + self._start + slot * timedelta(minutes=minutes))

    def slot_text(self, slot: int, minutes: int) -> str:
        """Return the time on the clock at a slot's start: "09:00"."""
        return (datetime.combine(date.min, time()) + self._start + slot * timedelta(minutes=minutes)).strftime("%H:%M")

    def is_shown_again(self, instant: datetime) -> bool:
        """Return whether the clock shows this time for the second time, because it was set back."""
        return instant.astimezone(zone(self.zone_name)).fold == 1

    def _wall_time(self, instant: datetime) -> datetime:
        return wall_time_at(instant, zone(self.zone_name))

    def _instant(self, wall: datetime) -> datetime:
        return first_instant_of(wall, zone(self.zone_name))


def day_kind(day: date) -> str:
    """Return "weekday" or "weekend"."""
    return "weekend" if day.weekday() >= 5 else "weekday"
