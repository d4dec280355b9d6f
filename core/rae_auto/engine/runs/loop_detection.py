"""A job that makes its own trigger fire, for instance since it writes into what it watches, must not go on for ever.

A source says what of it may be the job's own doing (`TriggerFired.feedback_key`). Where that comes while a run of
the same job and trigger is open, or on its heels, again and again, it is most likely so, and skipped; then nothing
runs that could make it fire again. A source keeps what was skipped so, and offers it again later.

Two things are counted. The same echo, within a minute: a job that writes to the file that it watches. And links of a
chain, for whatever echo and in whatever time: a job that writes another file each time, or takes long. A link is what
comes after the end of a run of the link before, so however many files come at once, they are one.
"""

from datetime import timedelta

from attrs import frozen

from rae_auto.engine.state import Chain, EngineState
from rae_auto.model.decision import Occurrence
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId

LIMIT = 20
"""How many times in a row within `WINDOW` a run may follow on the heels of the one before."""

WINDOW = timedelta(minutes=1)

HEELS = timedelta(seconds=5)
"""How soon after the end of a run what its trigger tells may be its doing."""

LONGEST_CHAIN = 100
"""How many links a chain may have, each on the heels of the one before."""

MOST = 10_000
"""Of how many things the latest times are remembered."""


@frozen
class TooOften:
    """How often something came in a row, and within what time."""

    times: int
    within: timedelta


def too_often(world: EngineState, occurrence: Occurrence, feedback_key: str | None, now: Moment) -> TooOften | None:
    """How often this came in a row on the heels of its own runs, where that is too often; else it is counted."""
    if feedback_key is None:
        return None
    place = (occurrence.job, occurrence.trigger)
    heard = (*place, feedback_key)
    times = [at for at in world.echoes.pop(heard, ()) if now.mono - at <= WINDOW.total_seconds()]
    if not _on_the_heels(world, occurrence, now):
        world.chains[place] = Chain(0, now.mono, now.mono)
        return None
    too_many = TooOften(len(times), WINDOW) if len(times) >= LIMIT else None
    if too_many is None:
        times.append(now.mono)
    # At the end: what was longest unheard of is forgotten first.
    world.echoes[heard] = times
    while len(world.echoes) > MOST:
        del world.echoes[next(iter(world.echoes))]
    return too_many or _too_long(world, place, now)


def _too_long(world: EngineState, place: tuple[JobId, str], now: Moment) -> TooOften | None:
    chain = world.chains.get(place, Chain(0, now.mono, now.mono))
    if world.ended_at.get(place, chain.last) > chain.last:
        if chain.links >= LONGEST_CHAIN:
            return TooOften(chain.links, timedelta(seconds=round(now.mono - chain.began)))
        chain = Chain(chain.links + 1, chain.began, now.mono)
    world.chains[place] = chain
    return None


def _on_the_heels(world: EngineState, occurrence: Occurrence, now: Moment) -> bool:
    if any(opened.run.trigger == occurrence.trigger for opened in world.open_runs(occurrence.job)):
        return True
    ended = world.ended_at.get((occurrence.job, occurrence.trigger))
    return ended is not None and now.mono - ended <= HEELS.total_seconds()
