"""A job's guards: whether a run may start now. They are asked when it could start, not for the instant it was due.

Guards that depend on the time alone are asked here. The others look at the machine, so the shell reads them: the
engine wants it (`ReadGuards`), sets the run aside, and gets the answers as an event (`GuardsRead`). What they said
counts for a moment only; a run that has to wait for its turn after that has them asked again. Others go first
meanwhile, but once: where they have said yes and there was no room then, a place is kept for the second asking.

A run that one of them keeps from starting is skipped, or waits for `guard_timeout`, counted from the first no. It is
looked at again when a computed guard changes its mind, or after `AGAIN`. Retries and runs asked for by hand are let
through: somebody, or the guards themselves, have said yes to them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.effects import ReadGuards, Step
from rae_auto.engine.events import GuardsRead
from rae_auto.engine.runs.progress import finish, hold, release
from rae_auto.engine.state import EngineState, JobEntry, RunEntry, guard_key
from rae_auto.engine.time.timers import Alarm
from rae_auto.model.decision import MANUAL
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import RunState

FRESH = timedelta(seconds=5)
"""How long what a guard read counts."""

AGAIN = timedelta(seconds=15)
"""After what time a guard that said no is read again, for a run that waits."""

ASKING = (Reason.GUARD, "its guards are being asked (guards)")
"""What a run waits for while the shell reads its guards."""

_SINCE = "guarded_since"
"""The fact of a run that tells when a guard first kept it from starting."""

KEPT_BACK_BY = "kept_back_by"
"""The fact that tells which guard that was, and what it said."""


def refusal(entry: JobEntry, trigger: str, starts: datetime) -> tuple[str, GuardResult] | None:
    """The guard that is sure, as of now, to keep a run from starting then, and what it says.

    Only where a run wouldn't wait for it: so what is skipped leaves no run.
    """
    if trigger == MANUAL or entry.job.guard_timeout:
        return None
    for name, guard in entry.plan.guards.items():
        if guard is not None and not (result := guard.evaluate(starts)).allows:
            return name, result
    return None


def let(world: EngineState, opened: RunEntry, now: Moment, step: Step) -> bool:
    """Whether the guards let the run start now. If not, it is set aside until they are asked again, or skipped."""
    entry = world.jobs.get(opened.run.job)
    if entry is None or not entry.plan.guards or opened.run.attempt or opened.run.trigger == MANUAL:
        return True
    said = _said(entry, opened, now)
    against = next(((name, result) for name, result in said.items() if not result.allows), None)
    if against is not None:
        _keep_back(world, entry, opened, *against, now, step)
        return False
    unread = {name: entry.plan.readers.get(name) for name in entry.plan.guards if name not in said}
    if unread:
        step.request(ReadGuards(opened.run.id, opened.run.job, unread))
        hold(world, opened, guard_key(opened.run.id), *ASKING, is_worth_telling=False)
        if opened.guards_read and all(result.allows for result in opened.guards_read.values()):
            world.keep_place(opened)
        return False
    facts = {name: f"{result.verdict}: {result.reason}" for name, result in said.items()}
    opened.run = evolve(opened.run, facts={**opened.run.facts, "guards": facts})
    return True


def read(world: EngineState, event: GuardsRead, now: Moment, _: Step) -> None:
    """Guards were asked: the run may be looked at again."""
    opened = world.runs.get(event.run)
    if opened is not None:
        opened.guards_read, opened.guards_read_at = event.said, now.mono
        release(world, guard_key(event.run), now)


def wake(world: EngineState, run: RunId, now: Moment) -> None:
    """The time has come when a guard may have changed its mind."""
    opened = world.runs.get(run)
    if opened is not None and now.mono >= opened.guards_again_at:
        look_again(world, [opened], now)


def look_again(world: EngineState, runs: Iterable[RunEntry], now: Moment) -> None:
    """What the guards of these runs say may be another thing now: the clocks have jumped, or the guards are others."""
    for opened in runs:
        if opened.held_by is not None and opened.held_by[0] is Reason.GUARD:
            opened.guards_read = {}
            release(world, guard_key(opened.run.id), now)


def _said(entry: JobEntry, opened: RunEntry, now: Moment) -> Mapping[str, GuardResult]:
    """What guards say, as far as that is known now: those computed, and those that were read a moment ago."""
    is_fresh = now.mono - opened.guards_read_at <= FRESH.total_seconds()
    said = {}
    for name, guard in entry.plan.guards.items():
        if guard is not None:
            said[name] = guard.evaluate(now.wall)
        elif is_fresh and name in opened.guards_read:
            said[name] = opened.guards_read[name]
    return said


def _keep_back(
    world: EngineState, entry: JobEntry, opened: RunEntry, name: str, result: GuardResult, now: Moment, step: Step
) -> None:
    what = in_words(name, result)
    first = opened.run.facts.get(_SINCE)
    # Where the clock was set back behind it, waiting begins anew: no run waits for as long as that too.
    since = min(parse_instant(first), now.wall) if first else now.wall
    left = since + entry.job.guard_timeout - now.wall
    if left <= timedelta(0):
        finish(world, opened, RunState.SKIPPED, now, step, reason=f"{Reason.GUARD}: {what}")
        return
    if first is None or parse_instant(first) > since:
        # With the run, so that a restart doesn't begin to count anew.
        facts = {_SINCE: format_instant(since), KEPT_BACK_BY: what}
        opened.run = evolve(opened.run, facts={**opened.run.facts, **facts})
        step.save(opened.run)
    wait = min(left, _until_change(entry, name, now.wall))
    opened.guards_read = {}
    hold(world, opened, guard_key(opened.run.id), Reason.GUARD, f"guard {what} (guards)")
    opened.guards_again_at = now.mono + wait.total_seconds()
    world.timers.set(opened.guards_again_at, Alarm.GUARD, opened.run.id)


def _until_change(entry: JobEntry, name: str, now: datetime) -> timedelta:
    guard = entry.plan.guards[name]
    if guard is None:
        return AGAIN
    change = guard.changes_after(now)
    return timedelta.max if change is None else max(change - now, timedelta(milliseconds=1))


def in_words(name: str, result: GuardResult) -> str:
    """What a guard said, in one line."""
    said = "can't tell" if result.verdict is Verdict.UNKNOWN else f"says {result.verdict}"
    return f"{name} {said}: {result.reason}"
