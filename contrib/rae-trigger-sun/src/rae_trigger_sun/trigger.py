"""The options of the trigger `sun`, and its instants."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from attrs import Attribute, field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.model.primitives.units import SignedDuration, format_duration, parse_duration, parse_signed_duration
from rae_auto.toolkit.summaries import summarize

SunEvent = Literal["sunrise", "sunset", "dawn", "dusk", "noon"]
Twilight = Literal["civil", "nautical", "astronomical"]

SUNRISE_DEGREES = -0.833
"""The upper edge of the sun is on the horizon: its radius, and the refraction of the air."""
TWILIGHT_DEGREES: Mapping[str, float] = {"civil": -6.0, "nautical": -12.0, "astronomical": -18.0}

MAX_LATITUDE, MAX_LONGITUDE = 89.0, 180.0
"""At the poles themselves there is neither noon nor a day of 24 hours."""
MAX_OFFSET = timedelta(hours=12)


def _in_range(limit: float) -> Any:
    def validate(_: object, attribute: "Attribute[float]", value: float) -> None:
        if not -limit <= value <= limit:
            raise ValueError(f"{attribute.name}: must be between -{limit:g} and {limit:g} degrees, not {value:g}")

    return validate


def _at_most_half_a_day(_: object, attribute: "Attribute[SignedDuration]", value: SignedDuration) -> None:
    if abs(value) > MAX_OFFSET:
        raise ValueError(f"{attribute.name}: must be between -12h and 12h")


@frozen(kw_only=True)
class SunTrigger(ScheduleTrigger):
    """Fires at an event of the sun at a place: at sunrise, sunset, dawn, dusk or noon.

    On a day without that event, as near the poles in summer and winter, it doesn't fire.
    """

    type: ClassVar[str] = "sun"
    example: ClassVar[Mapping[str, Any]] = {"at": "sunset", "latitude": 52.52, "longitude": 13.4, "offset": "-30m"}

    at: SunEvent = field(metadata={"help": "the event: sunrise, sunset, dawn, dusk or noon"})
    latitude: float = field(
        converter=float,
        validator=_in_range(MAX_LATITUDE),
        metadata={"help": "of the place, in degrees north"},
    )
    longitude: float = field(
        converter=float,
        validator=_in_range(MAX_LONGITUDE),
        metadata={"help": "of the place, in degrees east"},
    )
    offset: SignedDuration = field(
        default=SignedDuration(timedelta(0)),
        converter=parse_signed_duration,
        validator=_at_most_half_a_day,
        metadata={"help": 'time after the event, or before it: "-30m"'},
    )
    twilight: Twilight = field(
        default="civil",
        metadata={"help": "depth of dawn and dusk: civil (the sun is 6° below), nautical (12°) or astronomical (18°)"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of a start"}
    )

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next event, moved by `offset`."""
        try:
            event = next(self._events(instant.astimezone(UTC) - self.offset), None)
            return None if event is None else event + self.offset
        except OverflowError:
            return None

    def note(self, instant: datetime) -> str | None:
        """Return a remark on the first event after days without one."""
        try:
            event = instant.astimezone(UTC) - self.offset
            before = next(self._events(event - timedelta(days=2)), event)
        except OverflowError:
            return None
        return f"the first {self.at} after days without one" if before == event else None

    def summary(self) -> str:
        """Return the event and the place."""
        side = "before" if self.offset < timedelta(0) else "after"
        moved = f"{format_duration(abs(self.offset))} {side}" if self.offset else ""
        return summarize(moved, self.at, "at", f"{self.latitude:g}, {self.longitude:g}")

    def _events(self, after: datetime) -> Iterator[datetime]:
        # lazy: astral is needed only where an instant is computed
        from rae_trigger_sun.crossings import RISING, SINKING, Place, find_crossings, find_noons

        place = Place(self.latitude, self.longitude)
        if self.at == "noon":
            return find_noons(place, after)
        degrees = SUNRISE_DEGREES if self.at in ("sunrise", "sunset") else TWILIGHT_DEGREES[self.twilight]
        return find_crossings(place, degrees, RISING if self.at in ("sunrise", "dawn") else SINKING, after)
