"""The time campaign: the clocks are changed in every state of a run, awake, across a restart and across a reboot.

    python -m tests.faults.clocks [--cases N] [--seed N] [--only TEXT] [--real]

A case is a state of a run (`clock_states`), a change of the clocks (set by seconds up to a year, forward or back, or
the machine sleeps), the moment of the change (the daemon is awake, is down for a restart, or the machine is booted),
whether the clock is put right again a little later, and a time of the year: an ordinary day, or the night of either
change of summer time. With `--real` real daemons whose clocks are faked are tried too (`test_clocks`,
`test_clocks_while_down`). The oracle, for every case:

1. No occurrence is decided twice, and each instant of each schedule has its decision.
2. A retry, a start delay, a wait for a guard and a timeout take the time that was left of them, by the clocks that
   can't be set; where the machine was booted and its clock set, no longer than that.
3. The run that waited first is first, whatever the clock shows.
4. What was to be ended is ended, across a restart too, and no run stays open for ever.
5. The history is true: reasons name the cause, and a run took as long as it took.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from attrs import evolve, frozen
from tests.faults.clock_states import BEATS, DAY, HOUR, MINUTE, RESULT_LAG, SECOND, STATES, Expectation, State
from tests.fuzz.invariants import Invariants, InvariantViolated

from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import CaughtUp, Missed, MissedCause
from rae_auto.model.run import Result, RunState

DOWN = 20 * SECOND
"""Time for which the daemon is down."""

UNTIL_CORRECTED = 30 * SECOND
MODES = ("awake", "restart", "reboot")
STARTS = {
    "in June": datetime(2026, 6, 1, 9, 30, tzinfo=UTC),
    "before summer time": datetime(2026, 3, 28, 23, 20, tzinfo=UTC),
    "before winter time": datetime(2026, 10, 24, 23, 20, tzinfo=UTC),
}
REAL_TESTS = ["tests/faults/test_clocks.py", "tests/faults/test_clocks_while_down.py"]


@frozen
class Change:
    """A change of the clocks: the wall clock is set, or the machine sleeps."""

    name: str
    set_by: timedelta = timedelta(0)
    sleeps: timedelta = timedelta(0)


CHANGES = [
    Change("nothing"),
    *(
        Change(f"set {word} by {by}", factor * by)
        for by in (3 * SECOND, HOUR, DAY, 365 * DAY)
        for word, factor in (("forward", 1), ("back", -1))
    ),
    *(Change(f"asleep for {by}", sleeps=by) for by in (2 * MINUTE, 45 * MINUTE, 30 * HOUR)),
    Change("asleep for an hour and set forward by two", 2 * HOUR, HOUR),
    Change("asleep for an hour and set back by two", -2 * HOUR, HOUR),
]


@frozen
class Case:
    """A change of the clocks in a state of a run."""

    state: State
    change: Change
    mode: str
    start: str
    is_corrected: bool = False

    def __str__(self) -> str:
        corrected = ", put right" if self.is_corrected else ""
        return f"{self.state.name}; {self.change.name}; {self.mode}; {self.start}{corrected}"


def all_cases() -> Iterator[Case]:
    """Iterate over all cases."""
    for state, change, mode, start in product(STATES, CHANGES, MODES, STARTS):
        yield Case(state, change, mode, start)
        if change.set_by:
            yield Case(state, change, mode, start, is_corrected=True)


class CheapInvariants(Invariants):
    """The invariants, less the one that computes all instants of a year; the campaign looks for these in the end."""

    def _every_instant(self) -> None:
        pass


class Trial:
    """One case, tried in a virtual world. `violations` has what is wrong."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.violations: list[str] = []
        self._set_by = timedelta(0)
        self._started: dict[RunId, datetime] = {}
        self._ended: dict[RunId, datetime] = {}
        self._started_before = self._ended_before = 0
        self._changed_at = STARTS[case.start]
        self._world = case.state.make_world(STARTS[case.start])
        self._invariants = CheapInvariants(self._world)
        for plan in self._world._plans.values():
            self._invariants.watch(plan)

    def run(self) -> None:
        """Try the case."""
        world, case = self._world, self.case
        expected = case.state.arrange(world)
        self._settle()
        was_active, decided, changed_at = expected.run in world.active_starts, len(world.decisions), world.now.wall
        left = self._change(expected)
        if case.is_corrected:
            self._pass(UNTIL_CORRECTED)
            self._set_clock(-case.change.set_by)
            left = None if left is None else left - UNTIL_CORRECTED
        since = world.now.wall
        if case.mode == "reboot" and was_active:
            self._check_end(expected, {RunState.LOST, *expected.end} - {RunState.SUCCEEDED})
        elif case.mode == "reboot" and expected.end_after_reboot is not None:
            self._check_end(expected, {expected.end_after_reboot})
        else:
            self._expect(expected, left)
        self._pass(3 * HOUR)
        self._check_instants(min(since, changed_at), since)
        self._check_causes(decided)
        self._check_durations()

    # What happens

    def _change(self, expected: Expectation) -> timedelta | None:
        """Change the clocks as the case wants, and return how long it is until the run does what is expected."""
        world, case = self._world, self.case
        self._changed_at = world.now.wall
        left = expected.left
        if left is not None and expected.counts_sleep:
            left -= case.change.sleeps
        if case.mode == "awake":
            if case.change.sleeps:
                world.now = evolve(world.now, slept=world.now.slept + case.change.sleeps.total_seconds())
            self._set_clock(case.change.set_by, also=case.change.sleeps)
            return left
        slept = case.change.sleeps
        world.now = evolve(world.now, slept=world.now.slept + slept.total_seconds(), wall=world.now.wall + slept)
        world.cancelled.clear()
        reboots = case.mode == "reboot"
        self._set_by += case.change.set_by
        self._invariants.crashed()
        alive = [] if reboots else list(world.active_starts)
        world.crash(alive=alive, down=DOWN, clock_set_by=case.change.set_by, reboots=reboots)
        self._invariants.restarted()
        self._settle()
        return None if left is None else left - DOWN

    def _set_clock(self, by: timedelta, also: timedelta = timedelta(0)) -> None:
        self._set_by += by
        self._world.set_clock(by + also)
        self._settle()

    def _pass(self, by: timedelta) -> None:
        while by > timedelta(0):
            step = min(by, 20 * MINUTE)
            self._world.advance(step)
            self._settle()
            by -= step

    def _settle(self) -> None:
        """End the runs of jobs that only come round, and check the invariants."""
        beats = {plan.job.id for plan in BEATS}
        for run, start in list(self._world.active_starts.items()):
            if start.job.id in beats and run in self._world.active_starts:
                self._world.end(run)
        self._note_moments()
        self._invariants.check()

    def _note_moments(self) -> None:
        """Note when runs started and ended, by a clock that can't be set."""
        for start in self._world.started[self._started_before :]:
            self._started.setdefault(start.run.id, start.run.started_at - self._set_by)
        self._started_before = len(self._world.started)
        for run in self._world.history[self._ended_before :]:
            self._ended[run.id] = run.finished_at - self._set_by
        self._ended_before = len(self._world.history)

    # The oracle

    def _fail(self, what: str) -> None:
        self.violations.append(what)

    def _expect(self, expected: Expectation, left: timedelta | None) -> None:
        is_exact = self.case.mode != "reboot" or not (self.case.change.set_by or self.case.change.sleeps)
        if left is not None:
            if is_exact and left > RESULT_LAG:
                self._pass(left - RESULT_LAG)
                if expected.happened():
                    self._fail("what was to come came too early")
            self._pass((2 * RESULT_LAG if is_exact else max(expected.max_duration, RESULT_LAG)) + RESULT_LAG)
        expected.let_go()
        self._settle()
        if not expected.happened():
            self._fail("what was to come did not come")
        if expected.run in self._world.active_starts:
            is_stopped = expected.run in [cancel.run for cancel in self._world.cancelled]
            self._world.end(expected.run, Result(signal=15) if is_stopped else None)
            self._settle()
        self._check_end(expected, set(expected.end))

    def _check_end(self, expected: Expectation, ends: set[RunState]) -> None:
        over = [run for run in self._world.history if run.id == expected.run]
        if [run.state for run in over if run.state in ends] != [run.state for run in over] or not over:
            self._fail(f"the run has ended as {[str(run.state) for run in over]}, not as {sorted(ends)}")

    def _check_instants(self, *since: datetime) -> None:
        """Check that each instant since the change has its decision, or is among some that share one."""
        for job, trigger, schedule in self._schedules():
            decisions = [d for d in self._world.decisions if (d.job, d.trigger) == (job, trigger)]
            keys = [d.key for d in decisions if not isinstance(d.reason, Missed)]
            if twice := [key for key, count in Counter(keys).items() if count > 1]:
                self._fail(f"{job}: {twice} decided twice")
            spans = [(d.reason.first, d.reason.last) for d in decisions if isinstance(d.reason, Missed)]
            spans += [(d.since, d.at) for d in decisions if d.since is not None]
            decided = set(keys)
            instant = schedule.next_after(since[0] if self._set_by >= timedelta(0) else since[1])
            while instant is not None and instant <= self._world.now.wall:
                covered = max((last for first, last in spans if first <= instant <= last), default=None)
                if covered is None and format_instant(instant) not in decided:
                    self._fail(f"{job} at {instant} has no decision")
                    break
                instant = schedule.next_after(covered or instant)

    def _schedules(self):
        for entry in self._world.engine.jobs():
            for trigger, schedule in entry.plan.schedules.items():
                yield entry.job.id, trigger, schedule

    def _check_causes(self, since: int) -> None:
        case, true = self.case, set()
        if case.mode != "awake":
            true.add(MissedCause.DOWN)
        elif case.change.sleeps:
            true.add(MissedCause.SLEPT)
        elif case.change.set_by > timedelta(0):
            true.add(MissedCause.SET_FORWARD)
        if case.is_corrected and case.change.set_by < timedelta(0):
            true.add(MissedCause.SET_FORWARD)
        reasons = [d.reason for d in self._world.decisions[since:] if isinstance(d.reason, Missed | CaughtUp)]
        if wrong := {reason.cause for reason in reasons} - true:
            self._fail(f"{sorted(wrong)} is said to be the cause, and is not")

    def _check_durations(self) -> None:
        for run in self._world.history:
            if run.started_at is None or self._is_unknown(run.id):
                continue
            really = self._ended[run.id] - self._started[run.id]
            if run.duration is None:
                if all(attempt.is_end_known for attempt in run.attempts):
                    self._fail(f"{run.job} took {really}, and no duration is known")
                continue
            if abs(run.duration - really) > RESULT_LAG:
                self._fail(f"{run.job} took {really}, and is said to have taken {run.duration}")

    def _is_unknown(self, run: RunId) -> bool:
        """Tell whether nothing shows how long a run took: the machine was booted meanwhile, and its clock set."""
        set_by = self.case.change.set_by
        return (
            self.case.mode == "reboot" and bool(set_by) and self._started[run] <= self._changed_at <= self._ended[run]
        )


def try_case(case: Case) -> list[str]:
    """Try a case, and return what is wrong."""
    trial = Trial(case)
    try:
        trial.run()
    except InvariantViolated as violated:
        trial.violations.append(str(violated))
    except Exception as error:  # a campaign goes on
        trial.violations.append(f"raised {error!r}")
    return trial.violations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=0, help="a sample of so many cases; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--real", action="store_true", help="real daemons too")
    options = parser.parse_args()
    cases = [case for case in all_cases() if options.only in str(case)]
    if options.cases:
        cases = random.Random(options.seed).sample(cases, min(options.cases, len(cases)))
    bad = 0
    for case in cases:
        violations = try_case(case)
        bad += bool(violations)
        for violation in violations:
            print(f"{case}: {violation}")
    print(f"{len(cases)} cases, {bad} violated")
    real = pytest.main(["-q", *REAL_TESTS]) if options.real else 0
    return 1 if bad or real else 0


if __name__ == "__main__":
    sys.exit(main())
