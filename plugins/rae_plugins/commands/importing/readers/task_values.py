"""Values of Task Scheduler's XML: elements that are taken out, durations, instants, and command lines of Windows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from rae_plugins.commands.importing.readers.taking import shorten
from rae_plugins.commands.importing.readers.xml_text import local_name

_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class TakenElement:
    """An element whose children are taken out of it, so that what is left over can be named."""

    def __init__(self, element: Element | None) -> None:
        self.children = list(element) if element is not None else []
        self.name = local_name(element) if element is not None else ""

    def take(self, name: str) -> Element | None:
        """Return the first child of a name and forget it."""
        for child in self.children:
            if local_name(child) == name:
                self.children.remove(child)
                return child
        return None

    def take_element(self, name: str) -> "TakenElement":
        """Return a child to take from; one without children where it is missing."""
        return TakenElement(self.take(name))

    def take_text(self, name: str, default: str = "") -> str:
        """Return the text of a child; the default where it is missing or empty."""
        child = self.take(name)
        return (child.text or "").strip() or default if child is not None else default

    def take_flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean."""
        text = self.take_text(name).lower()
        return default if not text else text in ("true", "1")

    def forget(self, *names: str) -> None:
        """Forget children without a meaning here."""
        self.children = [child for child in self.children if local_name(child) not in names]

    def rest(self) -> Iterator[str]:
        """Yield what nothing has taken, as `Name=text`."""
        for child in self.children:
            text = " ".join("".join(child.itertext()).split())
            yield f"{local_name(child)}={shorten(text)}" if text else local_name(child)


def parse_period(text: str) -> timedelta | None:
    """Return a duration such as "PT15M"; None for one that is missing. Months have 30 days. Raises ValueError."""
    if not text:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration")
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=365 * years + 30 * months + days, hours=hours, minutes=minutes, seconds=seconds)


def parse_boundary(text: str) -> datetime | None:
    """Return an instant or a wall time such as "2026-01-31T03:00:00"; None for a missing one. Raises ValueError."""
    # Python 3.11 reads at most six digits of a second.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)) if text else None


def split_arguments(line: str) -> list[str]:
    """Return the arguments of a command line as programs of Windows read it.

    Backslashes count only before a quotation mark: two are one, and an odd one makes the mark a character.
    """
    found: list[str] = []
    current, is_open, has_word = "", False, False
    position = 0
    while position < len(line):
        slashes = len(line) - position - len(line[position:].lstrip("\\"))
        position += slashes
        if line[position : position + 1] == '"':
            current += "\\" * (slashes // 2)
            has_word = True
            if slashes % 2:
                current += '"'
            elif is_open and line[position + 1 : position + 2] == '"':
                current += '"'
                position += 1
            else:
                is_open = not is_open
            position += 1
            continue
        current += "\\" * slashes
        has_word = has_word or slashes > 0
        character = line[position : position + 1]
        position += 1
        if character in (" ", "\t") and character and not is_open:
            found += [current] if has_word else []
            current, has_word = "", False
        elif character:
            current += character
            has_word = True
    return [*found, current] if has_word else found
