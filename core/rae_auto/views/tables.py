"""Rows for people on a terminal, and plain lines for programs in a pipe."""

import json
import sys
from collections.abc import Iterable, Sequence

import click

from rae_auto.views.escaping import visible_line
from rae_auto.views.times import both


def on_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def instant(iso: str | None) -> str:
    """An instant as the reader needs it: local and relative for a person, ISO 8601 in a pipe."""
    return both(iso) if on_terminal() else (iso or "-")


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns under headers on a terminal; in a pipe the rows alone, two spaces between their cells."""
    cells = [[visible_line("-" if cell in (None, "") else cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in cells:
            click.echo("  ".join(row))
        return
    widths = [max(len(row[n]) for row in [list(headers), *cells]) for n in range(len(headers))]
    click.secho(_line([header.upper() for header in headers], widths), dim=True)
    for row in cells:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2))
