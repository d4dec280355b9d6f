"""The calendar guard: a run may start outside the days of a calendar, or only within them.

A day lasts from the first instant at which the clock shows it until the first instant at which it shows the next. A
period with times of the day follows the same rule, in the zone of the guard or in the one that the file names.

The file is read once, when the guard is created, so the verdict stays a pure function of the instant. When it changes,
the guard is created again; guards are equal if they read the same content.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import field, frozen
from attrs.converters import optional

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.files import FileIdentity
from rae_auto.toolkit.validators import absolute_path, zone_name
from rae_plugins.calendars.calendar_file import CalendarFile, OnBad, join_sources, read_calendar_file
from rae_plugins.calendars.date_entries import parse_date_entry
from rae_plugins.calendars.event_index import EventIndex
from rae_plugins.machine.wall_clock import wall_time_at


@frozen(kw_only=True, cache_hash=True)
class CalendarGuard(ComputedGuard):
    """Says no within the days and times of a calendar, or, with `mode = "include"`, yes only within them."""

    type: ClassVar[str] = "calendar"
    example: ClassVar[Mapping[str, Any]] = {"file": "~/holidays.ics"}

    file: str | None = field(
        default=None,
        converter=optional(absolute_path),
        metadata={"help": "path of an iCalendar file (.ics), read again when it changes", "is_path": True},
    )
    dates: tuple[str, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": 'days, and ranges of days or times, as in ["2026-12-24..2026-12-26", "2027-01-01"]'},
    )
    mode: Literal["exclude", "include"] = field(
        default="exclude", metadata={"help": "exclude: never then (holidays, blackouts); include: only then"}
    )
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "time zone of days and of times without a zone; by default the configured one"},
    )
    on_bad: OnBad = field(
        default="skip",
        metadata={"help": "an event that is not understood: skip ignores it, with a warning; refuse is an error"},
    )
    digest: str = field(init=False, repr=False)
    """Digest of the file's content, because guards that read different content are not equal."""
    index: EventIndex = field(init=False, repr=False, eq=False)
    calendar: CalendarFile = field(init=False, repr=False, eq=False)
    """The calendar in the file."""

    def __attrs_post_init__(self) -> None:
        """Read the file. Errors: ValueError, one line with the file and the line in it."""
        if self.file is None and not self.dates:
            raise ValueError('the calendar is empty; set file = "PATH.ics" or dates = ["2026-12-24"]')
        home = zone(self.timezone or "local")
        calendar = CalendarFile() if self.file is None else read_calendar_file(self.file, home, self.on_bad)
        date_events = (parse_date_entry(text, home) for text in self.dates)
        object.__setattr__(self, "digest", calendar.digest)
        object.__setattr__(self, "index", EventIndex((*calendar.events, *date_events)))
        object.__setattr__(self, "calendar", calendar)

    def warnings(self) -> tuple[str, ...]:
        """Return which events of the file were skipped."""
        return self.calendar.warnings

    def read_files(self) -> Mapping[str, FileIdentity]:
        """Return the file, as it was before it was read."""
        return self.calendar.files

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return whether an event of the calendar covers the instant, and which."""
        clock_zone = zone(self.timezone or "local")
        name = self.index.name_at(instant)
        source = join_sources(([Path(self.file).name] if self.file else []) + (["dates"] if self.dates else []))
        clock = f"it is {wall_time_at(instant, clock_zone):%a %Y-%m-%d %H:%M} in {clock_zone.key}"
        if name is None:
            reason = f"{clock}, outside all events of {source}"
        else:
            event = quote_short(name) if name else "an event without a name"
            reason = f"{clock}, within {event} of {source}"
        return GuardResult(Verdict.YES if (name is None) == (self.mode == "exclude") else Verdict.NO, reason)

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return when an event next begins or ends; if none does for years, an instant some years ahead."""
        return self.index.changes_after(instant)


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """Return the calendar guard."""
    return [CalendarGuard]
