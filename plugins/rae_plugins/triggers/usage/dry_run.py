"""What would have fired: recorded as an event and logged, and nothing runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from loguru import logger

from rae_auto.api import EmitResult, TriggerContext
from rae_auto.model.primitives.instants import format_instant
from rae_plugins.triggers.usage.fold import DRY_RUN


@frozen
class DryRun:
    """Takes what a pattern tells in place of the daemon."""

    watch: TriggerContext

    async def __call__(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        """Record it, durably. The same key may be recorded twice where the daemon is killed in between."""
        data = {
            "job": self.watch.job,
            "trigger": self.watch.trigger,
            "key": key,
            "would_fire_at": at and format_instant(at),
            "event": event,
        }
        await self.watch.events.record(DRY_RUN, data)
        text = "trigger {} would have fired (dry_run = true): {}"
        logger.bind(job=self.watch.job).info(text, self.watch.trigger, key)
        return EmitResult()
