"""Forecasts: the real engine in virtual time, with attempts of given lengths.

Nothing fails by itself. An attempt that ends at the instant when something is due ends first; one that is cancelled or
timed out ends at once; what is active when a downtime begins is lost, as if the machine had been switched off.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from attrs import evolve, field, frozen

from rae_auto.api.events import Event, end_of
from rae_auto.api.trigger import SourceTrigger
from rae_auto.engine.effects import ExpectationMet
from rae_auto.engine.events import TimePassed, TriggerFired
from rae_auto.engine.plan import Plan, Settings
from rae_auto.errors import BadRequest
from rae_auto.model.decision import Decision, Occurrence, Outcome
from rae_auto.model.expectations import Breach
from rae_auto.model.job_state import JobState, Span
from rae_auto.model.primitives.evolving.slots import maker_of
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Block, RetryDelayed, StartDelayed
from rae_auto.model.run import Result, Run
from rae_auto.simulation.durations import assume_duration
from rae_auto.simulation.script import Script
from rae_auto.simulation.scripted_sources import ScriptedSources, Source
from rae_auto.simulation.virtual_engine import VirtualWorld
from rae_auto.simulation.virtual_store import UnreadStore
from rae_auto.toolkit.threads.garbage import fewer_collections

MAX_DECISIONS = 1_000_000
"""Number of decisions that a forecast may hold, so that neither time nor memory runs out."""

_RESOLUTION = timedelta(microseconds=1)
_TIME_PASSED = TimePassed()
_make_moment = maker_of(Moment)


@frozen(kw_only=True)
class Scenario:
    """Input of a forecast: jobs, played from `start` until just before `end`, with downtimes in ascending order."""

    plans: tuple[Plan, ...]
    settings: Settings
    start: datetime
    end: datetime
    durations: Mapping[JobId, timedelta] = field(factory=dict)
    downtimes: tuple[Span, ...] = ()
    sources: Mapping[Source, SourceTrigger] = field(factory=dict)
    guards: tuple[tuple[JobId, str], ...] = ()
    """Guards that look at the machine, as job and id."""
    states: tuple[JobState, ...] = ()
    """The pauses and skipped starts that jobs have at `start`."""
    script: Script = field(factory=Script)


@frozen
class ForecastRun:
    """A run as it stands at the end of the forecast; `wait` where it did not start at once."""

    run: Run
    wait: Block | None


@frozen
class ForecastBreach:
    """The begin of a breach of what is expected of a job, or its end."""

    at: datetime
    job: JobId
    breach: Breach
    is_over: bool


@frozen
class Forecast:
    """Result of a scenario: runs and skips in the order of their decisions."""

    scenario: Scenario
    runs: tuple[ForecastRun, ...]
    skips: tuple[Decision, ...]
    unplayed: tuple[Source, ...] = ()
    """Triggers that watch something and have no occurrence in the script."""
    taken_for_yes: tuple[tuple[JobId, str], ...] = ()
    """Guards that have no result in the script."""
    assumed: Mapping[JobId, timedelta] = field(factory=dict)
    """The assumed durations of attempts, of the jobs of which nothing is known."""
    breaches: tuple[ForecastBreach, ...] = ()
    off_by_hand: tuple[JobState, ...] = ()
    """The jobs that are paused at the start, or have starts in the simulated time that are skipped."""

    def select(self, jobs: Collection[str] = (), *, starts_only: bool = False) -> "Forecast":
        """Return the part of the forecast that is about these jobs, or about all; perhaps the starts alone."""

        def is_selected(job: str) -> bool:
            return not jobs or job in jobs

        return Forecast(
            self.scenario,
            tuple(
                ForecastRun(found.run, None if starts_only else found.wait)
                for found in self.runs
                if is_selected(found.run.job) and (found.run.started_at is not None or not starts_only)
            ),
            tuple(skip for skip in self.skips if is_selected(skip.job) and not starts_only),
            tuple(place for place in self.unplayed if is_selected(place[0])),
            tuple(guard for guard in self.taken_for_yes if is_selected(guard[0])),
            {job: length for job, length in self.assumed.items() if is_selected(job)},
            tuple(breach for breach in self.breaches if is_selected(breach.job) and not starts_only),
            tuple(state for state in self.off_by_hand if is_selected(state.job)),
        )


def simulate(scenario: Scenario) -> Forecast:
    """Play the scenario. Errors: BadRequest where it has more than `MAX_DECISIONS`."""
    with fewer_collections():
        play = _Play(scenario)
        for downtime in scenario.downtimes:
            play.go_on_until(downtime.since)
            play.crash(downtime)
        play.go_on_until(scenario.end)
        return play.forecast()


@frozen
class ForecastStep:
    """The decisions of a part of a scenario's time: the runs that start in it, each with its instant, and the skips."""

    until: datetime
    starts: tuple[tuple[datetime, Run], ...]
    skips: tuple[Decision, ...]


def simulate_in_steps(scenario: Scenario, step: timedelta) -> tuple[Forecast, Iterator[ForecastStep]]:
    """Return a forecast of nothing yet, with what it assumes, and the steps, each computed when it is asked for.

    No step is kept, so that a long time needs no more memory than a short one. Scenarios with downtimes have no steps.
    Errors of a step: BadRequest where it has more than `MAX_DECISIONS`.
    """
    play = _SteppedPlay(scenario)
    return play.forecast(), play.steps(step)


class _Play:
    """A virtual world with attempts that end by themselves, and a record of why runs wait."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._assumed = {
            plan.job.id: assume_duration(plan, scenario.start)
            for plan in scenario.plans
            if plan.job.id not in scenario.durations
        }
        self._durations = {**scenario.durations, **self._assumed}
        # What is due at the start itself is part of it.
        self._origin = scenario.start - _RESOLUTION
        known = {plan.job.id for plan in scenario.plans}
        # Only a restart reads what was committed.
        store = None if scenario.downtimes else UnreadStore(*(one for one in scenario.states if one.job in known))
        self._world = VirtualWorld(
            *scenario.plans,
            settings=scenario.settings,
            start=self._origin,
            states=scenario.states,
            store=store,
            undoes_faults=False,
        )
        script = scenario.script
        self._world.answer_guard = lambda job, guard: script.guard_says(job, guard, self._world.now.wall)
        self._pending: deque[Event | Occurrence] = deque(_in_order(script))
        self._sources = ScriptedSources.start(scenario.sources, self._first())
        self._has_patterns = self._sources.has_patterns
        self._ended = 0
        self._play_past()
        self._ends: list[tuple[datetime, RunId, int]] = []
        self._delayed: list[tuple[datetime, RunId]] = []
        self._waits: dict[RunId, Block] = {}
        self._seen_decisions = 0
        self._take_results()

    def _first(self) -> datetime:
        """Return the instant of the first event of the past in the script."""
        start = self._scenario.start
        return min(start, _at(self._pending[0])) if self._pending else start

    def _play_past(self) -> None:
        """Feed patterns the events before the start; their firings are in the past."""
        while self._pending and _at(self._pending[0]) <= self._origin:
            self._play_entry(self._pending.popleft())
        self._sources.advance(self._origin)

    def _play_entry(self, event: Event | Occurrence) -> list[Occurrence]:
        if isinstance(event, Event):
            return self._sources.handle(event)
        return self._sources.emit(event)

    def go_on_until(self, end: datetime) -> None:
        """Play until just before `end`."""
        while (at := self._next_at(end)) < end:
            self._set_clock(at)
            if self._ends and self._ends[0][0] <= at:
                self._end_attempt()
            elif self._pending and _at(self._pending[0]) <= at:
                self._fire(self._play_entry(self._pending.popleft()))
            elif self._has_patterns and (wake := self._sources.next_at()) is not None and wake <= at:
                self._fire(self._sources.advance(at))
            else:
                self._world.feed(_TIME_PASSED)
            self._take_results()
        self._set_clock(end)

    def crash(self, downtime: Span) -> None:
        """Simulate a downtime: active attempts and the observations of sources are lost."""
        self._ends.clear()
        while self._pending and _at(self._pending[0]) < downtime.until:
            self._pending.popleft()
        missed = self._sources.skip(downtime)
        self._world.crash(down=downtime.until - downtime.since)
        self._fire(missed)
        self._take_results()

    def forecast(self) -> Forecast:
        """Return the forecast."""
        script = self._scenario.script
        emitted = {(occurrence.job, occurrence.trigger) for occurrence in script.occurrences}
        runs = [*self._world.history, *(opened.run for opened in self._world.engine.runs())]
        runs.sort(key=attrgetter("queued_at", "scheduled_for", "job"))
        return Forecast(
            self._scenario,
            # What takes no time is no wait.
            tuple(
                ForecastRun(run, None if run.started_at == run.queued_at else self._waits.get(run.id)) for run in runs
            ),
            tuple(decision for decision in self._world.decisions if decision.outcome is Outcome.SKIP),
            tuple(place for place in self._sources.watching() if place not in emitted),
            tuple(guard for guard in self._scenario.guards if not script.knows_guard(*guard)),
            self._assumed,
            tuple(
                ForecastBreach(at, effect.job.id, effect.breach, isinstance(effect, ExpectationMet))
                for at, effect in self._world.breaches
            ),
            tuple(_off_by_hand(self._scenario)),
        )

    def _next_at(self, end: datetime) -> datetime:
        now = self._world.now
        wall = now.wall
        if self._ends and self._ends[0][0] < end:
            end = self._ends[0][0]
        if self._pending:
            end = min(end, _at(self._pending[0]))
        if self._has_patterns and (at := self._sources.next_at()) is not None:
            end = min(end, at)
        wake = self._world.engine.next_wake(now)
        if wake is not None and wake < (end - wall).total_seconds():
            # An alarm may lie between two microseconds; time must go on all the same.
            end = min(end, wall + max(timedelta(seconds=wake), _RESOLUTION)) if wake else wall
        return end if end > wall else wall

    def _set_clock(self, at: datetime) -> None:
        # Both clocks go by whole microseconds: sums of floats would drift away from the schedule.
        if at != self._world.now.wall:
            self._world.now = _make_moment(at, (at - self._origin).total_seconds())

    def _end_attempt(self) -> None:
        _, run, attempt = heapq.heappop(self._ends)
        start = self._world.active_starts.get(run)
        opened = self._world.engine.run(run)
        if start is not None and opened is not None and start.run.attempt == attempt:
            self._world.end(run, None if opened.stopping is None else Result(signal=15))

    def _fire(self, occurrences: Iterable[Occurrence]) -> None:
        for occurrence in occurrences:
            self._world.feed(TriggerFired(occurrence))
            self._take_results()

    def _take_results(self) -> None:
        """Record the results of the last event."""
        world = self._world
        if world.started:
            for start in world.started:
                duration = self._durations[start.job.id]
                heapq.heappush(self._ends, (world.now.wall + duration, start.run.id, start.run.attempt))
            world.started.clear()
        if world.cancelled:
            for cancel in world.cancelled:
                heapq.heappush(self._ends, (world.now.wall, cancel.run, cancel.attempt))
            world.cancelled.clear()
        if len(world.decisions) > self._seen_decisions:
            for decision in world.decisions[self._seen_decisions :]:
                if decision.run is not None and decision.run not in world.active_starts:
                    self._note_wait(decision.run)
            self._seen_decisions = len(world.decisions)
        while self._delayed and self._delayed[0][0] <= world.now.wall:
            self._note_wait(heapq.heappop(self._delayed)[1])
        if self._has_patterns:
            ended, self._ended = world.history[self._ended :], len(world.history)
            self._fire(occurrence for run in ended for occurrence in self._sources.handle(end_of(run)))
        if self._seen_decisions > MAX_DECISIONS:
            raise BadRequest(
                f"more than {MAX_DECISIONS:,} occurrences until {world.now.wall.isoformat(timespec='seconds')}; "
                "simulate fewer days"
            )

    def _note_wait(self, run: RunId) -> None:
        opened = self._world.engine.run(run)
        waiting_for = None if opened is None else self._world.engine.waiting_for(run)
        if waiting_for is None:
            return
        self._waits[run] = waiting_for
        if isinstance(waiting_for, StartDelayed | RetryDelayed):
            # Its alarm may come a little later, between two microseconds.
            look_again = max(waiting_for.until, self._world.now.wall + _RESOLUTION)
            heapq.heappush(self._delayed, (look_again, run))


class _SteppedPlay(_Play):
    """A play that hands over what happened, and forgets it."""

    def __init__(self, scenario: Scenario) -> None:
        self._starts: list[tuple[datetime, Run]] = []
        super().__init__(scenario)

    def steps(self, step: timedelta) -> Iterator[ForecastStep]:
        """Play step by step."""
        until, world = self._scenario.start, self._world
        while until < self._scenario.end:
            until = min(until + step, self._scenario.end)
            with fewer_collections():
                self.go_on_until(until)
            skips = tuple(decision for decision in world.decisions if decision.outcome is Outcome.SKIP)
            yield ForecastStep(until, tuple(self._starts), skips)
            for found in (self._starts, self._waits, world.history, world.decisions, world.notices, world.breaches):
                found.clear()
            self._seen_decisions = self._ended = 0

    def _take_results(self) -> None:
        self._starts += [(self._world.now.wall, start.run) for start in self._world.started if start.run.attempt == 1]
        super()._take_results()


def _off_by_hand(scenario: Scenario) -> Iterator[JobState]:
    known = {plan.job.id for plan in scenario.plans}
    for state in scenario.states:
        skips = tuple(skip for skip in state.skips if scenario.start <= skip.at < scenario.end)
        if state.job in known and (skips or state.find_pause(scenario.start)):
            yield evolve(state, skips=skips)


def _in_order(script: Script) -> list[Event | Occurrence]:
    events: list[Event | Occurrence] = [*script.events, *script.occurrences]
    return sorted(events, key=_at)


def _at(event: Event | Occurrence) -> datetime:
    return event.at
