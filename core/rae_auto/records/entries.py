"""Entries of logs as values. One that this version doesn't understand is reported and skipped."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from rae_auto.api.store import Document
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import quote

T = TypeVar("T")


def _warn(message: str) -> None:
    from loguru import logger  # lazy: start-up

    logger.warning(message)


def load_entries(cls: type[T], bodies: Iterable[Document], report: Callable[[str], None] = _warn) -> list[T]:
    """Return the values of entries; pass a message to `report`, by default the log, for each one that can't be read."""
    found = []
    for body in bodies:
        try:
            found.append(documents.load(cls, body))
        except Exception as error:  # The converter raises many kinds, and any content may be on record.
            report(_describe(cls, body, error))
    return found


def _describe(cls: type[object], body: Document, error: Exception) -> str:
    from cattrs import transform_error  # lazy: start-up

    named = [f"{name} {quote(str(body[name]))}" for name in ("id", "job", "at") if name in body]
    why = "; ".join(transform_error(error)[:2])
    what = f"a {cls.__name__.lower()} on record ({', '.join(named) or 'without a name'})"
    return f"{what} can't be read and is left out; another version or another program wrote it ({why})"
