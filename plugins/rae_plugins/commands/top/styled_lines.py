"""Lines of text with the role of each part, which the terminal view colours and the plain one prints."""

from collections.abc import Iterable
from typing import NamedTuple

from rae_auto.model.primitives.escaping import escape_unprintable
from rae_auto.toolkit.text_cells import count_cells, fit_to_cells, shorten_to_cells, wrap_to_cells

MIN_WRAPPED_WIDTH = 20


class Part(NamedTuple):
    """A piece of a line. `role` is "", "good", "bad", "busy", "waiting", "muted", "strong" or "title"."""

    text: str
    role: str = ""


Line = tuple[Part, ...]


def line(*parts: Part | str) -> Line:
    """Return a line of parts; text alone has no role."""
    return tuple(part if isinstance(part, Part) else Part(part) for part in parts)


def plain_text(parts: Iterable[Part]) -> str:
    """Return a line without roles."""
    return "".join(part.text for part in parts).rstrip()


def printable_text(text: str) -> str:
    """Return a text that a terminal shows and never obeys: jobs print what they like, and reasons quote it."""
    return text if text.isprintable() else escape_unprintable(text.expandtabs(4))


def cells_of(parts: Iterable[Part]) -> int:
    """Return how many columns a line takes."""
    return sum(count_cells(printable_text(part.text)) for part in parts)


def fit(text: str, width: int) -> str:
    """Return a text in exactly this many columns, cut with an ellipsis if it is longer."""
    return fit_to_cells(printable_text(text), width)


def cut(parts: Line, width: int) -> Line:
    """Return a line of at most this many columns."""
    kept: list[Part] = []
    left = width
    for part in parts:
        if left <= 0:
            break
        text = shorten_to_cells(printable_text(part.text), left)
        kept.append(Part(text, part.role))
        left -= count_cells(text)
    return tuple(kept)


def wrap(text: str, width: int, role: str = "", begin: Line = ()) -> list[Line]:
    """Return a text as lines of this many columns, `begin` before the first one and spaces before the others."""
    indent = cells_of(begin)
    first, *more = wrap_to_cells(printable_text(text), max(width - indent, MIN_WRAPPED_WIDTH))
    return [(*begin, Part(first, role)), *(line(" " * indent, Part(one, role)) for one in more)]


def hang(parts: Line, width: int) -> list[Line]:
    """Return a line as lines of this many columns, the text of its last part below itself where that has room."""
    *begin, last = parts or (Part(""),)
    has_room = width - cells_of(begin) >= MIN_WRAPPED_WIDTH
    if not begin or not has_room or cells_of(parts) <= width:
        return [parts]
    return wrap(last.text, width, last.role, tuple(begin))
