"""Speed of the engine: a month of a hundred jobs in virtual time, in events a second.

`python tests/benchmarks/simulation.py [DAYS]`
"""

import sys
import time
from datetime import UTC, datetime, timedelta

from rae_auto.engine.engine import Engine
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.model.job import Job
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.simulation.forecast import Scenario, simulate

START = datetime(2026, 3, 1, tzinfo=UTC)


def main(days: int) -> None:
    plugins = PluginFactory(Registry(), "Europe/Berlin")
    jobs = [
        Job(name=f"j{n}", command="true", schedule=f"{n % 60} {'*' if n % 4 else n % 24} * * *") for n in range(100)
    ]
    plans = tuple(plugins.plan(job, JobOrigin.CONFIG).plan for job in jobs)
    events = 0
    handle = Engine.handle

    def counted(self, event, now):
        nonlocal events
        events += 1
        return handle(self, event, now)

    Engine.handle = counted
    began = time.perf_counter()
    forecast = simulate(
        Scenario(plans=plans, settings=Settings(8), start=START, end=START + timedelta(days=days), durations={})
    )
    took = time.perf_counter() - began
    print(f"{len(forecast.runs)} runs, {events} events in {took:.1f} s: {events / took:,.0f} events a second")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
