"""{{ cookiecutter.__docstring }}"""

from datetime import UTC, datetime, timedelta

from attrs import field, frozen
from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(ComputedGuard):
    """{{ cookiecutter.__docstring }}

    Allows starts on even days of the month only, in UTC.
    """

    type = "{{ cookiecutter.name }}"

    odd: bool = field(default=False, metadata={"help": "true: on odd days instead"})

    def evaluate(self, instant: datetime) -> GuardResult:
        day = instant.astimezone(UTC).day
        verdict = Verdict.YES if day % 2 == self.odd else Verdict.NO
        return GuardResult(verdict, f"day {day} of the month")

    def changes_after(self, instant: datetime) -> datetime | None:
        midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            return midnight + timedelta(days=1)
        except OverflowError:  # beyond datetime.max
            return None


@hookimpl
def rae_guards() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
