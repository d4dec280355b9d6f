"""Fixtures of the engine's tests: a schedule of minutes, and short ways to make jobs and worlds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import frozen

from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.job import Job
from rae_auto.simulation.virtual_engine import VirtualWorld


@frozen
class EveryMinutes:
    """A schedule: each multiple of so many minutes."""

    minutes: float
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        step = int(self.minutes * 60)
        return datetime.fromtimestamp((int(instant.timestamp()) // step + 1) * step, UTC)


@pytest.fixture
def every() -> type[EveryMinutes]:
    return EveryMinutes


@pytest.fixture
def job() -> Callable[..., Plan]:
    """`job("a", every=5, overlap="skip")`: a plan of a job that is due every 5 minutes."""

    def make(id: str, *, every: float | None = None, jitter: timedelta = timedelta(0), **fields: Any) -> Plan:
        schedules = {} if every is None else {"t": EveryMinutes(every, jitter)}
        return Plan(Job(id=id, command="work", **fields), schedules)

    return make


@pytest.fixture
def world() -> Callable[..., VirtualWorld]:
    def make(*plans: Plan, **settings: Any) -> VirtualWorld:
        return VirtualWorld(*plans, settings=Settings(**settings))

    return make
