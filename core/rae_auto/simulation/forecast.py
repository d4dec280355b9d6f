"""What would happen: the real engine in virtual time, each attempt as long as it is said to be.

Nothing fails by itself. An attempt that ends at the instant when something is due ends first; one that is cancelled or
timed out ends at once; what is in hand when a downtime begins is lost, as if the machine had been switched off.
"""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import field, frozen

from rae_auto.engine.events import Plan, Settings, Ticked
from rae_auto.errors import BadRequest
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.instants import Moment
from rae_auto.model.job_state import Span
from rae_auto.model.names import JobId, RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Result, Run
from rae_auto.simulation.world import VirtualWorld

USUAL_DURATION = timedelta(minutes=1)
"""How long an attempt takes of which nothing is known."""

MOST_DECISIONS = 1_000_000
"""What is worth waiting for, and fits into memory."""

_RESOLUTION = timedelta(microseconds=1)


@frozen(kw_only=True)
class Scenario:
    """What is played: these jobs, from `start` until just before `end`, with downtimes that lie between, ascending."""

    plans: tuple[Plan, ...]
    settings: Settings
    start: datetime
    end: datetime
    durations: Mapping[JobId, timedelta] = field(factory=dict)
    downtimes: tuple[Span, ...] = ()


@frozen
class Wait:
    """Why a run did not start when it was queued, in a code and in words."""

    reason: Reason
    because: str


@frozen
class Foreseen:
    """A run as it stands at the end of the forecast; `wait` where it did not start at once."""

    run: Run
    wait: Wait | None


@frozen
class Forecast:
    """What the scenario comes to, each in the order in which it was decided."""

    scenario: Scenario
    runs: tuple[Foreseen, ...]
    skips: tuple[Decision, ...]


def foresee(scenario: Scenario) -> Forecast:
    """Play the scenario. Errors: BadRequest where it has more than `MOST_DECISIONS`."""
    play = _Play(scenario)
    for downtime in scenario.downtimes:
        play.go_on_until(downtime.since)
        play.crash(downtime)
    play.go_on_until(scenario.end)
    return play.forecast()


class _Play:
    """A virtual world whose attempts end by themselves, and which notes why runs wait."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        # What is due at the start itself is part of it.
        self._origin = scenario.start - _RESOLUTION
        self._world = VirtualWorld(*scenario.plans, settings=scenario.settings, start=self._origin)
        self._ends: list[tuple[datetime, RunId, int]] = []
        self._delayed: list[tuple[datetime, RunId]] = []
        self._waits: dict[RunId, Wait] = {}
        self._looked_at = 0
        self._look()

    def go_on_until(self, end: datetime) -> None:
        """Let happen what happens before `end`."""
        while (at := self._next_at(end)) < end:
            self._set_clock(at)
            if self._ends and self._ends[0][0] <= at:
                self._end_attempt()
            else:
                self._world.feed(Ticked())
            self._look()
        self._set_clock(end)

    def crash(self, downtime: Span) -> None:
        """The daemon is gone for a while, and with it all that was in hand."""
        self._ends.clear()
        self._world.crash(down=downtime.until - downtime.since)
        self._look()

    def forecast(self) -> Forecast:
        """What has come about."""
        runs = [*self._world.history, *(opened.run for opened in self._world.engine.runs())]
        runs.sort(key=lambda run: (run.queued_at, run.scheduled_for, run.job))
        return Forecast(
            self._scenario,
            # What takes no time is no wait.
            tuple(Foreseen(run, None if run.started_at == run.queued_at else self._waits.get(run.id)) for run in runs),
            tuple(decision for decision in self._world.decisions if decision.outcome is Outcome.SKIP),
        )

    def _next_at(self, end: datetime) -> datetime:
        now = self._world.now
        wake = self._world.engine.next_wake(now)
        if wake is not None and wake < (end - now.wall).total_seconds():
            # An alarm may lie between two microseconds; time must go on all the same.
            end = now.wall + max(timedelta(seconds=wake), _RESOLUTION if wake else timedelta(0))
        return min(end, self._ends[0][0]) if self._ends else end

    def _set_clock(self, at: datetime) -> None:
        # Both clocks go by whole microseconds: sums of floats would drift away from the schedule.
        self._world.now = Moment(at, (at - self._origin).total_seconds())

    def _end_attempt(self) -> None:
        _, run, attempt = heapq.heappop(self._ends)
        start = self._world.in_hand.get(run)
        opened = self._world.engine.run(run)
        if start is not None and opened is not None and start.run.attempt == attempt:
            self._world.end(run, Result(exit_code=0) if opened.ending is None else Result(signal=15))

    def _look(self) -> None:
        """Note what the last event has led to."""
        world = self._world
        for start in world.started:
            duration = self._scenario.durations.get(start.job.id, USUAL_DURATION)
            heapq.heappush(self._ends, (world.now.wall + duration, start.run.id, start.run.attempt))
        for cancel in world.cancelled:
            heapq.heappush(self._ends, (world.now.wall, cancel.run, cancel.attempt))
        world.started.clear()
        world.cancelled.clear()
        for decision in world.decisions[self._looked_at :]:
            if decision.run is not None:
                self._note_wait(decision.run)
        self._looked_at = len(world.decisions)
        while self._delayed and self._delayed[0][0] <= world.now.wall:
            self._note_wait(heapq.heappop(self._delayed)[1])
        if self._looked_at > MOST_DECISIONS:
            raise BadRequest(
                f"more than {MOST_DECISIONS:,} occurrences until {world.now.wall.isoformat(timespec='seconds')}; "
                "simulate fewer days"
            )

    def _note_wait(self, run: RunId) -> None:
        opened = self._world.engine.run(run)
        waiting_for = None if opened is None else self._world.engine.waiting_for(run, self._world.now)
        if opened is None or waiting_for is None:
            return
        self._waits[run] = Wait(*waiting_for)
        if waiting_for[0] is Reason.DELAYED and opened.run.not_before is not None:
            # Its alarm may come a little later, between two microseconds.
            look_again = max(opened.run.not_before, self._world.now.wall + _RESOLUTION)
            heapq.heappush(self._delayed, (look_again, run))
