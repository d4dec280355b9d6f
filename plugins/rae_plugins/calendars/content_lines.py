"""Content lines of an iCalendar file: unfolded, numbered, split into name, parameters and value.

https://datatracker.ietf.org/doc/html/rfc5545#section-3.1
"""

import re
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from rae_auto.model.primitives.escaping import quote_short

MAX_SHOWN_CHARACTERS = 40
"""Characters of a file that a message shows."""

_LINE = re.compile(
    r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)', re.DOTALL
)
_NAME = re.compile(r"[A-Za-z0-9-]+")
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:])*)')
_ESCAPED = re.compile(r"\\([\\;,nN])")


class CalendarSyntaxError(ValueError):
    """A line that is invalid or not supported; carries its number."""

    def __init__(self, line_number: int, problem: str) -> None:
        """Report a problem at a line, counted from 1."""
        super().__init__(problem)
        self.line_number = line_number


@frozen
class ContentLine:
    """A line `NAME;PARAMETER=…:value`, with the number at which it begins. Names are in capitals."""

    number: int
    raw: str
    name: str
    value: str
    parameters: Mapping[str, str] = field(factory=dict)
    is_invalid: bool = False
    """True if it has not the form of a line; its name is the word that it begins with, if there is one."""

    def error(self, problem: str) -> CalendarSyntaxError:
        """Return an error about this line."""
        return CalendarSyntaxError(self.number, f"{self.name}: {problem}")

    @property
    def is_marked_as_date(self) -> bool:
        """True if it says of itself that its value is a date (VALUE=DATE)."""
        return self.parameters.get("VALUE", "").upper() == "DATE"

    def check(self) -> "ContentLine":
        """Return this line. Errors: CalendarSyntaxError if it is invalid."""
        if self.is_invalid:
            shown = quote_short(self.raw, MAX_SHOWN_CHARACTERS)
            problem = f"invalid line {shown}; expected NAME:VALUE, as in an iCalendar file"
            raise CalendarSyntaxError(self.number, problem)
        return self

    @property
    def text(self) -> str:
        """The value as text, its escapes resolved."""
        return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)


def parse_content_lines(text: str) -> Iterator[ContentLine]:
    """Yield the lines of a file, also those that are invalid: most properties don't matter."""
    for number, raw in _unfold(text):
        match = _LINE.fullmatch(raw)
        if match is None:
            name = _NAME.match(raw)
            yield ContentLine(number, raw, name[0].upper() if name else "", "", is_invalid=True)
            continue
        parameters = {name.upper(): value.replace('"', "") for name, value in _PARAMETER.findall(match[2])}
        yield ContentLine(number, raw, match[1].upper(), match[3], parameters)


def _unfold(text: str) -> Iterator[tuple[int, str]]:
    """Yield whole lines with their numbers: one that begins with a blank continues the one before."""
    start, parts = 0, [""]
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if raw[:1] in (" ", "\t") and start:
            parts.append(raw[1:])
        else:
            if start:
                yield start, "".join(parts)
            start, parts = (number, [raw]) if raw.strip() else (0, [""])
    if start:
        yield start, "".join(parts)
