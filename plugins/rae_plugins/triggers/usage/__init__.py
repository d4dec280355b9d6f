"""Fires on patterns of use: counts, absences, idle periods, durations and habits."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from rae_auto.api import PatternTrigger, Variants
from rae_auto.hookspecs import hookimpl
from rae_plugins.triggers.usage.patterns.absence import AbsencePattern
from rae_plugins.triggers.usage.patterns.counting import CountPattern, FirstOfDayPattern, StreakPattern
from rae_plugins.triggers.usage.patterns.duration import DurationPattern
from rae_plugins.triggers.usage.patterns.habit import HabitPattern
from rae_plugins.triggers.usage.patterns.idle_periods import IdlePattern, ReturnPattern
from rae_plugins.triggers.usage.patterns.options import UsagePattern
from rae_plugins.triggers.usage.patterns.surge import SurgePattern

_PATTERNS: tuple[type[UsagePattern], ...] = (
    CountPattern,
    AbsencePattern,
    FirstOfDayPattern,
    IdlePattern,
    ReturnPattern,
    DurationPattern,
    StreakPattern,
    HabitPattern,
    SurgePattern,
)


@frozen
class UsageTrigger(PatternTrigger):
    """Fires when a pattern shows in recorded events, in idle time or in the use of applications.

    It keeps what it learns on this machine. What can't be determined never counts as true.
    """

    type: ClassVar[str] = "usage"
    example: ClassVar[Mapping[str, Any]] = {"pattern": "idle", "for": "30m"}

    @classmethod
    def variants(cls) -> Variants:
        """Return one class for each pattern."""
        return Variants("pattern", {cls.pattern: cls for cls in _PATTERNS}, "the pattern to look for")


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """Return the usage trigger."""
    return [UsageTrigger]  # type: ignore[type-abstract]  # its variants are instantiated instead
