"""The cron trigger: fires at the times of a cron expression."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.validators import zone_name
from rae_plugins.triggers.cron.clock_changes import find_next_fixed, find_next_wild
from rae_plugins.triggers.cron.dst_notes import describe_clock_change
from rae_plugins.triggers.cron.expression import parse_expression


def _check_expression(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('must be a string, as in "0 18 * * mon-fri"')
    parse_expression(value)
    return value


@frozen(kw_only=True)
class CronTrigger(ScheduleTrigger):
    """Fires at the times of a cron expression, in a time zone.

    At a DST change a fixed time (`30 2 * * *`) runs once, and one with `*` as minute or hour follows the clock.
    """

    type: ClassVar[str] = "cron"
    example: ClassVar[Mapping[str, Any]] = {"expression": "0 18 * * mon-fri", "timezone": "Europe/Berlin"}

    expression: str = field(
        converter=_check_expression,
        metadata={"help": "minute hour day month weekday; with 6 fields seconds first, with 7 the year last"},
    )
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "time zone, as in Europe/Berlin; default: the configured one"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of a start"}
    )

    def summary(self) -> str:
        return summarize(self.type, self.expression)

    def describe(self) -> str:
        """Return the expression as a sentence, or its summary if it can't be said clearly."""
        return parse_expression(self.expression).sentence or self.summary()

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next time in UTC, or None after the last year of the expression."""
        expression = parse_expression(self.expression)
        search = find_next_wild if expression.is_wildcard else find_next_fixed
        try:
            return search(expression.calendar.next_after, zone(self.timezone or "local"), instant)
        except OverflowError:  # at an end of Python's calendar, the years 1 and 9999
            return None

    def note(self, instant: datetime) -> str | None:
        """Return what a DST change has done to this instant, in one line, or None."""
        expression = parse_expression(self.expression)
        return describe_clock_change(
            instant, expression.calendar.next_after, zone(self.timezone or "local"), is_wildcard=expression.is_wildcard
        )

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if other programs read the expression differently."""
        return parse_expression(self.expression).warnings


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the cron trigger."""
    return [CronTrigger]
