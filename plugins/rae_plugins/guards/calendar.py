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

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.files import FileIdentity
from rae_plugins.calendars.calendar_file import CalendarFile, OnBad, join_sources
from rae_plugins.calendars.event_index import EventIndex
from rae_plugins.calendars.options import ON_BAD, dates_option, file_option, read_events, timezone_option
from rae_plugins.machine.wall_clock import wall_time_at


@frozen(kw_only=True, cache_hash=True)
class CalendarGuard(ComputedGuard):
    """Says no within the days and times of a calendar, or, with `mode = "include"`, yes only within them."""

    type: ClassVar[str] = "calendar"
    example: ClassVar[Mapping[str, Any]] = {"file": "~/holidays.ics"}

    file: str | None = file_option()
    dates: tuple[str, ...] = dates_option()
    mode: Literal["exclude", "include"] = field(
        default="exclude", metadata={"help": "exclude: never then (holidays, blackouts); include: only then"}
    )
    timezone: str | None = timezone_option()
    on_bad: OnBad = field(default="skip", metadata=ON_BAD)
    digest: str = field(init=False, repr=False)
    """Digest of the file's content, because guards that read different content are not equal."""
    index: EventIndex = field(init=False, repr=False, eq=False)
    calendar: CalendarFile = field(init=False, repr=False, eq=False)
    """The calendar in the file."""

    def __attrs_post_init__(self) -> None:
        """Read the file. Errors: ValueError, one line with the file and the line in it."""
        calendar, events = read_events(self.file, self.dates, self.timezone, self.on_bad)
        object.__setattr__(self, "digest", calendar.digest)
        object.__setattr__(self, "index", EventIndex(events))
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
