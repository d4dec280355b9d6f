"""Fires at the times of a cron expression."""

from datetime import datetime, timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import zone_name
from rae_plugins.triggers.cron.clock_changes import next_fixed, next_wild
from rae_plugins.triggers.cron.expression import parse
from rae_plugins.triggers.cron.notes import note_on


def _expression(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('must be text such as "0 18 * * mon-fri"')
    parse(value)
    return value


@frozen(kw_only=True)
class CronTrigger(ScheduleTrigger):
    """Fires at the times of a cron expression, on the clocks of a zone.

    Where these are set forward or back, a fixed time (`30 2 * * *`) runs once; one with `*` as minute or hour
    follows the clock.
    """

    type: ClassVar[str] = "cron"

    expression: str = field(
        converter=_expression,
        metadata={"help": "minute hour day month weekday; of six fields the first is seconds, the seventh the year"},
    )
    timezone: str | None = field(
        default=None, converter=zone_name, metadata={"help": "zone of the clock; by default the configured one"}
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "up to how much later a run may start"}
    )

    def next_after(self, instant: datetime) -> datetime | None:
        """The next time, in UTC; None after the last year of the expression."""
        expression = parse(self.expression)
        search = next_wild if expression.wild else next_fixed
        try:
            return search(expression.calendar.next_after, zone(self.timezone or "local"), instant)
        except OverflowError:  # at an end of Python's calendar, the years 1 and 9999
            return None

    def note(self, instant: datetime) -> str | None:
        """What a clock that was set has made of this instant."""
        expression = parse(self.expression)
        return note_on(instant, expression.calendar.next_after, zone(self.timezone or "local"), wild=expression.wild)

    def warnings(self) -> tuple[str, ...]:
        """Where other programs read the expression differently."""
        return parse(self.expression).doubts


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """The cron trigger."""
    return [CronTrigger]
