"""The manual trigger: never fires by itself."""

from datetime import datetime
from typing import ClassVar

from attrs import frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl


@frozen
class ManualTrigger(ScheduleTrigger):
    """Never fires: the job is started by hand, with `rae-auto trigger JOB`, like a job without any trigger."""

    type: ClassVar[str] = "manual"

    def next_after(self, instant: datetime) -> datetime | None:
        """Return None: it never fires."""
        return None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the manual trigger."""
    return [ManualTrigger]
