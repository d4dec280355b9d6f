"""Entries of logs as values. One that this version doesn't understand is reported and skipped."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from rae_auto.api.store import Document, Store
from rae_auto.errors import StoreDamaged
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


class KnownEntries(Generic[T]):
    """The values of entries that were read before, with their documents: a live page reads the same runs many times.

    A value is used again only for an equal document, so nothing has to say when a document changes.
    """

    def __init__(self, make: Callable[[Document], T | None], capacity: int) -> None:
        """Make values by a function, which returns None for an entry without one, and retain so many."""
        self._make, self._capacity = make, capacity
        self._known: dict[str, tuple[Document, T | None]] = {}

    def read(self, bodies: Iterable[Document]) -> list[T]:
        """Return the values of these entries."""
        values = []
        for body in bodies:
            key = str(body.get("id"))
            found = self._known.pop(key, None)
            if found is None or found[0] != body:
                found = body, self._make(body)
            # The last one is the newest, so that the first one has not been used for longest.
            self._known[key] = found
            if found[1] is not None:
                values.append(found[1])
        while len(self._known) > self._capacity:
            del self._known[next(iter(self._known))]
        return values


def _describe(cls: type[object], body: Document, error: Exception) -> str:
    from cattrs import transform_error  # lazy: start-up

    named = [f"{name} {quote(str(body[name]))}" for name in ("id", "job", "at") if name in body]
    why = "; ".join(transform_error(error)[:2])
    what = f"a {cls.__name__.lower()} on record ({', '.join(named) or 'without a name'})"
    return f"{what} can't be read and is left out; another version or another program wrote it ({why})"


def check_rest(store: Store) -> list[str]:
    """Check what the store has left unchecked when it was opened, and have damage repaired; return messages.

    A daemon does that beside its work. Removals come after it, because indexes find what they remove.
    Errors: StoreError.
    """
    if (check := store.make_check()) is None or (repair := check()) is None:
        return []
    try:
        return list(repair())
    except StoreDamaged as error:
        return [str(error)]
