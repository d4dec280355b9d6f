"""Runs as tests need them: what a test is not about has a plain value."""

from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""The instant at which runs are due and queued, unless a test says otherwise."""

RUN_ID = "01M8JMYEQZY81CFDDGVVKHNC0S"

_PLAIN = Run(id=RunId(RUN_ID), job=JobId("a"), trigger="cron", key="k", scheduled_for=NOON, queued_at=NOON, cause=Due())


def make_run(job: str = "a", *, run: str = RUN_ID, at: datetime = NOON, **fields: Any) -> Run:
    """Return a run of a job that is due and queued at an instant; `fields` are its other attributes."""
    return evolve(_PLAIN, id=RunId(run), job=JobId(job), **{"scheduled_for": at, "queued_at": at, **fields})
