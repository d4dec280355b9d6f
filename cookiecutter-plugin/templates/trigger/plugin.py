"""{{ cookiecutter.__docstring }}"""

from datetime import UTC, datetime, timedelta

from attrs import field, frozen
from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.validators import positive_duration

RAE_API = 1

_START = datetime(2000, 1, 6, 18, 14, tzinfo=UTC)


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(ScheduleTrigger):
    """{{ cookiecutter.__docstring }}"""

    type = "{{ cookiecutter.name }}"

    every: timedelta = field(
        default=timedelta(days=29, hours=12, minutes=44),
        validator=positive_duration(),
        metadata={"help": "time from one start to the next"},
    )

    def next_after(self, instant: datetime) -> datetime | None:
        try:
            return _START + ((instant - _START) // self.every + 1) * self.every
        except OverflowError:  # beyond datetime.max
            return None


@hookimpl
def rae_triggers() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
