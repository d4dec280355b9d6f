"""Differences between two forecasts, occurrence by occurrence."""

from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import RunState
from rae_auto.simulation.forecast import Forecast

Occasion = tuple[datetime, JobId, str]
"""An instant, a job, and the trigger that gave the reason."""


@frozen
class ForecastOutcome:
    """Outcome of an occurrence in a forecast: the start and state of its run, and the reason."""

    started_at: datetime | None
    state: RunState
    reason: str | None


@frozen
class Difference:
    """Outcomes of an occurrence in two forecasts; None if one of them has no such occurrence."""

    at: datetime
    job: JobId
    trigger: str
    before: ForecastOutcome | None
    after: ForecastOutcome | None


def differences(before: Forecast, after: Forecast) -> tuple[Difference, ...]:
    """Return the differences of two forecasts, by instant and job."""
    old, new = dict(_outcomes(before)), dict(_outcomes(after))
    occasions = sorted(old.keys() | new.keys())
    return tuple(
        Difference(*occasion, old.get(occasion), new.get(occasion))
        for occasion in occasions
        if old.get(occasion) != new.get(occasion)
    )


def _outcomes(forecast: Forecast) -> Iterator[tuple[Occasion, ForecastOutcome]]:
    for skip in forecast.skips:
        yield (skip.at, skip.job, skip.trigger), ForecastOutcome(None, RunState.SKIPPED, skip.reason.code)
    for seen in forecast.runs:
        run = seen.run
        reason = None if run.reason is None else run.reason.code
        yield (
            (run.scheduled_for, run.job, run.trigger),
            ForecastOutcome(run.started_at, run.state, reason),
        )
