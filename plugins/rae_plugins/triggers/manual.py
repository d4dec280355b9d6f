"""Never fires by itself."""

from datetime import datetime
from typing import ClassVar

from attrs import frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl


@frozen
class ManualTrigger(ScheduleTrigger):
    """Says that a job is started by hand alone: `rae-auto trigger JOB`. Without any trigger a job is so too."""

    type: ClassVar[str] = "manual"

    def next_after(self, instant: datetime) -> datetime | None:
        """There is none."""
        return None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """The manual trigger."""
    return [ManualTrigger]
