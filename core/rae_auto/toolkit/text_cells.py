"""Texts measured in the cells of a terminal: 日 takes two, a combining mark none.

The tables of the standard library are enough for columns that line up. The package wcwidth knows more, about single
scripts; it would be one more dependency, and a test compares both where it matters.
"""

import unicodedata
from collections.abc import Iterator

_ZERO_WIDTH_CATEGORIES = frozenset({"Mn", "Me", "Cf"})
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
"""Two of them are drawn as one flag."""

_SKIN_TONES = range(0x1F3FB, 0x1F400)
_JAMO_TAILS = range(0x1160, 0x1200)
"""Vowels and final consonants of Korean, which are drawn into the syllable before them."""


def count_cells(text: str) -> int:
    """Return how many cells of a terminal a text takes, which is printable."""
    return len(text) if text.isascii() else sum(_widths(text))


def shorten_to_cells(text: str, cells: int) -> str:
    """Return a text that takes at most this many cells, with an ellipsis for what doesn't fit."""
    if count_cells(text) <= cells:
        return text
    return f"{_begin(text, cells - 1)}…" if cells > 0 else ""


def fit_to_cells(text: str, cells: int) -> str:
    """Return a text that takes exactly this many cells: shortened, or with spaces behind it."""
    text = shorten_to_cells(text, cells)
    return text + " " * (cells - count_cells(text))


def wrap_to_cells(text: str, cells: int) -> list[str]:
    """Return a text as lines of at most this many cells, broken at spaces, and in words longer than a line."""
    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if count_cells(joined) <= cells:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while count_cells(line) > cells:
            # Progress even where a single character is too wide.
            begin = _begin(line, cells) or line[0]
            lines.append(begin)
            line = line[len(begin) :]
    return [*lines, line]


def _begin(text: str, cells: int) -> str:
    taken = 0
    for place, width in enumerate(_widths(text)):
        taken += width
        if taken > cells:
            return text[:place]
    return text


def _widths(text: str) -> Iterator[int]:
    """Yield how many more cells a text takes with each of its characters."""
    before, width = "", 0
    for char in text:
        if char == _AS_EMOJI:
            more = 1 if width == 1 else 0
        elif (before == _JOINER and char != " ") or _is_drawn_over(char, width):
            more = 0
        elif ord(char) in _FLAG_LETTERS and before and ord(before) in _FLAG_LETTERS:
            more, char = 0, ""
        else:
            is_wide = unicodedata.east_asian_width(char) in "WF" or ord(char) in _FLAG_LETTERS
            more = width = 2 if is_wide else 1
        yield more
        before = char


def _is_drawn_over(char: str, width_before: int) -> bool:
    if unicodedata.category(char) in _ZERO_WIDTH_CATEGORIES or ord(char) in _JAMO_TAILS:
        return True
    return ord(char) in _SKIN_TONES and width_before == 2
