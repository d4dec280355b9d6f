"""Statements that take many rows in one call, which is how commits are written.

`executemany` gives up the lock of the interpreter and takes it back for each row. Beside a thread that computes, each
row may then wait 5 ms for the lock. A statement that has the places of many rows runs as a whole without the lock, and
spares what each call costs: a third of the time of a row. The numbers of rows are few, so that SQLite's prepared
statements are found again.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from attrs import frozen

ROWS = "{rows}"
"""The part of a statement that stands for the places of its rows."""

ROWS_A_CALL = (64, 16, 4, 1)
"""Numbers of rows of one call, the largest first; a row has up to 8 values, and old SQLite takes 999 of them."""


@frozen
class RowStatement:
    """A statement, the places of one row in it, and the rows to execute it with.

    `first` are the values of places before the rows. A statement without `ROWS` is executed for each row by itself.
    """

    text: str
    row: str
    rows: Sequence[tuple[Any, ...]]
    first: tuple[Any, ...] = ()

    def calls(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield what to execute: statements with the values to bind, in the order of the rows."""
        done, left = 0, len(self.rows)
        for size in ROWS_A_CALL if ROWS in self.text else (1,):
            while left >= size:
                values = chain.from_iterable(self.rows[done : done + size])
                yield _with_rows(self.text, self.row, size), [*self.first, *values]
                done, left = done + size, left - size


def once(text: str, values: Iterable[Any] = ()) -> RowStatement:
    """Return a statement that is executed once, with these values."""
    return RowStatement(text, "", [tuple(values)])


@cache
def _with_rows(text: str, row: str, size: int) -> str:
    return text.replace(ROWS, ", ".join([row] * size))
