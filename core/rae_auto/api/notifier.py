"""The contract of notifiers, which deliver notices to people."""

from abc import abstractmethod
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import RunState


@frozen(kw_only=True)
class Notice:
    """Something worth telling. `text` says it in one line for a person; the rest are facts about it.

    `at` is when the run finished, `cause` why it ran, `output` the last lines that it printed. `failures` counts
    unsuccessful runs in a row, this one included. `usual_duration` is the median of the latest runs that succeeded.
    Instants are in the configured time zone.
    """

    kind: NotifyOn
    job: JobId
    run: RunId
    state: RunState
    at: datetime
    text: str
    host: str = ""
    cause: str = ""
    exit_code: int | None = None
    attempt: int = 0
    failures: int = 0
    duration: timedelta | None = None
    usual_duration: timedelta | None = None
    next_at: datetime | None = None
    output: str = ""


class Notifier(Plugin):
    """Tells people. A failure to do so is logged and never fails the run."""

    @abstractmethod
    async def notify(self, notice: Notice) -> None:
        """Deliver the notice, or raise. Called with a time limit."""
