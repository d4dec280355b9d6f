"""Short ways to make jobs that are due every few minutes, and to have their future told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.job import Job
from rae_auto.model.job_state import Span
from rae_auto.model.primitives.names import JobId
from rae_auto.simulation.forecast import Forecast, Scenario, simulate

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@frozen
class EveryMinutes:
    """A schedule: each multiple of so many minutes."""

    minutes: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        step = self.minutes * 60
        return datetime.fromtimestamp((int(instant.timestamp()) // step + 1) * step, UTC)


def at(clock: str) -> datetime:
    """The time of day as an instant of the simulated day."""
    return datetime.fromisoformat(f"2026-03-02T{clock}+00:00")


def job(id: str, every: int | None = None, jitter: timedelta = timedelta(0), **fields: Any) -> Plan:
    """A job that is due every so many minutes."""
    return Plan(
        Job(id=JobId(id), command="work", **fields), {} if every is None else {"t": EveryMinutes(every, jitter)}
    )


def forecast(
    *plans: Plan,
    minutes: float = 60,
    down: Sequence[tuple[str, str]] = (),
    durations: Mapping[str, float] | None = None,
    **settings: Any,
) -> Forecast:
    """So many minutes from midnight; `durations` in minutes too, by default one; `down` as times of day."""
    lengths = {**{plan.job.id: 1 for plan in plans}, **(durations or {})}
    return simulate(
        Scenario(
            plans=plans,
            settings=Settings(**settings),
            start=MIDNIGHT,
            end=MIDNIGHT + timedelta(minutes=minutes),
            durations={JobId(name): timedelta(minutes=length) for name, length in lengths.items()},
            downtimes=tuple(Span(at(since), at(until)) for since, until in down),
        )
    )
