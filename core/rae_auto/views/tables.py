"""Tables that fit the terminal, whole tables in a pipe, and JSON for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.table_layout import EMPTY, align_rows, fit_rows, shown_columns, total_width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

NARROW_WIDTH = 80
"""In a terminal with fewer columns instants are shown without their distance from now."""

DEFAULT_WIDTH = 80
"""The columns of a terminal that doesn't say how many it has."""

_BOLD, _DIM, _RED, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
_CLEAR_SCREEN = "\x1b[2J\x1b[1;1H"


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def print_text(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print a text immediately, or to standard error; without a stream, as in a program without a console, nowhere.

    It does what `click.echo` does with a text, without importing click, which takes as long as a whole short command.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write(text + end)
        stream.flush()


def print_wrapped(text: str) -> None:
    """Print a line, on a terminal in several where it is too long for one: the others are indented."""
    if not on_terminal() or len(text) <= (width := terminal_width()):
        print_text(text)
        return
    from textwrap import wrap  # lazy: start-up

    for line in wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
        print_text(line)


def style(text: str, *, bold: bool = False, dim: bool = False, red: bool = False) -> str:
    """Return the text with a style, or plain where colors aren't wanted."""
    codes = "".join(code for code, wanted in ((_RED, red), (_BOLD, bold), (_DIM, dim)) if wanted)
    if not codes or not on_terminal():
        return text
    from rae_auto.toolkit.terminals import can_color  # lazy: start-up

    return f"{codes}{text}{_RESET}" if can_color(sys.stdout) else text


def clear() -> None:
    """Clear the screen of a terminal."""
    if on_terminal():
        print_text(_CLEAR_SCREEN, end="")


def use_headers(wanted: bool) -> None:
    """Print the headers of tables in a pipe too (`--headers`)."""
    global _has_headers_in_pipes
    _has_headers_in_pipes = wanted


_has_headers_in_pipes = False


def terminal_width() -> int:
    """Return the columns of the terminal; COLUMNS overrides it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or DEFAULT_WIDTH  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return DEFAULT_WIDTH


def instant(iso: str | None, zone: tzinfo | None) -> str:
    """Return an instant in `zone`: with the distance from now where a terminal has room, with its date in a pipe.

    None as the zone stands for the machine's.
    """
    from datetime import UTC, datetime  # lazy: start-up

    from rae_auto.views.times import dated_time, local_and_relative_time, local_time  # lazy: start-up

    if not on_terminal():
        return dated_time(iso, zone)
    now = datetime.now(UTC)
    return local_time(iso, zone, now) if terminal_width() < NARROW_WIDTH else local_and_relative_time(iso, zone, now)


def show_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    optional: Sequence[str] = (),
    whole: Collection[str] = ("run",),
) -> None:
    """Print columns that fit the terminal, under headers; in a pipe all columns, with each cell whole.

    On a terminal, columns without content are left out. Where the others don't fit, instants lose their distance from
    now, columns in `optional` are left out, and cells are cut to the width, except in the columns in `whole`.
    """
    cells = [[escape_line(EMPTY if cell in (None, "") else cell) for cell in row] for row in rows]
    if not on_terminal():
        for line in align_rows([list(headers), *cells] if _has_headers_in_pipes else cells):
            print_text(line)
        return
    width = terminal_width()
    if cells and total_width(headers, cells) > width:
        from rae_auto.views.times import without_distance  # lazy: start-up

        cells = [[without_distance(cell) for cell in row] for row in cells]
    shown = shown_columns(headers, cells, width, optional=optional, whole=whole) if cells else range(len(headers))
    head, *lines = fit_rows(headers, cells, width, shown, whole)
    print_text(style(head, dim=True))
    for line in lines:
        print_text(line)


def print_json(value: object) -> None:
    """Print one JSON document."""
    import json  # lazy: start-up

    print_text(json.dumps(value, indent=2))
