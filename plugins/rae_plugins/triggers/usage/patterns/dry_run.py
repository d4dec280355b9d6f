"""Dry runs: a firing is recorded as an event and logged, and nothing runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.api import EmitResult, TriggerContext
from rae_auto.model.primitives.instants import format_instant
from rae_plugins.triggers.usage.patterns.matching import DRY_RUN


@frozen
class DryRunEmit:
    """Stands in for the daemon's `emit` during a dry run."""

    context: TriggerContext

    async def __call__(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        """Record the firing durably. A key may be recorded twice if the daemon is killed in between."""
        from loguru import logger  # lazy: start-up

        data = {
            "job": self.context.job,
            "trigger": self.context.trigger,
            "key": key,
            "would_fire_at": at and format_instant(at),
            "event": event,
        }
        await self.context.events.record(DRY_RUN, data)
        text = "trigger {} would have fired (dry_run = true): {}"
        logger.bind(job=self.context.job).info(text, self.context.trigger, key)
        return EmitResult()
