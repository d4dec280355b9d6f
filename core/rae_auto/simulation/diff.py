"""What differs between two forecasts, occurrence by occurrence."""

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
    """What became of an occurrence: when its run started, if it did, how it stands, and why where that isn't plain."""

    started_at: datetime | None
    state: RunState
    reason: str | None


@frozen
class Difference:
    """What became of an occurrence in each of two forecasts; None where there is no such occurrence."""

    at: datetime
    job: JobId
    trigger: str
    before: ForecastOutcome | None
    after: ForecastOutcome | None


def differences(before: Forecast, after: Forecast) -> tuple[Difference, ...]:
    """What isn't the same in both, by instant and job."""
    old, new = dict(_upshots(before)), dict(_upshots(after))
    occasions = sorted(old.keys() | new.keys())
    return tuple(
        Difference(*occasion, old.get(occasion), new.get(occasion))
        for occasion in occasions
        if old.get(occasion) != new.get(occasion)
    )


def _upshots(forecast: Forecast) -> Iterator[tuple[Occasion, ForecastOutcome]]:
    for skip in forecast.skips:
        yield (skip.at, skip.job, skip.trigger), ForecastOutcome(None, RunState.SKIPPED, skip.reason.code)
    for seen in forecast.runs:
        run = seen.run
        reason = None if run.reason is None else run.reason.code
        yield (
            (run.scheduled_for, run.job, run.trigger),
            ForecastOutcome(run.started_at, run.state, reason),
        )
