"""The calendar trigger: fires when events of a calendar begin or end, or some time before or after that."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import translate
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.units import SignedDuration, format_duration, parse_duration, parse_signed_duration
from rae_auto.toolkit.files import FileIdentity
from rae_auto.toolkit.summaries import named, summarize
from rae_plugins.calendars.calendar_file import CalendarFile, OnBad
from rae_plugins.calendars.event_times import Edge, EventTimes, describe
from rae_plugins.calendars.events import CalendarEvent
from rae_plugins.calendars.options import ON_BAD, dates_option, file_option, read_events, timezone_option


def _parse_edge(value: object) -> Edge:
    if value not in list(Edge):
        raise ValueError(f'must be "start" or "end", not {quote_short(str(value))}')
    return Edge(str(value))


@frozen(kw_only=True, cache_hash=True)
class CalendarTrigger(ScheduleTrigger):
    """Fires when events of a calendar begin or end, or some time before or after that.

    The event has `summary`, the name of the event in the calendar, and `events` with all that belong to the instant.
    """

    type: ClassVar[str] = "calendar"
    example: ClassVar[Mapping[str, Any]] = {"file": "~/holidays.ics", "offset": "-6h"}

    file: str | None = file_option()
    dates: tuple[str, ...] = dates_option()
    on: Edge = field(
        default=Edge.START, converter=_parse_edge, metadata={"help": "what counts: start or end of an event"}
    )
    offset: SignedDuration = field(
        default=SignedDuration(timedelta(0)),
        converter=parse_signed_duration,
        metadata={"help": 'how long after that it fires, by the clock; "-6h" is six hours before'},
    )
    match: str | None = field(
        default=None,
        metadata={"help": 'only events with such a summary, in any case; a pattern, as in "*paper*"'},
    )
    timezone: str | None = timezone_option()
    on_bad: OnBad = field(default="skip", metadata=ON_BAD)
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of a start"}
    )
    digest: str = field(init=False, repr=False)
    """Digest of the file's content, because triggers that read different content are not equal."""
    calendar: CalendarFile = field(init=False, repr=False, eq=False)
    """The calendar in the file."""
    times: EventTimes = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Read the file. Errors: ValueError, one line with the file and the line in it."""
        calendar, events = read_events(self.file, self.dates, self.timezone, self.on_bad, with_details=True)
        counts = partial(_is_match, None if self.match is None else re.compile(translate(self.match), re.IGNORECASE))
        object.__setattr__(self, "digest", calendar.digest)
        object.__setattr__(self, "calendar", calendar)
        object.__setattr__(self, "times", EventTimes(events, self.on, self.offset, counts))

    def summary(self) -> str:
        source = Path(self.file).name if self.file else "dates"
        offset = (
            f"{'-' if self.offset < timedelta(0) else '+'}{format_duration(abs(self.offset))}" if self.offset else ""
        )
        return summarize(self.type, source, self.on, offset, named("of", self.match))

    def next_after(self, instant: datetime) -> datetime | None:
        """Return when the next event begins or ends."""
        return self.times.next_after(instant)

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        """Return the events that an instant belongs to."""
        return describe(self.times.find_at(instant)) or None

    def note(self, instant: datetime) -> str | None:
        """Return the names of the events that an instant belongs to."""
        names = dict.fromkeys(one.event.name for one in self.times.find_at(instant) if one.event.name)
        return f"for {', '.join(map(quote_short, names))}" if names else None

    def warnings(self) -> tuple[str, ...]:
        """Return which events of the file were skipped, and whether none is left."""
        if self.match is None or any(self.times.counts(event) for event in self.times.events):
            return self.calendar.warnings
        return (*self.calendar.warnings, f"match: no event has a summary like {quote_short(self.match)}; correct it")

    def read_files(self) -> Mapping[str, FileIdentity]:
        """Return the file, as it was before it was read."""
        return self.calendar.files


def _is_match(pattern: re.Pattern[str] | None, event: CalendarEvent) -> bool:
    return pattern is None or pattern.match(event.name) is not None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the calendar trigger."""
    return [CalendarTrigger]
