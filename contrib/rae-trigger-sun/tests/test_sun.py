"""The trigger `sun`: its conformance suite, known instants, and days without a sunrise."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from astral import Observer
from astral.sun import dawn, dusk, sunrise, sunset
from rae_trigger_sun import SunTrigger

from rae_auto.testing.triggers import ScheduleConformance

BERLIN, TROMSOE, AUCKLAND, HONOLULU = (52.52, 13.4), (69.65, 18.96), (-36.85, 174.76), (21.31, -157.86)


def sun(at: str, place: tuple[float, float] = BERLIN, **options: Any) -> SunTrigger:
    return SunTrigger(at=at, latitude=place[0], longitude=place[1], **options)


def instants(trigger: SunTrigger, after: datetime, count: int) -> list[datetime]:
    found = [after]
    while len(found) <= count:
        following = trigger.next_after(found[-1])
        assert following is not None
        found.append(following)
    return found[1:]


class TestConforms(ScheduleConformance):
    @pytest.fixture(params=[BERLIN, TROMSOE, AUCKLAND, HONOLULU])
    def place(self, request: pytest.FixtureRequest) -> tuple[float, float]:
        place: tuple[float, float] = request.param
        return place

    @pytest.fixture(params=["sunrise", "sunset", "dawn", "dusk", "noon"])
    def plugin(self, request: pytest.FixtureRequest, place: tuple[float, float]) -> SunTrigger:
        return sun(request.param, place, offset="-90m")


@pytest.mark.parametrize("place", [BERLIN, AUCKLAND, HONOLULU, (0.0, 179.9), (-54.8, -68.3)])
@pytest.mark.parametrize(("at", "expected"), [("sunrise", sunrise), ("sunset", sunset), ("dawn", dawn), ("dusk", dusk)])
def test_instants_of_a_year_are_those_of_astral(place: tuple[float, float], at: str, expected: Any) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    found = instants(sun(at, place), first, 365)
    # astral gives one instant for each date of the sun's own zone, in which none of them is near midnight.
    zone = timedelta(hours=round(place[1] / 15))
    for instant in found:
        theirs = expected(Observer(*place), (instant + zone).date(), tzinfo=timezone(zone))
        assert abs(instant - theirs) < timedelta(minutes=1)
    assert all(timedelta(hours=23) < later - earlier < timedelta(hours=25) for earlier, later in pairwise(found))


def test_solstice_in_berlin_is_that_of_the_almanac() -> None:
    # Almanac: 21 June 2026, 4:43 and 21:33 CEST.
    noon = datetime(2026, 6, 20, 12, tzinfo=UTC)
    (rise,) = instants(sun("sunrise"), noon, 1)
    (sink,) = instants(sun("sunset"), noon + timedelta(days=1), 1)
    assert abs(rise - datetime(2026, 6, 21, 2, 43, tzinfo=UTC)) < timedelta(minutes=1)
    assert abs(sink - datetime(2026, 6, 21, 19, 33, tzinfo=UTC)) < timedelta(minutes=1)


def test_polar_night_has_no_sunrise() -> None:
    trigger = sun("sunrise", TROMSOE)
    last, first = instants(trigger, datetime(2026, 11, 26, 12, tzinfo=UTC), 2)
    assert (last.date(), first.date()) == (date(2026, 11, 27), date(2027, 1, 15))
    assert trigger.note(first) == "the first sunrise after days without one"
    assert trigger.note(last) is None
    # It is never so dark that there is no civil dawn.
    assert instants(sun("dawn", TROMSOE), datetime(2026, 12, 20, tzinfo=UTC), 1)[0].date() == date(2026, 12, 20)


def test_midnight_sun_has_no_sunset() -> None:
    last, first = instants(sun("sunset", TROMSOE), datetime(2026, 5, 17, 12, tzinfo=UTC), 2)
    assert first - last > timedelta(days=60)


def test_depth_of_twilight_orders_the_dawns() -> None:
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    dawns = [instants(sun("dawn", twilight=depth), midnight, 1)[0] for depth in ("astronomical", "nautical", "civil")]
    assert dawns == sorted(dawns)
    assert dawns[-1] < instants(sun("sunrise"), midnight, 1)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latitude": 95}, "latitude: must be between -89 and 89 degrees, not 95"),
        ({"longitude": -181}, "longitude: must be between -180 and 180 degrees, not -181"),
        ({"offset": "-13h"}, "offset: must be between -12h and 12h"),
    ],
)
def test_wrong_options_say_what_is_right(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SunTrigger(**{"at": "sunset", "latitude": 1, "longitude": 1, **options})


def test_summary_names_event_and_place() -> None:
    assert sun("sunset", offset="-30m").summary() == "30m before sunset at 52.52, 13.4"
    assert sun("noon").summary() == "noon at 52.52, 13.4"
