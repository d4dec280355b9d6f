"""The numbers of starts that are due in each minute of a span to come."""

from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from sys import intern
from typing import Any

from attrs import define, field

MINUTE = timedelta(minutes=1)
QUARTER_MINUTES = 15

NUMBER = "I"
"""The type of a number in an array: four bytes, where a dictionary takes a hundred."""


@define(slots=False, eq=False)
class DueCounts:
    """Starts that are due; complete from `since` until `until`. `minutes` has a number for each minute from `first` on.

    Minutes are counted since 1970. `jobs` has some of the jobs of each of the busiest minutes.
    """

    since: datetime
    until: datetime
    first: int
    minutes: "array[int]"
    jobs: Mapping[int, Sequence[str]] = field(factory=dict)

    @classmethod
    def from_counter(
        cls, since: datetime, until: datetime, counts: Mapping[int, int], jobs: Mapping[int, Sequence[str]]
    ) -> "DueCounts":
        """Return them from a number for each minute in which something is due, and the jobs of some."""
        # From a whole quarter of an hour on.
        first = minute_of(since) // QUARTER_MINUTES * QUARTER_MINUTES
        minutes = array(NUMBER, bytes(array(NUMBER).itemsize * max(minute_of(until) + 1 - first, 0)))
        for minute, count in counts.items():
            minutes[minute - first] = count
        return cls(since, until, first, minutes, jobs)

    @cached_property
    def _quarters(self) -> "array[int]":
        """The numbers of each quarter of an hour, of which a month has few enough."""
        size = QUARTER_MINUTES
        return array(NUMBER, (sum(self.minutes[at : at + size]) for at in range(0, len(self.minutes), size)))

    def count(
        self, since: datetime, until: datetime, step: timedelta, now: datetime | None = None
    ) -> dict[datetime, int]:
        """Return the numbers of a span, step by step from `since` on; of steps in which nothing is due none.

        Starts in the minute of `now` and before it are not counted: they are history.
        """
        first, last, width = minute_of(since) - self.first, minute_of(until) - self.first, int(step / MINUTE)
        is_coarse = not (first % QUARTER_MINUTES or last % QUARTER_MINUTES or width % QUARTER_MINUTES)
        size, numbers = (QUARTER_MINUTES, self._quarters) if is_coarse else (1, self.minutes)
        counted: Counter[int] = Counter()
        for place in range(max(first, 0) // size, min(last // size, len(numbers))):
            if count := numbers[place]:
                counted[(place * size - first) // width] += count
        if now is not None:
            for place in range(max(first, 0), min(minute_of(now) + 1 - self.first, last, len(self.minutes))):
                counted[(place - first) // width] -= self.minutes[place]
        return {since + step * number: count for number, count in counted.items() if count}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of them."""
        numbers = b64encode(self.minutes.tobytes()).decode()
        span = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {**span, "first": self.first, "minutes": numbers, "jobs": self.jobs}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> "DueCounts":
        """Return them from their JSON, written on this machine."""
        since, until = (datetime.fromisoformat(form[name]) for name in ("since", "until"))
        # Each name once: a job can be due in hundreds of these minutes.
        jobs = {int(minute): tuple(map(intern, names)) for minute, names in form["jobs"].items()}
        return cls(since, until, form["first"], array(NUMBER, b64decode(form["minutes"])), jobs)


def minute_of(instant: datetime) -> int:
    """Return the minute since 1970 that an instant is in."""
    return int(instant.timestamp()) // 60
