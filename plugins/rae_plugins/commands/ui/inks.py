"""Colours of terminals in output, re-inked: sequences become names of classes, all other controls become visible."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo

from markupsafe import Markup, escape

from rae_auto.model.primitives.escaping import escape_unprintable

_SEQUENCE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")

_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLES = {1: "bold", 2: "faint", 3: "italic", 4: "underlined"}
_ENDS = {22: ("bold", "faint"), 23: ("italic",), 24: ("underlined",)}

MAX_PARTS = 200
"""Number of differently coloured parts of a line; what follows has the last colour."""

Part = tuple[str, str]
"""The classes of a part of a line, and its text."""


def ink_line(line: str) -> list[Part]:
    """Return a line as parts with the names of their classes. Only colours and styles are kept of all sequences."""
    # What came before a carriage return was overwritten in a terminal, as progress bars do.
    text = line.rsplit("\r", 1)[-1] if "\r" in line else line
    return list(_parts(text)) or [("", "")]


def _parts(text: str) -> Iterator[Part]:
    classes: dict[str, str] = {}
    position = count = 0
    for found in _SEQUENCE.finditer(text):
        if found.start() > position and count < MAX_PARTS:
            yield _part(classes, text[position : found.start()])
            count += 1
            position = found.end()
        elif count < MAX_PARTS:
            position = found.end()
        if found[1] is not None:
            _apply(classes, found[1])
    if position < len(text):
        yield _part(classes, text[position:])


def _part(classes: dict[str, str], text: str) -> Part:
    return " ".join(f"ink-{name}" for name in dict.fromkeys(classes.values())), _escape(text)


def _escape(text: str) -> str:
    """Return the text with all controls visible, but for tabs, which a page shows as such."""
    return "\t".join(map(escape_unprintable, text.split("\t")))


def _apply(classes: dict[str, str], codes: str) -> None:
    numbers = [int(code) for code in re.split("[;:]", codes) if code.isdigit() and len(code) < 6] or [0]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            classes.clear()
        elif code in _STYLES:
            classes[_STYLES[code]] = _STYLES[code]
        elif code in _ENDS:
            for name in _ENDS[code]:
                classes.pop(name, None)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            classes["colour"] = _COLOURS[code % 10]
        elif code == 39:
            classes.pop("colour", None)
        elif code in (38, 48):
            # A colour of a larger palette: its numbers are skipped, and the nearest of ours is not guessed.
            del numbers[: 2 if numbers[:1] == [5] else 4]


def format_parts(parts: Iterable[Part]) -> Markup:
    """Return the parts of a line as elements: together, because an output has thousands of them."""
    # The names of classes are ours.
    return Markup("".join([f'<span class="{css}">{escape(text)}</span>' for css, text in parts]))  # noqa: S704


def format_output_lines(lines: Iterable[tuple[int, Sequence[Part]]], address: str) -> Markup:
    """Return lines of an output, each by its offset, as items of a list that have links to themselves."""
    link = escape(address)
    items = [
        f'<li id="b{offset}"><a class="at" href="{link}#b{offset}" aria-label="Link to this line" tabindex="-1"></a>'
        f"{format_parts(parts)}</li>"
        for offset, parts in lines
    ]
    return Markup("".join(items))  # noqa: S704


def ink_output_line(line: str, at: datetime | None, zone: tzinfo, *, is_error: bool) -> list[Part]:
    """Return a line of output as parts, with when it came and a mark of standard error before it."""
    came = [] if at is None else [("came", f"{at.astimezone(zone):%H:%M:%S}  ")]
    mark = [("from-error", "! ")] if is_error else []
    return [*came, *mark, *ink_line(line)]
