"""What the plugins in use have done wrong: told once for each distinct error, and too often in a row: left out.

Left out (quarantined) lasts until a reload. A plugin is told apart by where it is used, so that a notifier that
fails for one address is not left out for another. Guards are never left out: one that fails can't tell, so that nothing
that asks it starts, and it is asked again.
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field
from loguru import logger

from rae_auto.api.plugin import Kind

IN_A_ROW = 10
"""After how many failures in a row a plugin is left out."""

MOST_ERRORS = 20
"""How many distinct errors of a plugin are told; those after them are only counted."""


@define
class _Record:
    whose: str
    failures: int = 0
    in_a_row: int = 0
    errors: set[str] = field(factory=set)
    last: str = ""
    quarantined: bool = False


class Quarantine:
    """Keeps count. `whose` gives the distribution and version of a plugin, by kind and name."""

    def __init__(self, whose: Callable[[Kind, str], str]) -> None:
        self._whose = whose
        self._records: dict[tuple[Kind, str, str], _Record] = {}

    def failed(
        self, kind: Kind, plugin: str, place: str, error: object, *, for_good: bool = False, is_told: bool = False
    ) -> None:
        """Note a failure of a plugin at a place of use.

        `for_good` leaves it out at once; `is_told`: the caller has logged it.
        """
        text = " ".join((str(error) if isinstance(error, str) else repr(error)).split())[:300]
        name = (kind, plugin, place)
        record = self._records.get(name) or self._records.setdefault(name, _Record(self._whose(kind, plugin)))
        record.failures += 1
        record.in_a_row += 1
        record.last = text
        called = f"{kind} {plugin!r} of {record.whose}"
        if text not in record.errors and len(record.errors) < MOST_ERRORS:
            record.errors.add(text)
            if not is_told:
                logger.error("{} failed ({}): {}", called, place, text)
        if kind is not Kind.GUARD and not record.quarantined and (for_good or record.in_a_row >= IN_A_ROW):
            record.quarantined = True
            logger.critical(
                "{} is left out ({}) after {} failures in a row; put it right, then 'rae-auto reload'",
                called,
                place,
                record.in_a_row,
            )

    def succeeded(self, kind: Kind, plugin: str, place: str) -> None:
        """Note that it works, again."""
        record = self._records.get((kind, plugin, place))
        if record is not None:
            record.in_a_row = 0

    def is_quarantined(self, kind: Kind, plugin: str, place: str) -> bool:
        """Return whether the plugin is quarantined."""
        record = self._records.get((kind, plugin, place))
        return record is not None and record.quarantined

    def clear(self) -> None:
        """Give all another chance."""
        self._records.clear()

    def problems(self) -> list[str]:
        """Return a line for each quarantined plugin and for each guard that keeps failing."""
        return [
            f"{kind} {plugin!r} of {record.whose} is left out ({place}) after {record.failures} failures: "
            f"{record.last}; put it right, then 'rae-auto reload'"
            if record.quarantined
            else f"{kind} {plugin!r} of {record.whose} fails each time ({place}): {record.last}; nothing starts "
            "that asks it: put it right, or remove it from guards"
            for (kind, plugin, place), record in self._records.items()
            if record.quarantined or (kind is Kind.GUARD and record.in_a_row >= IN_A_ROW)
        ]

    def report(self) -> list[dict[str, Any]]:
        """All that failed, as plain objects."""
        return [
            {
                "kind": str(kind),
                "name": plugin,
                "place": place,
                "provenance": record.whose,
                "failures": record.failures,
                "in_a_row": record.in_a_row,
                "quarantined": record.quarantined,
                "error": record.last,
            }
            for (kind, plugin, place), record in self._records.items()
        ]
