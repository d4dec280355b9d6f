"""Conformance suite of schedules."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rae_auto.api import ScheduleTrigger
from rae_auto.api.guard import ComputedGuard
from rae_auto.registry.inspection.purity import find_impurities
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import call_pure

INSTANTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    # Just before the clocks change in Berlin, to summer and to winter time.
    datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),
    datetime(2099, 6, 15, tzinfo=UTC),
]

_instants = pytest.mark.parametrize("instant", INSTANTS, ids=datetime.isoformat)


class ScheduleConformance(PluginConformance):
    """Conformance suite of schedules. A subclass has a fixture `plugin`, the schedule to test."""

    def test_schedule_is_hashable(self, plugin: Any) -> None:
        assert hash(plugin) == hash(plugin), "make the class attrs.frozen, with options that can be hashed"

    @_instants
    def test_next_after_is_aware_and_strictly_later(self, plugin: ScheduleTrigger, instant: datetime) -> None:
        for start in _walk(plugin, instant):
            following = call_pure(plugin.next_after, start)
            if following is not None:
                assert following.tzinfo is not None, f"next_after({start}) has no time zone"
                assert following > start, f"next_after({start}) is {following}; it must be later"

    @_instants
    def test_next_after_is_pure(self, plugin: ScheduleTrigger, instant: datetime) -> None:
        first = call_pure(plugin.next_after, instant)
        for other in INSTANTS:
            call_pure(plugin.next_after, other)
        assert call_pure(plugin.next_after, instant) == first, (
            "next_after must be pure, but a second call returned another instant"
        )

    @_instants
    def test_next_after_skips_no_instant(self, plugin: ScheduleTrigger, instant: datetime) -> None:
        assert_pure(plugin, instant)

    def test_next_after_the_last_instant_is_none(self, plugin: ScheduleTrigger) -> None:
        end = datetime.max.replace(tzinfo=UTC)
        assert call_pure(plugin.next_after, end) is None, "return None if the next instant is beyond datetime.max"


def assert_pure(plugin: ScheduleTrigger | ComputedGuard, instant: datetime) -> None:
    """Raise AssertionError for the first reading of a clock or chance, or difference between two answers."""
    for found in find_impurities(plugin, instant, call=call_pure):
        raise AssertionError(f"{f'{found.place}: ' if found.place else ''}{found.text}")


def _walk(plugin: ScheduleTrigger, instant: datetime) -> list[datetime]:
    """Return the instant and up to four of the schedule after it."""
    walked = [instant]
    while (
        len(walked) < 5
        and (following := call_pure(plugin.next_after, walked[-1])) is not None
        and following > walked[-1]
    ):
        walked.append(following)
    return walked
