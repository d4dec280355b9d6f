"""The invariants of the engine, as checks on a virtual world. Each raises InvariantViolated with what it found."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from attrs import frozen
from tests.fuzz.notices import NoticeInvariants

from rae_auto.engine.plan import Plan
from rae_auto.engine.queues.run_queue import queue_rank
from rae_auto.engine.runs.guards import MAX_READING_AGE
from rae_auto.engine.runs.waiting import FAULT_RETRY_SECONDS
from rae_auto.engine.state import AskingGuards
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.guard import Verdict
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import MaxParallel, Missed, ResourceBusy, ResourceReserved
from rae_auto.model.run import Run, RunState
from rae_auto.model.schedule import Schedule
from rae_auto.simulation.virtual_engine import VirtualWorld

FAULT_RETRY = timedelta(seconds=FAULT_RETRY_SECONDS)

LOOKED_AT = 400
"""Number of instants of a schedule whose decisions are checked after each event."""


class InvariantViolated(AssertionError):
    """A violated invariant."""


@frozen
class Failure:
    """An invariant that was violated, or another error, in a fuzz run."""

    seed: int
    step: int
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}, step {self.step}: {self.what}; play it with 'python -m tests.fuzz {self.seed}'"


class Invariants:
    """Watches one world: `watch` what people set up, `check` after each event."""

    def __init__(self, world: VirtualWorld) -> None:
        self._world = world
        self._notices = NoticeInvariants(world)
        self._due_since: dict[tuple[JobId, str], tuple[Schedule, datetime]] = {}
        self._decided_runs: set[RunId] = set()
        """Runs that were decided, or reported to an observer."""
        self._waiting: dict[RunId, float] = {}
        self._let_in_by: dict[RunId, Overlap] = {}
        self._seen_starts = self._seen_decisions = self._seen_ends = 0
        self._started: set[tuple[RunId, int]] = set()
        self._ended: set[RunId] = set()
        self._decided: set[tuple[JobId, str, str, int]] = set()
        self._targets: dict[tuple[RunId, int], RunState] = {}
        """The states that attempts are to end in because they were cancelled or timed out."""
        self._cancels_before = 0
        """Number of cancellations that earlier daemons requested."""
        self._began: dict[tuple[JobId, str, str], RunId] = {}
        """The run that each instant of a schedule really started, whatever the store knows of it."""
        self._of_former_schedules: set[RunId] = set()
        """Runs of schedules that have changed since."""
        self._held: set[JobId] = set()
        """Jobs that are paused because a document of theirs was damaged."""
        self._skips: set[tuple[JobId, datetime]] = set()
        """Instants that were skipped by hand."""
        self._new_since: dict[tuple[JobId, str], int] = {}
        """From which decision on a job, or its trigger, is another than the one before it of the same name."""

    def watch(self, plan: Plan) -> None:
        """The job is as planned from now on."""
        for trigger, schedule in plan.schedules.items():
            known = self._due_since.get((plan.job.id, trigger))
            if known is None or known[0] != schedule:
                self._due_since[plan.job.id, trigger] = schedule, self._world.now.wall
                self._new_since[plan.job.id, trigger] = len(self._world.decisions)
                self._forget_starts(plan.job.id, trigger)
        self._forget(plan.job.id, lambda trigger: trigger not in plan.schedules)

    def _forget_starts(self, job: JobId, trigger: str) -> None:
        """A schedule that has changed is another one: after a clock was set back, its instants are its own."""
        runs = {run.id for run in self._world.stored(Run) if (run.job, run.trigger) == (job, trigger)}
        self._of_former_schedules |= runs
        self._began = {key: run for key, run in self._began.items() if key[:2] != (job, trigger)}

    def forget(self, job: JobId) -> None:
        """There is no such job any more; one of its name would be another."""
        self._new_since[job, ""] = len(self._world.decisions)
        self._forget(job, lambda _: True)

    def _forget(self, job: JobId, which: Callable[[str], bool]) -> None:
        for key in [key for key in self._due_since if key[0] == job and which(key[1])]:
            del self._due_since[key]
        self._began = {key: run for key, run in self._began.items() if key[0] != job or not which(key[1])}
        self._skips = {skip for skip in self._skips if skip[0] != job}
        self._held -= {job} if which("") else set()

    def damaged(self, job: JobId, run: RunId | None) -> None:
        """A document of the job can't be read any more, perhaps that of a run: the job is held until it is resumed."""
        self._notices.damaged(run)
        if job in [entry.job.id for entry in self._world.engine.jobs()]:
            self._held.add(job)
        self._skips = {skip for skip in self._skips if skip[0] != job}
        self._targets = {key: state for key, state in self._targets.items() if key[0] != run}
        if run is None:
            # With its cursors it lost what was decided while the clock was ahead.
            self._new_since[job, ""] = len(self._world.decisions)
            self._began = {key: began for key, began in self._began.items() if key[0] != job}

    def skipped(self, job: JobId, at: datetime, *, is_taken_back: bool) -> None:
        """The job must not start at this instant, or may again."""
        (self._skips.discard if is_taken_back else self._skips.add)((job, at))

    def resumed(self, job: JobId) -> None:
        """The job may start again."""
        self._held.discard(job)

    def clock_was_set_back(self) -> None:
        """An older state of the store doesn't know of instants that were ahead of their time."""
        self._began.clear()
        # A skip is used up when its instant has passed, and an instant may come a second time.
        self._skips.clear()

    def acknowledge(self, run: RunId) -> None:
        """A caller was promised this run."""
        self._decided_runs.add(run)

    def crashed(self) -> None:
        """The daemon has died; the next one requests its own cancellations."""
        self._cancels_before = len(self._world.cancelled)
        self._notices.crashed()

    def reverted(self) -> None:
        """The store and the records are as they were once. What has started since has started all the same."""
        self._notices.reverted()
        history, decisions = self._world.history, self._world.decisions
        self._seen_ends, self._seen_decisions = len(history), len(decisions)
        self._ended = {run.id for run in history}
        self._decided_runs = {decision.run for decision in decisions if decision.run is not None}
        self._decided.clear()
        self._targets.clear()
        self._held.clear()
        self._skips.clear()
        self._new_since = {key: min(number, len(decisions)) for key, number in self._new_since.items()}

    def begin_schedules_again(self, job: JobId | None = None) -> None:
        """Cursors without a record, of a job or of all, begin now; the others have given up what came before."""
        now = self._world.now.wall
        for key, (schedule, _) in list(self._due_since.items()):
            if job in (None, key[0]):
                self._due_since[key] = schedule, now

    def restarted(self) -> None:
        """A new daemon: jobs that were changed meanwhile have other ranks."""
        self._waiting = {}

    def check(self) -> None:
        """All of them."""
        self._room()
        self._expectations()
        self._overlap()
        self._decisions()
        self._record()
        self._attempts()
        self._answers()
        self._order()
        self._store()
        self._every_instant()
        self._stops()
        self._reservations()
        self._damaged_jobs()
        self._pauses_and_skips()
        if (violation := self._notices.find_violation()) is not None:
            raise InvariantViolated(violation)

    def _damaged_jobs(self) -> None:
        for entry in self._world.engine.jobs():
            if entry.job.id in self._held and not entry.state.paused:
                raise InvariantViolated(f"{entry.job.id} goes on, though a document of it was damaged")

    def _pauses_and_skips(self) -> None:
        """A pause with an end is over then, and what is skipped by hand doesn't start."""
        now = self._world.now.wall
        for entry in self._world.engine.jobs():
            until = entry.state.paused_until
            if until is not None and not entry.state.paused:
                raise InvariantViolated(f"{entry.job.id} has an end of a pause, but isn't paused")
            wake = self._world.engine.next_wake(self._world.now)
            if until is not None and until <= now and wake != 0.0 and not self._world.engine.is_stopping:
                raise InvariantViolated(f"{entry.job.id} stays paused, though its pause ended at {until}")

    def _expectations(self) -> None:
        """Nothing is expected of a job that can't start, and nothing is overdue for long unnoticed, or too early."""
        for entry in self._world.engine.jobs():
            job, expectation = entry.job, entry.state.expectation
            is_expected = bool(job.expect.every) and job.enabled and not entry.state.paused
            if (expectation is not None) != is_expected:
                raise InvariantViolated(f"{job.id}: expected to succeed: {expectation}")
            left = expectation and expectation.time_left(job.expect, self._world.now)
            if expectation is None or left is None:
                continue
            if expectation.overdue_at is None and left < -2 * FAULT_RETRY and not self._world.engine.is_stopping:
                raise InvariantViolated(f"{job.id} has been overdue for {-left}, and it was not reported")
            if expectation.overdue_at is not None and left > timedelta(0):
                raise InvariantViolated(f"{job.id} counts as overdue {left} too early")

    def _stops(self) -> None:
        """A cancellation or a timeout that was decided stays so, across crashes too, and is carried out."""
        kept = {run.id: run for run in self._world.stored(Run)}
        for run in kept.values():
            if run.stopping is not None:
                self._targets.setdefault((run.id, run.attempt), run.stopping.state)
        cancelled = {(cancel.run, cancel.attempt) for cancel in self._world.cancelled[self._cancels_before :]}
        over = {run.id: run for run in self._world.history if any(run.id == known for known, _ in self._targets)}
        for (run_id, attempt), target in list(self._targets.items()):
            run = kept.get(run_id) or over[run_id]
            if run.state.active and run.attempt == attempt:
                if run.stopping is None or run.stopping.state is not target:
                    raise InvariantViolated(f"{run_id} was to be {target}, and now {run.stopping}")
                if (run_id, attempt) not in cancelled:
                    raise InvariantViolated(f"{run_id} is to be {target}, but its executor has not been asked")
                continue
            ended = next(one.state for one in run.attempts if one.number == attempt)
            if ended is not target and (ended is not RunState.LOST or run.state is not target):
                raise InvariantViolated(f"attempt {attempt} of {run_id} was to be {target}, and is {ended}")
            if target is RunState.CANCELLED and run.state is not target:
                raise InvariantViolated(f"{run_id} was cancelled, and is {run.state}")
            del self._targets[run_id, attempt]

    def _room(self) -> None:
        world = self._world
        active = [opened for opened in world.engine.runs() if opened.run.state.active]
        if len(active) > world.settings.max_parallel:
            raise InvariantViolated(f"{len(active)} attempts in hand, max_parallel is {world.settings.max_parallel}")
        waiting = [opened for opened in world.engine.runs() if not opened.run.attempt]
        if len(waiting) > world.settings.max_queue:
            raise InvariantViolated(
                f"{len(waiting)} runs wait for their first attempt, max_queue is {world.settings.max_queue}"
            )
        if unknown := set(world.active_starts) - {opened.run.id for opened in active}:
            raise InvariantViolated(f"executors have {unknown} in hand, of which the engine knows nothing")
        kept = sum(o.activity == AskingGuards(has_slot=True) for o in world.engine.runs())
        if len(active) + kept < world.settings.max_parallel and not world.engine.is_stopping:
            for opened in world.engine.runs():
                if isinstance(world.engine.waiting_for(opened.run.id), MaxParallel):
                    raise InvariantViolated(f"{opened.run.id} waits for a place though there is one")

    def _overlap(self) -> None:
        together = _let_in_together(self._world.decisions)
        for entry in self._world.engine.jobs():
            opened = self._world.engine.runs(entry.job.id)
            # Found again after a crash a run goes by what its job says now; it was let in by what that said then.
            policies = {self._let_in_by.setdefault(o.run.id, o.job.overlap) for o in opened}
            policies |= {o.job.overlap for o in opened}
            alone = [o for o in opened if o.run.id not in together]
            if policies == {Overlap.SKIP} and len(alone) > 1:
                raise InvariantViolated(f"{len(alone)} open runs of {entry.job.id}, overlap = skip")
            active = sum(o.run.state.active for o in opened)
            if Overlap.ALLOW not in policies and active > 1:
                raise InvariantViolated(f"{active} attempts of {entry.job.id} in hand at once")

    def _decisions(self) -> None:
        decisions = self._world.decisions
        for number, decision in enumerate(decisions[self._seen_decisions :], self._seen_decisions):
            known_from = max(self._new_since.get((decision.job, name), 0) for name in ("", decision.trigger))
            if not isinstance(decision.reason, Missed) and number >= known_from:
                identity = (decision.job, decision.trigger, decision.key, known_from)
                if identity in self._decided:
                    raise InvariantViolated(f"{identity[:3]} was decided twice")
                self._decided.add(identity)
            if decision.run is not None:
                self._decided_runs.add(decision.run)
        self._seen_decisions = len(decisions)

    def _record(self) -> None:
        """Each run that was decided is open or on record, and ended once."""
        history = self._world.history
        for run in history[self._seen_ends :]:
            if run.id in self._ended:
                raise InvariantViolated(f"run {run.id} ended twice")
            self._ended.add(run.id)
        self._seen_ends = len(history)
        if lost := self._decided_runs - self._ended - {run.id for run in self._world.stored(Run)}:
            raise InvariantViolated(f"runs {sorted(lost)} are lost")

    def _attempts(self) -> None:
        for start in self._world.started[self._seen_starts :]:
            attempt = start.run.id, start.run.attempt
            if attempt in self._started:
                raise InvariantViolated(f"attempt {attempt} was started twice")
            self._started.add(attempt)
            if (start.run.job, start.run.trigger) in self._due_since:
                if (start.run.job, start.run.scheduled_for) in self._skips:
                    raise InvariantViolated(f"{start.run.id} started, though its start was skipped by hand")
                occurrence = start.run.job, start.run.trigger, start.run.key
                if start.run.scheduled_for > self._world.now.wall:
                    # It was decided ahead of its time, before the clock was set back: see `clock_was_set_back`.
                    self._began.pop(occurrence, None)
                elif (
                    start.run.id not in self._of_former_schedules
                    and self._began.setdefault(occurrence, start.run.id) != start.run.id
                ):
                    raise InvariantViolated(f"{occurrence} was run twice")
            self._check_start(start.run, start.job.needs)
            self._check_resources(start.job.resources)
        self._seen_starts = len(self._world.started)

    def _check_start(self, run: Run, needs: tuple[JobId, ...]) -> None:
        entry = next((e for e in self._world.engine.jobs() if e.job.id == run.job), None)
        if entry is not None and run.trigger != MANUAL and entry.state.paused:
            raise InvariantViolated(f"{run.id} started though {run.job} is paused")
        if entry is not None and run.trigger != MANUAL and run.attempt == 1:
            self._check_guards(run, entry.plan)
        for need in needs if run.attempt == 1 else ():
            needed = next((e for e in self._world.engine.jobs() if e.job.id == need), None)
            if needed is None or needed.state.last_state is not RunState.SUCCEEDED:
                raise InvariantViolated(f"{run.id} started though {need}, which it needs, hasn't succeeded")
        if run.attempts and run.attempts[-1].state in (RunState.CANCELLED, RunState.INTERRUPTED):
            raise InvariantViolated(f"{run.id} was tried again after it was {run.attempts[-1].state}")

    def _check_guards(self, run: Run, plan: Plan) -> None:
        said = run.conditions.guards
        if said.keys() != plan.guards.keys() or not all(result.verdict is Verdict.YES for result in said.values()):
            raise InvariantViolated(
                f"{run.id} started though of its guards {list(plan.guards)} it is known that {said}"
            )
        started_at = run.attempt_started_at or run.queued_at
        if (
            None in plan.guards.values()
            and self._world.guards_age.get(run.id, float("inf")) > MAX_READING_AGE.total_seconds()
        ):
            raise InvariantViolated(f"{run.id} started though its guards were read long ago")
        for name, guard in plan.guards.items():
            if guard is not None and not guard.evaluate(started_at).allows:
                raise InvariantViolated(f"{run.id} started though guard {name} says {guard.evaluate(started_at)}")

    def _answers(self) -> None:
        """A run that waits for the answer of its guards will get one."""
        asked = {wanted.run for wanted in self._world.guard_requests}
        for opened in self._world.engine.runs():
            if isinstance(opened.activity, AskingGuards) and opened.run.id not in asked:
                raise InvariantViolated(f"{opened.run.id} waits for guards that are not read")

    def _reservations(self) -> None:
        """A run that waits for a reservation waits for an open run of an earlier rank that needs the resource."""
        engine = self._world.engine
        users = [o.job.resources for o in engine.runs() if o.is_active or o.has_reserved_slot]
        for opened in engine.runs():
            waiting = engine.waiting_for(opened.run.id)
            if isinstance(waiting, ResourceBusy) and not any(waiting.resource in used for used in users):
                raise InvariantViolated(f"{opened.run.id} waits for {waiting.resource}, which is free")
            if isinstance(waiting, ResourceReserved):
                other = engine.run(waiting.run)
                if other is None or waiting.resource not in other.job.resources or other.rank > opened.rank:
                    raise InvariantViolated(f"{opened.run.id} waits for a reservation of {waiting.run} that is void")

    def _check_resources(self, resources: Mapping[str, int]) -> None:
        active = [opened for opened in self._world.engine.runs() if opened.run.state.active]
        for name in resources:
            units = [opened.job.resources[name] for opened in active if name in opened.job.resources]
            if sum(units) > self._world.settings.resources[name]:
                raise InvariantViolated(
                    f"attempts use {units} of {name}, which has {self._world.settings.resources[name]}"
                )

    def _order(self) -> None:
        """A run that waits for a slot and nothing else is not overtaken by a run of a lower rank.

        Runs with guards that must be read let others go first meanwhile. So do those that need more of a resource than
        a reload has left: they look again, and so wait for a slot, each time that some of it becomes free.
        """
        engine, capacity = self._world.engine, self._world.settings.resources
        guarded = {entry.job.id for entry in engine.jobs() if None in entry.plan.guards.values()}
        places = {
            o.run.id: queue_rank(o.job.priority, o.queued_mono)
            for o in engine.runs()
            if o.run.job not in guarded and isinstance(engine.waiting_for(o.run.id), MaxParallel)
            if all(units <= capacity.get(name, units) for name, units in o.job.resources.items())
        }
        still = [place for run, place in places.items() if run in self._waiting]
        for run, place in self._waiting.items():
            opened = engine.run(run)
            if opened is not None and opened.run.state.active and still and place > min(still):
                raise InvariantViolated(f"{run} overtook one that was before it in the queue")
        self._waiting = places

    def _store(self) -> None:
        kept = {run.id: run for run in self._world.stored(Run)}
        known = {o.run.id: o.run for o in self._world.engine.runs()}
        if kept != known:
            raise InvariantViolated(
                f"what is kept is not what the engine knows: {kept.keys() ^ known.keys() or 'it differs'}"
            )

    def _every_instant(self) -> None:
        """Each instant of each schedule has its decision, or is among those given up together."""
        by_trigger: dict[tuple[JobId, str], list[Decision]] = {}
        for decision in self._world.decisions:
            by_trigger.setdefault((decision.job, decision.trigger), []).append(decision)
        # Whose alarm is still to come has the rest of this very instant for it.
        if self._world.engine.next_wake(self._world.now) == 0:
            return
        for key, (schedule, since) in list(self._due_since.items()):
            made = by_trigger.get(key, [])
            decided = {decision.key for decision in made}
            spans = [(d.reason.first, d.reason.last) for d in made if isinstance(d.reason, Missed)]
            spans += [(decision.since, decision.at) for decision in made if decision.since is not None]
            for instant in _instants(schedule, since, self._world.now.wall):
                if format_instant(instant) not in decided and not any(a <= instant <= b for a, b in spans):
                    raise InvariantViolated(f"{key} at {instant} has no decision")
                # A decision stays.
                self._due_since[key] = schedule, instant


def _let_in_together(decisions: list[Decision]) -> set[RunId | None]:
    """The runs that were caught up together, which wait in line."""
    passes: dict[tuple[JobId, str, datetime], set[RunId | None]] = {}
    for decision in decisions:
        if decision.run is not None:
            passes.setdefault((decision.job, decision.trigger, decision.decided_at), set()).add(decision.run)
    return {run for runs in passes.values() if len(runs) > 1 for run in runs}


def _instants(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    instant, found = schedule.next_after(since), 0
    while instant is not None and instant <= until and found < LOOKED_AT:
        yield instant
        instant, found = schedule.next_after(instant), found + 1
