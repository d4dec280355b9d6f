"""The lines of an iCal file: unfolded, numbered, taken apart.

https://datatracker.ietf.org/doc/html/rfc5545#section-3.1
"""

import re
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from rae_plugins.guards.lines import shown

_LINE = re.compile(
    r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)', re.DOTALL
)
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:])*)')
_ESCAPED = re.compile(r"\\([\\;,nN])")


class Unreadable(ValueError):
    """A line that can't be understood; its number, and what is wrong with it."""

    def __init__(self, number: int, problem: str) -> None:
        """Say it of a line."""
        super().__init__(problem)
        self.number = number


@frozen
class Line:
    """NAME;PARAMETER=…:value, with the number at which it begins; names in capitals."""

    number: int
    raw: str
    name: str
    value: str
    parameters: Mapping[str, str] = field(factory=dict)

    def bad(self, problem: str) -> Unreadable:
        """An error about this line."""
        return Unreadable(self.number, f"{self.name} {problem}")

    @property
    def text(self) -> str:
        """The value as text that a person wrote."""
        return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], self.value)


def content_lines(text: str) -> Iterator[Line]:
    """The lines of a file. Errors: Unreadable."""
    for number, raw in _unfolded(text):
        found = _LINE.fullmatch(raw)
        if found is None:
            raise Unreadable(number, f"{shown(repr(raw), 40)} is no line of a calendar")
        parameters = {name.upper(): value.replace('"', "") for name, value in _PARAMETER.findall(found[2])}
        yield Line(number, raw, found[1].upper(), found[3], parameters)


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Whole lines with their numbers: one that begins with a blank continues the one before."""
    begun, parts = 0, [""]
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if raw[:1] in (" ", "\t") and begun:
            parts.append(raw[1:])
        else:
            if begun:
                yield begun, "".join(parts)
            begun, parts = (number, [raw]) if raw.strip() else (0, [""])
    if begun:
        yield begun, "".join(parts)
