"""Tables that fit the terminal, whole tables in a pipe, and JSON for programs."""

import json
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import tzinfo
from typing import Any

import click

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.toolkit.terminals import can_color
from rae_auto.views.table_layout import EMPTY, align_rows, fit_rows, shown_columns
from rae_auto.views.times import dated_time, local_and_relative_time, local_time

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
    """Return an instant in `zone`: with the distance from now where a terminal has room, with its date in a pipe.

    None as the zone stands for the machine's.
    """
    if not on_terminal():
        return dated_time(iso, zone)
    return local_time(iso, zone) if terminal_width() < NARROW_WIDTH else local_and_relative_time(iso, zone)


def show_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    optional: Sequence[str] = (),
    whole: Collection[str] = ("run",),
) -> None:
    """Print columns that fit the terminal, under headers; in a pipe all columns, with each cell whole.

    On a terminal, columns without content are left out, those in `optional` where they don't fit, and other cells
    are cut to the width, except in the columns in `whole`.
    """
    cells = [[escape_line(EMPTY if cell in (None, "") else cell) for cell in row] for row in rows]
    if not on_terminal():
        for line in align_rows([list(headers), *cells] if _has_headers_in_pipes else cells):
            click.echo(line)
        return
    width = terminal_width()
    shown = shown_columns(headers, cells, width, optional=optional, whole=whole) if cells else range(len(headers))
    head, *lines = fit_rows(headers, cells, width, shown, whole)
    click.echo(style(head, dim=True))
    for line in lines:
        click.echo(line)


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))
