"""The instants at which the sun passes an angle above or below the horizon, in order.

Between two culminations, at noon and at night, the sun only rises or only sinks. So each of these half-days has at most
one crossing, and the signs at its ends tell whether there is one; bisection then finds it. Near the poles there are
weeks without any: the half-days between are looked at and left out, so a day without a sunrise has none,
and no crossing is missed where it moves over midnight.

The position of the sun comes from astral, after Meeus, Astronomical Algorithms, as NOAA's calculator has it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from astral import Observer
from astral.sun import elevation, noon

RISING, SINKING = 1, -1
MAX_DAYS_WITHOUT = 400
"""At the poles the sun rises once a year."""
_PRECISION = timedelta(milliseconds=100)


class Place(NamedTuple):
    """A place on the earth, in degrees; north and east are positive."""

    latitude: float
    longitude: float


def find_noons(place: Place, after: datetime) -> Iterator[datetime]:
    """Yield the solar noons after an instant, for a little more than a year. Errors: OverflowError at year 9999."""
    day = after.date() - timedelta(days=2)
    for _ in range(MAX_DAYS_WITHOUT):
        at = _noon(place, day)
        if at > after:
            yield at
        day += timedelta(days=1)


def find_crossings(place: Place, degrees: float, direction: int, after: datetime) -> Iterator[datetime]:
    """Yield the instants after another at which the sun passes an angle, for a little more than a year.

    `degrees` is the angle of its centre above the horizon, `direction` is RISING or SINKING.
    Errors: OverflowError at year 9999.
    """
    day = after.date() - timedelta(days=2)
    for _ in range(MAX_DAYS_WITHOUT):
        begin, end = _noon(place, day), _noon(place, day + timedelta(days=1))
        night = begin + (end - begin) / 2
        for one, other in ((begin, night), (night, end)):
            at = _crossing(place, degrees, direction, one, other)
            if at is not None and at > after:
                yield at
        day += timedelta(days=1)


@lru_cache(maxsize=4096)
def _noon(place: Place, day: date) -> datetime:
    return noon(Observer(*place), day, tzinfo=UTC).replace(microsecond=0)


@lru_cache(maxsize=4096)
def _crossing(place: Place, degrees: float, direction: int, begin: datetime, end: datetime) -> datetime | None:
    def is_past(at: datetime) -> bool:
        height: float = elevation(Observer(*place), at, with_refraction=False)
        return (height - degrees) * direction > 0

    if is_past(begin) or not is_past(end):
        return None
    while end - begin > _PRECISION:
        middle = begin + (end - begin) / 2
        begin, end = (begin, middle) if is_past(middle) else (middle, end)
    return end.replace(microsecond=0)
