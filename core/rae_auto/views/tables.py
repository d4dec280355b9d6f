"""Tables for people on a terminal, plain lines for programs in a pipe, and JSON."""

import json
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import tzinfo
from typing import Any

import click

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.toolkit.terminals import can_color
from rae_auto.views.table_layout import EMPTY, GAP, cut, fit_widths, natural_widths, shown_columns
from rae_auto.views.times import local_and_relative_time, local_time

NARROW_WIDTH = 80
"""In a terminal with fewer columns instants are shown without their distance from now."""


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def style(text: str, **look: Any) -> str:
    """Return the text as `click.style` makes it look, or plain where colors aren't wanted."""
    return click.style(text, **look) if can_color(sys.stdout) else text


def use_headers(wanted: bool) -> None:
    """Print the headers of tables in a pipe too (`--headers`)."""
    global _has_headers_in_pipes
    _has_headers_in_pipes = wanted


_has_headers_in_pipes = False


def terminal_width() -> int:
    """Return the columns of the terminal; COLUMNS overrides it."""
    return shutil.get_terminal_size().columns


def instant(iso: str | None, zone: tzinfo | None) -> str:
    """Return an instant: on a terminal in `zone`, with the distance from now where there is room; ISO 8601 in a pipe.

    None as the zone stands for the machine's.
    """
    if not on_terminal():
        return iso or "-"
    return local_time(iso, zone) if terminal_width() < NARROW_WIDTH else local_and_relative_time(iso, zone)


def show_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    optional: Sequence[str] = (),
    whole: Collection[str] = ("run",),
) -> None:
    """Print columns that fit the terminal, under headers; in a pipe all cells whole, two spaces between them.

    On a terminal, columns without content are left out, those in `optional` where they don't fit, and other cells
    are cut to the width, except in the columns in `whole`.
    """
    cells = [[escape_line(EMPTY if cell in (None, "") else cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in [list(headers), *cells] if _has_headers_in_pipes else cells:
            click.echo("  ".join(row))
        return
    width = terminal_width()
    shown = shown_columns(headers, cells, width, optional=optional, whole=whole) if cells else range(len(headers))
    natural = natural_widths(headers, cells or [headers], shown)
    widths = fit_widths(natural, width, [headers[n] in whole for n in shown])
    click.echo(style(_format_row([headers[n].upper() for n in shown], widths), dim=True))
    for row in cells:
        click.echo(_format_row([row[n] for n in shown], widths))


def _format_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = (cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True))
    return (" " * GAP).join(fitted).rstrip()


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))
