"""A calendar that the option `file` names: its events, and what was skipped."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_auto.model.primitives.formatting import format_bytes, join_words
from rae_auto.toolkit.files import FileIdentity, identify_file
from rae_plugins.calendars.events import CalendarEvent

MAX_FILE_BYTES = 8 << 20
"""Size of a file; the holidays of a country for ten years take some 50 KB."""

MAX_PATH_CHARACTERS = 200
"""Characters of a path in a message."""

MAX_SHOWN_PROBLEMS = 5
"""Events that were skipped and are named; the others are counted."""

OnBad = Literal["skip", "refuse"]


@frozen
class CalendarFile:
    """The events of a file, and a line for each one that was skipped."""

    events: tuple[CalendarEvent, ...] = ()
    problems: tuple[str, ...] = ()
    digest: str = ""
    files: Mapping[str, FileIdentity] = field(factory=dict)
    """The file, as it was before it was read."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what was skipped, in a few lines."""
        hidden = len(self.problems) - MAX_SHOWN_PROBLEMS
        more = (f"{hidden} more of its events are skipped",) if hidden > 0 else ()
        return (*self.problems[:MAX_SHOWN_PROBLEMS], *more)


def read_calendar_file(path: str, home: tzinfo, on_bad: OnBad, *, with_details: bool = False) -> CalendarFile:
    """Return the calendar in a file; times without a zone are those of `home`.

    `with_details`: the events have their descriptions and so on, not only their names.

    Errors: ValueError, one line with the file and the line in it, if the file can't be read, if it is no calendar, or,
    unless `on_bad` is "skip", if one of its events is not understood.
    """
    from rae_plugins.calendars.content_lines import CalendarSyntaxError  # lazy: start-up
    from rae_plugins.calendars.ical_parser import parse_calendar  # lazy: start-up

    identity = identify_file(Path(path))
    content, quoted = _read_bytes(path), shorten_line(path, MAX_PATH_CHARACTERS)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line_number = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{quoted}:{line_number}: not valid UTF-8; save the file as UTF-8") from None
    try:
        parsed = parse_calendar(text, home, with_details=with_details)
    except CalendarSyntaxError as error:
        raise ValueError(f"{quoted}:{error.line_number}: {error}") from None
    if parsed.bad_events and on_bad == "refuse":
        first = parsed.bad_events[0]
        raise ValueError(f"{quoted}:{first.error.line_number}: {_title(first.name)}: {first.error}")
    return CalendarFile(
        parsed.events,
        tuple(
            f"{quoted}:{bad.error.line_number}: {_title(bad.name)} is skipped: {bad.error}"
            for bad in sorted(parsed.bad_events, key=lambda bad: bad.error.line_number)
        ),
        hashlib.sha256(content).hexdigest(),
        {path: identity},
    )


def join_sources(sources: Iterable[str]) -> str:
    """Return where events come from, in one line."""
    return shorten_line(join_words(sources))


def _title(name: str) -> str:
    return f"event {quote_short(name)}" if name else "an event without a name"


def _read_bytes(path: str) -> bytes:
    """Return the content of a file, which may be written at this moment or be replaced by anything."""
    quoted = shorten_line(path, MAX_PATH_CHARACTERS)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{quoted}: not a regular file; name an iCalendar file (.ics)")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f'{quoted}: cannot be read ({error.strerror}); check the path in "file"') from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{quoted}: larger than {format_bytes(MAX_FILE_BYTES)}; export fewer events")
    return content
