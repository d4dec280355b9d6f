"""The layout of a table on a terminal: which columns are shown, and how wide each may be."""

from collections.abc import Collection, Sequence

GAP = 2
"""Spaces between columns."""

MIN_TEXT_WIDTH = 8
"""A cell is cut to this width at least."""

COMFORTABLE_WIDTH = 16
"""Columns that can be left out give way before others are cut to less than this."""

EMPTY = "-"

Rows = Sequence[Sequence[str]]


def shown_columns(
    headers: Sequence[str], rows: Rows, width: int, *, optional: Collection[str] = (), whole: Collection[str] = ()
) -> list[int]:
    """Return the columns to show: those with any content, without optional ones (in that order) that don't fit."""
    shown = [n for n in range(len(headers)) if any(row[n] != EMPTY for row in rows)]
    for name in optional:
        if _least_width(headers, rows, shown, whole) <= width:
            break
        shown = [n for n in shown if headers[n] != name]
    return shown


def _least_width(headers: Sequence[str], rows: Rows, shown: Sequence[int], whole: Collection[str]) -> int:
    """Return the width that the columns need so that each can be read."""
    natural = natural_widths(headers, rows, shown)
    limits = [w if headers[n] in whole else min(w, COMFORTABLE_WIDTH) for n, w in zip(shown, natural, strict=True)]
    return sum(limits) + GAP * (len(shown) - 1)


def natural_widths(headers: Sequence[str], rows: Rows, shown: Sequence[int]) -> list[int]:
    """Return the width of each column that cuts nothing."""
    return [max(len(headers[n]), *(len(row[n]) for row in rows)) for n in shown]


def fit_widths(natural: Sequence[int], width: int, is_whole: Sequence[bool]) -> list[int]:
    """Return the widths of columns in a terminal of this width: the widest that may be cut give way first."""
    widths = list(natural)
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    while excess > 0:
        cuttable = [n for n, size in enumerate(widths) if size > MIN_TEXT_WIDTH and not is_whole[n]]
        if not cuttable:
            break
        widths[max(cuttable, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths


def cut(text: str, width: int) -> str:
    """Return the text, with an ellipsis in place of what doesn't fit."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
