"""A job that makes its own trigger fire, for instance since it writes into what it watches, must not go on for ever.

A source says what of it may be the job's own doing (`Fired.echo`). Where that comes while a run of the same job and
trigger is open, or on its heels, again and again within a minute, it is most likely so, and skipped; then nothing
runs that could make it fire again. A source keeps what was skipped so, and offers it again later.
"""

from datetime import timedelta

from rae_auto.engine.world import World
from rae_auto.model.decision import Occurrence
from rae_auto.model.instants import Moment

LIMIT = 20
"""How many times in a row within `WINDOW` a run may follow on the heels of the one before."""

WINDOW = timedelta(minutes=1)

HEELS = timedelta(seconds=5)
"""How soon after the end of a run what its trigger tells may be its doing."""

MOST = 10_000
"""Of how many things the latest times are remembered."""


def too_often(world: World, occurrence: Occurrence, echo: str | None, now: Moment) -> int | None:
    """How many times in a row this came on the heels of its own run, where that is too often; else it is counted."""
    if echo is None:
        return None
    place = (occurrence.job, occurrence.trigger)
    heard = (*place, echo)
    times = [at for at in world.echoes.pop(heard, ()) if now.mono - at <= WINDOW.total_seconds()]
    if not _on_the_heels(world, occurrence, now):
        return None
    if len(times) < LIMIT:
        times.append(now.mono)
        too_many = None
    else:
        too_many = len(times)
    # At the end: what was longest unheard of is forgotten first.
    world.echoes[heard] = times
    while len(world.echoes) > MOST:
        del world.echoes[next(iter(world.echoes))]
    return too_many


def _on_the_heels(world: World, occurrence: Occurrence, now: Moment) -> bool:
    if any(opened.run.trigger == occurrence.trigger for opened in world.open_runs(occurrence.job)):
        return True
    ended = world.ended_at.get((occurrence.job, occurrence.trigger))
    return ended is not None and now.mono - ended <= HEELS.total_seconds()
