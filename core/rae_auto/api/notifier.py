"""The contract of notifiers, which deliver notices to people."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import RunState


@frozen(kw_only=True)
class Notice:
    """Something worth telling. `text` is one line for a person."""

    kind: NotifyOn
    job: JobId
    run: RunId
    state: RunState
    at: datetime
    text: str
    exit_code: int | None = None
    attempt: int = 0
    facts: Mapping[str, Any] | None = None


class Notifier(Plugin):
    """Tells people. A failure to do so is logged and never fails the run."""

    @abstractmethod
    async def notify(self, notice: Notice) -> None:
        """Deliver the notice, or raise. Called with a time limit."""
