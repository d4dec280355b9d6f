"""Tables for people on a terminal, plain lines for programs in a pipe, and JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.toolkit.terminals import can_color
from rae_auto.views.times import local_and_relative_time


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def style(text: str, **look: Any) -> str:
    """Return the text as `click.style` makes it look, or plain where colors aren't wanted."""
    return click.style(text, **look) if can_color(sys.stdout) else text


def instant(iso: str | None) -> str:
    """Return an instant: local and relative on a terminal, ISO 8601 in a pipe."""
    return local_and_relative_time(iso) if on_terminal() else (iso or "-")


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns under headers on a terminal; in a pipe the rows alone, two spaces between their cells."""
    cells = [[escape_line("-" if cell in (None, "") else cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in cells:
            click.echo("  ".join(row))
        return
    widths = [max(len(row[n]) for row in [list(headers), *cells]) for n in range(len(headers))]
    click.echo(style(_format_row([header.upper() for header in headers], widths), dim=True))
    for row in cells:
        click.echo(_format_row(row, widths))


def _format_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))
