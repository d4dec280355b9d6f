"""The options that the calendar guard and the calendar trigger share, and the events that these choose."""

from collections.abc import Sequence
from typing import Any

from attrs import field
from attrs.converters import optional

from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import absolute_path, zone_name
from rae_plugins.calendars.calendar_file import CalendarFile, OnBad, read_calendar_file
from rae_plugins.calendars.date_entries import parse_date_entry
from rae_plugins.calendars.events import CalendarEvent

ON_BAD = {"help": "an event that is not understood: skip ignores it, with a warning; refuse is an error"}
"""The metadata of the option `on_bad`."""


def file_option() -> Any:
    """Return the field of the option `file`: a path, or None."""
    return field(
        default=None,
        converter=optional(absolute_path),
        metadata={"help": "path of an iCalendar file (.ics), read again when it changes", "is_path": True},
    )


def dates_option() -> Any:
    """Return the field of the option `dates`: a tuple of texts."""
    return field(
        default=(),
        converter=tuple,
        metadata={"help": 'days, and ranges of days or times, as in ["2026-12-24..2026-12-26", "2027-01-01"]'},
    )


def timezone_option() -> Any:
    """Return the field of the option `timezone`: an IANA name, or None."""
    return field(
        default=None,
        converter=zone_name,
        metadata={"help": "time zone of days and of times without a zone; by default the configured one"},
    )


def read_events(
    file: str | None, dates: Sequence[str], timezone: str | None, on_bad: OnBad, *, with_details: bool = False
) -> tuple[CalendarFile, tuple[CalendarEvent, ...]]:
    """Return the calendar of these options, and all events: those in its file, and those of `dates`.

    Errors: ValueError, one line with the file and the line in it.
    """
    if file is None and not dates:
        raise ValueError('the calendar is empty; set file = "PATH.ics" or dates = ["2026-12-24"]')
    home = zone(timezone or "local")
    calendar = CalendarFile() if file is None else read_calendar_file(file, home, on_bad, with_details=with_details)
    return calendar, (*calendar.events, *(parse_date_entry(text, home) for text in dates))
