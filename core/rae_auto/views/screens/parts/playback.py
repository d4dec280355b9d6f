"""A simulated span, step by step: what a time-lapse shows of it."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.simulation.forecast import Forecast
from rae_auto.views.screens.parts.base import Extent

STEPS = tuple(timedelta(minutes=minutes) for minutes in (10, 20, 30, 60, 120, 240, 480))
MAX_STEPS = 200
MAX_LANES = 20
"""Number of jobs that have a lane: those with the most starts, waits and skips."""

MAX_NAMES = 8
"""Number of jobs that a step names."""


@frozen(kw_only=True)
class PlayedStep:
    """A step of the span: how much starts, waits and is skipped in it."""

    at: datetime
    starts: int
    waits: int
    skips: int
    active: int
    """Runs that are being executed at its end."""
    jobs: tuple[str, ...]
    """The jobs that start in it, a few of them."""


@frozen(kw_only=True)
class PlayedLane:
    """The starts and skips of one job, by step."""

    job: str
    starts: tuple[int, ...]
    skips: tuple[int, ...]


@frozen(kw_only=True)
class Playback:
    """A simulated span in steps of the same length."""

    since: datetime
    until: datetime
    step: timedelta
    steps: tuple[PlayedStep, ...]
    lanes: tuple[PlayedLane, ...]
    lanes_extent: Extent


def build_playback(forecast: Forecast) -> Playback:
    """Return the steps of a forecast."""
    since, until = forecast.scenario.start, forecast.scenario.end
    step = next((one for one in STEPS if (until - since) / one <= MAX_STEPS), STEPS[-1])
    edges = [since + step * number for number in range(max(-(-(until - since) // step), 1))]
    starts, waits, skips = _count(forecast, edges)
    active = _active(forecast, [*edges[1:], until])
    totals = Counter({job: sum(counts.values()) for job, counts in starts.items()})
    totals.update({job: sum(counts.values()) for job, counts in skips.items()})
    shown = sorted(totals, key=lambda job: (-totals[job], job))[:MAX_LANES]
    numbers = range(len(edges))
    return Playback(
        since=since,
        until=until,
        step=step,
        steps=tuple(
            PlayedStep(
                at=edges[number],
                starts=sum(counts[number] for counts in starts.values()),
                waits=waits[number],
                skips=sum(counts[number] for counts in skips.values()),
                active=active[number],
                jobs=tuple(sorted(job for job, counts in starts.items() if counts[number])[:MAX_NAMES]),
            )
            for number in numbers
        ),
        lanes=tuple(
            PlayedLane(
                job=job,
                starts=tuple(starts[job][number] for number in numbers),
                skips=tuple(skips[job][number] for number in numbers),
            )
            for job in sorted(shown)
        ),
        lanes_extent=Extent(len(shown), len(totals)),
    )


Counts = defaultdict[str, Counter[int]]
"""Numbers by job and step."""


def _count(forecast: Forecast, edges: list[datetime]) -> tuple[Counts, Counter[int], Counts]:
    """Return the starts by job and step, the waits by step, and the skips by job and step."""
    starts: Counts = defaultdict(Counter)
    skips: Counts = defaultdict(Counter)
    waits: Counter[int] = Counter()

    def step_of(at: datetime) -> int:
        return max(bisect_right(edges, at) - 1, 0)

    for seen in forecast.runs:
        if seen.run.started_at is not None:
            starts[seen.run.job][step_of(seen.run.started_at)] += 1
        waits[step_of(seen.run.queued_at)] += seen.wait is not None
    for skip in forecast.skips:
        skips[skip.job][step_of(skip.decided_at)] += 1
    return starts, waits, skips


def _active(forecast: Forecast, ends: list[datetime]) -> list[int]:
    """Return how many runs are being executed at each of these instants."""
    changes = sorted(_changes(forecast))
    active, number, found = 0, 0, []
    for end in ends:
        while number < len(changes) and changes[number][0] < end:
            active += changes[number][1]
            number += 1
        found.append(active)
    return found


def _changes(forecast: Forecast) -> Iterator[tuple[datetime, int]]:
    for seen in forecast.runs:
        if seen.run.started_at is not None:
            yield seen.run.started_at, 1
            if seen.run.finished_at is not None:
                yield seen.run.finished_at, -1
