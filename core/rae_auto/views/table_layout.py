"""The layout of a table in the cells of a terminal: which columns are shown, and how wide each may be."""

from collections.abc import Collection, Sequence

from rae_auto.toolkit.text_cells import count_cells, fit_to_cells, shorten_to_cells

GAP = 2
"""Spaces between columns."""

MIN_TEXT_WIDTH = 8
"""A cell is cut to this width at least."""

COMFORTABLE_WIDTH = 20
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


def total_width(headers: Sequence[str], rows: Rows) -> int:
    """Return the width that the columns with any content need so that nothing is cut."""
    shown = shown_columns(headers, rows, 0)
    return sum(natural_widths(headers, rows, shown)) + GAP * (len(shown) - 1)


def _least_width(headers: Sequence[str], rows: Rows, shown: Sequence[int], whole: Collection[str]) -> int:
    """Return the width that the columns need so that each can be read."""
    natural = natural_widths(headers, rows, shown)
    limits = [w if headers[n] in whole else min(w, COMFORTABLE_WIDTH) for n, w in zip(shown, natural, strict=True)]
    return sum(limits) + GAP * (len(shown) - 1)


def natural_widths(headers: Sequence[str], rows: Rows, shown: Sequence[int]) -> list[int]:
    """Return the width of each column that cuts nothing."""
    return [max(count_cells(headers[n]), *(count_cells(row[n]) for row in rows)) for n in shown]


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


def format_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of cells, each cut or filled up to its width, without spaces at the end."""
    return (" " * GAP).join(map(fit_to_cells, cells, widths)).rstrip()


def align_rows(rows: Rows) -> list[str]:
    """Return a line for each row, with columns as wide as their widest cell; the last may be of any length."""
    widths = [max(map(count_cells, column)) for column in zip(*rows, strict=True)]
    return [format_row(row, widths) for row in rows]


def fit_rows(headers: Sequence[str], rows: Rows, width: int, shown: Sequence[int], whole: Collection[str]) -> list[str]:
    """Return the headers and a line for each row, none of them wider than `width`."""
    widths = fit_widths(natural_widths(headers, rows or [headers], shown), width, [headers[n] in whole for n in shown])
    lines = [[headers[n].upper() for n in shown], *([row[n] for n in shown] for row in rows)]
    return [shorten_to_cells(format_row(cells, widths), width) for cells in lines]
