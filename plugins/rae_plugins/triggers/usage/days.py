"""Days as people live them: from one `day_start` to the next on the clock of a zone, 23 to 25 hours long.

A wall time that the clock leaves out stands for the moment at which it was set forward; one that it shows twice for the
first time. So each instant belongs to one day, and to one slot of that day.
"""

from datetime import date, datetime, time, timedelta

from attrs import field, frozen

from rae_auto.model.primitives.zones import zone
from rae_plugins.machine.wall_clock import first_shown, shown_at

_ONE = timedelta(days=1)


@frozen
class Days:
    """The days of a zone (an IANA name) that begin at a time of the clock ("04:00")."""

    zone_name: str
    day_start: str
    _start: timedelta = field(init=False)

    @_start.default
    def _since_midnight(self) -> timedelta:
        return datetime.combine(date.min, time.fromisoformat(self.day_start)) - datetime.combine(date.min, time())

    def date_of(self, instant: datetime) -> date:
        """The day that an instant belongs to."""
        candidate = (self._shown(instant) - self._start).date()
        # Where the clock goes through the start of the day twice, it has begun the first time.
        return candidate + _ONE if instant >= self.start_of(candidate + _ONE) else candidate

    def start_of(self, day: date) -> datetime:
        """The instant at which a day begins, in UTC."""
        return self._instant(datetime.combine(day, time()) + self._start)

    def week_of(self, day: date) -> date:
        """The Monday of a day's week."""
        return day - day.weekday() * _ONE

    def slot_of(self, instant: datetime, minutes: int) -> tuple[date, int]:
        """Day, and number of the slot of so many minutes, counted from the day's start on the clock."""
        day = self.date_of(instant)
        shown = self._shown(instant) - datetime.combine(day, time()) - self._start
        last = 24 * 60 // minutes - 1
        return day, min(max(shown // timedelta(minutes=minutes), 0), last)

    def slot_start(self, day: date, slot: int, minutes: int) -> datetime:
        """When a slot begins, in UTC; the one behind the last is the first of the next day."""
        return self._instant(datetime.combine(day, time()) + self._start + slot * timedelta(minutes=minutes))

    def slot_text(self, slot: int, minutes: int) -> str:
        """What the clock shows at a slot's start: "09:00"."""
        return (datetime.combine(date.min, time()) + self._start + slot * timedelta(minutes=minutes)).strftime("%H:%M")

    def is_shown_again(self, instant: datetime) -> bool:
        """Whether the clock shows this time for the second time, since it was set back."""
        return instant.astimezone(zone(self.zone_name)).fold == 1

    def _shown(self, instant: datetime) -> datetime:
        return shown_at(instant, zone(self.zone_name))

    def _instant(self, wall: datetime) -> datetime:
        return first_shown(wall, zone(self.zone_name))


def kind_of(day: date) -> str:
    """Whether people call it weekday or weekend."""
    return "weekend" if day.weekday() >= 5 else "weekday"
