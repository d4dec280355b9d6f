"""Says no on the days of a calendar, or yes on these alone: holidays, closing days, blackouts.

A day lasts from the first instant at which the clock shows it until the first at which it shows the next, and a
stretch with times of the day by the same rule, in the zone of the guard, or in that which the iCal file names.

The file is read once, when the guard is made, which happens at the start and at each reload. So the answer stays a
function of the instant, and guards are equal where they read the same.
"""

import hashlib
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

from attrs import field, frozen
from attrs.converters import optional

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import absolute_path, zone_name
from rae_plugins.guards.calendar.book import Book
from rae_plugins.guards.calendar.dates import event_of
from rae_plugins.guards.calendar.events import Event
from rae_plugins.guards.lines import shown
from rae_plugins.machine.wall_clock import shown_at

LARGEST = 8 << 20
"""Bytes of a file; the holidays of a country for ten years take some 50 KB."""


@frozen(kw_only=True, cache_hash=True)
class CalendarGuard(ComputedGuard):
    """Says no within the days and times of a calendar, or, with `mode = "include"`, only within these yes."""

    type: ClassVar[str] = "calendar"

    file: str | None = field(
        default=None,
        converter=optional(absolute_path),
        metadata={"help": "an iCal file (.ics), read at the start and at each reload"},
    )
    dates: tuple[str, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": 'days, ranges of days and of times, as ["2026-12-24..2026-12-26", "2027-01-01"]'},
    )
    mode: Literal["exclude", "include"] = field(
        default="exclude", metadata={"help": "exclude: not then (holidays, blackouts); include: only then"}
    )
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "zone of the days, and of times that name none; by default the configured one"},
    )
    digest: str = field(init=False, repr=False)
    """Of the file's content, since guards that read something else are not equal."""
    book: Book = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Read the file. Errors: ValueError, one line with the file and where in it."""
        if self.file is None and not self.dates:
            raise ValueError('there is no calendar; give file = "….ics", or dates = ["2026-12-24"]')
        content = b"" if self.file is None else _content(self.file)
        object.__setattr__(self, "digest", hashlib.sha256(content).hexdigest())
        where = self.timezone or "local"
        events = () if self.file is None else _events(self.file, content, zone(where))
        object.__setattr__(self, "book", Book((*events, *(event_of(text, zone(where)) for text in self.dates))))

    def evaluate(self, instant: datetime) -> GuardResult:
        """Whether the calendar has the instant, and with which event."""
        place = zone(self.timezone or "local")
        name = self.book.name_at(instant)
        names = ([Path(self.file).name] if self.file else []) + (["dates"] if self.dates else [])
        source = shown(" and ".join(names))
        now = f"{shown_at(instant, place):%a %Y-%m-%d %H:%M} in {place.key}"
        because = f"{now} is not in {source}" if name is None else f"{now} is in {source}: {shown(name) or 'no name'}"
        return GuardResult(Verdict.YES if (name is None) == (self.mode == "exclude") else Verdict.NO, because)

    def changes_after(self, instant: datetime) -> datetime | None:
        """When an event begins or ends; where none does for years, an instant some years ahead."""
        return self.book.changes_after(instant)


def _content(path: str) -> bytes:
    """What stands in the file, which others may be writing, or may have replaced by anything."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{shown(path, 200)}: is no file; name an iCal file (.ics)")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(
            f"{shown(path, 200)}: can't be read ({error.strerror}); name an iCal file (.ics) that is there"
        ) from None
    if len(content) > LARGEST:
        raise ValueError(f"{shown(path, 200)}: is larger than {LARGEST >> 20} MB; take an extract of it")
    return content


def _events(path: str, content: bytes, home: ZoneInfo) -> tuple[Event, ...]:
    """The events of a file's content."""
    # Late: it is for those who have a file.
    from rae_plugins.guards.calendar.ical import read_events
    from rae_plugins.guards.calendar.lines import Unreadable

    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{shown(path, 200)}:{line}: is not UTF-8; save the file as UTF-8") from None
    try:
        return read_events(text, home)
    except Unreadable as error:
        raise ValueError(f"{shown(path, 200)}:{error.number}: {error}") from None


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """The calendar guard."""
    return [CalendarGuard]
