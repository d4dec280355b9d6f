"""Calls of notifiers that a stop cuts off."""

import asyncio
from datetime import UTC, datetime

from attrs import frozen
from tests.support.control_peer import in_time

from rae_auto import RunState
from rae_auto.api import Notice, Notifier
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.runtime.reporting.notifications import Notifications

NOW = datetime(2026, 1, 31, 18, tzinfo=UTC)

ended: list[str] = []
"""Notifiers that were cancelled."""


@frozen
class Leaving(Notifier):
    """Never comes to an end by itself, and notes its cancellation."""

    type = "leaving"

    async def notify(self, notice: Notice) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(self.type)


def test_call_that_a_stop_cuts_off_has_ended_when_the_stop_has() -> None:
    notice = OutboxNotice(
        id="run-1.failure",
        kind=NotifyOn.FAILURE,
        job=JobId("backup"),
        run=RunId("run-1"),
        state=RunState.FAILED,
        at=NOW,
        decided_at=NOW,
        text="backup failed: exit code 3",
        cause="it was triggered by hand",
        notifier="slow",
    )

    async def work() -> list[str]:
        sending = Notifications({"slow": Leaving()}, lambda _: None)
        sending.deliver([notice])
        await asyncio.sleep(0)
        await sending.close(limit_seconds=0.05)
        return list(ended)

    assert in_time(work) == ["leaving"]
