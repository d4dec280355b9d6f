"""Quarantine: failures of plugins, counted, reported once for each distinct error, and answered.

A plugin that fails several times in a row is quarantined until a reload. It is known by its place of use, so that a
notifier that fails for one address still serves another. Guards are never quarantined: one that fails answers UNKNOWN,
which starts nothing, and is evaluated again.
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field
from loguru import logger

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.units import count_of

MAX_FAILURES_IN_A_ROW = 10
"""Number of failures in a row after which a plugin is quarantined."""

MAX_REPORTED_ERRORS = 20
"""Number of distinct errors of a plugin that are logged; further ones are only counted."""


@define
class _Record:
    distribution: str
    failures: int = 0
    in_a_row: int = 0
    errors: set[str] = field(factory=set)
    last: str = ""
    quarantined: bool = False


class Quarantine:
    """Counts failures by plugin and place. `distribution` returns the distribution and version of a plugin."""

    def __init__(self, distribution: Callable[[Kind, str], str]) -> None:
        self._distribution = distribution
        self._records: dict[tuple[Kind, str, str], _Record] = {}

    def failed(
        self, kind: Kind, plugin: str, place: str, error: object, *, for_good: bool = False, is_reported: bool = False
    ) -> None:
        """Record a failure of a plugin at a place of use.

        `for_good` quarantines it at once; `is_reported` says that the caller has logged it.
        """
        text = " ".join((str(error) if isinstance(error, str) else repr(error)).split())[:300]
        name = (kind, plugin, place)
        record = self._records.get(name) or self._records.setdefault(name, _Record(self._distribution(kind, plugin)))
        record.failures += 1
        record.in_a_row += 1
        record.last = text
        called = f'{kind} "{plugin}" of {record.distribution}'
        if text not in record.errors and len(record.errors) < MAX_REPORTED_ERRORS:
            record.errors.add(text)
            if not is_reported:
                logger.error("{} failed ({}): {}", called, place, text)
        if kind is not Kind.GUARD and not record.quarantined and (for_good or record.in_a_row >= MAX_FAILURES_IN_A_ROW):
            record.quarantined = True
            logger.critical(
                "{} is quarantined ({}) after {} in a row; fix it, then run 'rae-auto reload'",
                called,
                place,
                count_of(record.in_a_row, "failure"),
            )

    def succeeded(self, kind: Kind, plugin: str, place: str) -> None:
        """Record a success, which ends a row of failures."""
        record = self._records.get((kind, plugin, place))
        if record is not None:
            record.in_a_row = 0

    def is_quarantined(self, kind: Kind, plugin: str, place: str) -> bool:
        """Return whether the plugin is quarantined."""
        record = self._records.get((kind, plugin, place))
        return record is not None and record.quarantined

    def clear(self) -> None:
        """Forget all failures, so that every plugin is used again."""
        self._records.clear()

    def problems(self) -> list[str]:
        """Return a line for each quarantined plugin and for each guard that keeps failing."""
        return [
            f'{kind} "{plugin}" of {record.distribution} is quarantined ({place}) after '
            f"{count_of(record.failures, 'failure')}: {record.last}; fix it, then run 'rae-auto reload'"
            if record.quarantined
            else f'{kind} "{plugin}" of {record.distribution} fails each time ({place}): {record.last}; jobs with it '
            "do not start; fix it, or remove it from guards"
            for (kind, plugin, place), record in self._records.items()
            if record.quarantined or (kind is Kind.GUARD and record.in_a_row >= MAX_FAILURES_IN_A_ROW)
        ]

    def report(self) -> list[dict[str, Any]]:
        """Return all failures as JSON objects."""
        return [
            {
                "kind": str(kind),
                "name": plugin,
                "place": place,
                "provenance": record.distribution,
                "failures": record.failures,
                "in_a_row": record.in_a_row,
                "quarantined": record.quarantined,
                "error": record.last,
            }
            for (kind, plugin, place), record in self._records.items()
        ]
