"""Runs and attempts, the states of a run, and the allowed transitions between them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from rae_auto.errors import IllegalTransition
from rae_auto.model.guard import GuardResult
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import FailOn, Overlap
from rae_auto.model.primitives.evolving.slots import evolve_slots, quick_init
from rae_auto.model.primitives.formatting import describe_signal
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Block, Cause, End, Fired
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.reasons.capacity import HandedOver
from rae_auto.model.run_inputs import NO_INPUTS, RunInputs

NO_WAIT = timedelta(seconds=1)
"""A start that comes sooner counts as immediate: a commit and a new process take some of it, and times show seconds."""

_DEFAULT_EXECUTOR = PluginRef("process")


class RunState(StrEnum):
    """State of a run. A final state never changes."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SKIPPED = "skipped"

    # That of an enumeration is a function of Python; this one fits to the equality, which is that of texts.
    __hash__ = str.__hash__

    @property
    def text(self) -> str:
        """The state as words, for a person."""
        return self.value.replace("_", " ")

    @property
    def final(self) -> bool:
        return self not in TRANSITIONS

    @property
    def active(self) -> bool:
        """True while an executor has, or may have, an attempt of the run."""
        return self is RunState.STARTING or self is RunState.RUNNING


_ENDS = frozenset(map(RunState, ("succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost")))

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.STARTING, RunState.CANCELLED, RunState.SKIPPED}),
    RunState.STARTING: _ENDS | {RunState.RUNNING, RunState.RETRYING},
    RunState.RUNNING: _ENDS | {RunState.RETRYING},
    RunState.RETRYING: frozenset({RunState.STARTING, RunState.CANCELLED}),
}

UNSUCCESSFUL = _ENDS - {RunState.SUCCEEDED}


@frozen
class TreeEnd:
    """The end of an attempt's processes, where the exit of the main one was not the end of all.

    Each time is one before the end of the attempt: of the exit of the main process, of the first request to end (on
    POSIX: SIGTERM) and of the first kill (SIGKILL); None for what did not happen, or isn't known. `is_gone` is False
    where a process may be left.
    """

    exited: timedelta | None = None
    requested: timedelta | None = None
    killed: timedelta | None = None
    is_gone: bool = True


MAY_BE_LEFT = TreeEnd(is_gone=False)
"""The end of an attempt of which it isn't known whether something still runs."""


@quick_init
@frozen(weakref_slot=False)
class Result:
    """Result of an attempt. What counts as success is decided by its job.

    `error` is one line for a person; `remark` another, on what doesn't make it a failure; `value` what a function
    returned, as JSON; `cpu_time` and `max_memory` (bytes) are None if the executor can't measure them. `ended_at` is
    set only where the end lies in the past: the attempt ended while no daemon ran. The record of the attempt then has
    it as its `finished_at`. `started_at` is when it really started, its process or its function, where the executor
    knows that; otherwise it counts from the decision to start. `stderr` is the first line that the attempt wrote to
    standard error, None if it wrote nothing there; executors set it for jobs with `fail_on`. `tree` is None for the
    usual end: with the main process all others were gone, so there is nothing to record.
    """

    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    value: Any = None
    cpu_time: timedelta | None = None
    max_memory: int | None = None
    ended_at: datetime | None = None
    remark: str | None = None
    stderr: str | None = None
    started_at: datetime | None = None
    tree: TreeEnd | None = None

    @property
    def text(self) -> str:
        """The result in words, for a person; empty for a success without a remark."""
        code = f"exit code {self.exit_code}" if self.exit_code else ""
        signal = f"killed by {describe_signal(self.signal)}" if self.signal is not None and not self.error else ""
        return "; ".join(filter(None, (", ".join(filter(None, (code, signal, self.error))), self.remark)))


@frozen
class QueuePlace:
    """A queue elsewhere, as that of a cluster, and what an attempt waits for there: "a worker with label gpu".

    Or a machine that was asked to start the attempt and doesn't answer: then it `may_have_started`.
    """

    queue: str
    wanted: str
    may_have_started: bool = False


@quick_init
@frozen(weakref_slot=False)
class Attempt:
    """One execution of a run by an executor.

    The end of a lost one isn't known: it lies between `seen_until`, when it was last known to be alive, and
    `finished_at`, when it was found to be gone. `seen_until` is None for others, and in records of earlier versions.
    `retry_at` is when the delay before the next attempt was to end; None for the last one, and in earlier records.
    """

    number: int
    started_at: datetime
    finished_at: datetime
    state: RunState
    result: Result | None = None
    seen_until: datetime | None = None
    retry_at: datetime | None = None

    @property
    def is_end_known(self) -> bool:
        """True unless it was lost: then `finished_at` is only when that was found, perhaps days later."""
        return self.state is not RunState.LOST or self.result is not None

    @property
    def known_until(self) -> datetime:
        """Its end, or the last proof of its life where the end isn't known, which may be its start."""
        return self.finished_at if self.is_end_known else self.seen_until or self.started_at

    def delay_until(self, next_start: datetime) -> datetime:
        """Return the end of the delay before the next attempt; after it that may have waited for something else."""
        if self.retry_at is None or next_start - self.retry_at < NO_WAIT:
            return next_start
        return max(self.retry_at, self.finished_at)

    def describe_unknown_end(self, time: TimeFormat) -> str:
        """Return between which instants it ended, as a clause, where that is all that is known; "" otherwise."""
        if self.is_end_known or self.seen_until is None or self.seen_until >= self.finished_at:
            return ""
        return f"it ended at an unknown time between {time(self.seen_until)} and {time(self.finished_at)}"

    @property
    def end_text(self) -> str:
        """The end of the attempt, in words: "failed (exit code 1)"."""
        details = self.result.text if self.result else ""
        return f"{self.state.text}{f' ({details})' if details else ''}"

    @property
    def gone_at(self) -> datetime | None:
        """When the last of its processes was verified to be gone; None where that isn't known, or not so."""
        if self.result is None or (self.result.tree is not None and not self.result.tree.is_gone):
            return None
        return self.finished_at

    @property
    def exited_at(self) -> datetime | None:
        """When its main process, or its call, ended; None if that isn't known."""
        if self.result is None or self.result.tree is None:
            return None if self.result is None else self.finished_at
        return self._before_end(self.result.tree.exited)

    @property
    def end_requested_at(self) -> datetime | None:
        """When its processes were asked to end; None if they were not, or it isn't known."""
        return self._before_end(self.result.tree.requested) if self.result and self.result.tree else None

    @property
    def killed_at(self) -> datetime | None:
        """When what was left of its processes was killed; None if nothing was, or it isn't known."""
        return self._before_end(self.result.tree.killed) if self.result and self.result.tree else None

    def _before_end(self, time: timedelta | None) -> datetime | None:
        return None if time is None else max(self.finished_at - time, self.started_at)


@frozen(kw_only=True)
class StartConditions:
    """Facts that the policies decided by; the defaults are those of most runs, so that histories stay small.

    `other_runs` counts the open runs of the same job; `guards` has the result of each guard at the start.
    """

    overlap: Overlap = Overlap.SKIP
    other_runs: int = 0
    needs: tuple[JobId, ...] = ()
    resources: Mapping[str, int] = field(factory=dict)
    guards: Mapping[str, GuardResult] = field(factory=dict)


@frozen
class Stopping:
    """The end that is decided for a run whose attempt has yet to be ended: cancelled or timed out, and why."""

    state: RunState
    reason: End | None = None


@frozen
class GuardWait:
    """When a guard first blocked a run, by all clocks, and the latest guard that did."""

    since: Moment
    by: Block


@frozen
class ClockStep:
    """By how many seconds the wall clock was set during an attempt, or between two of them (0); back if negative."""

    attempt: int
    seconds: float


@quick_init
@frozen(weakref_slot=False)
class AttemptTerms:
    """The part of a job that an attempt under way depends on, for a daemon that no longer has the job."""

    executor: PluginRef = _DEFAULT_EXECUTOR
    kill_after: timedelta = timedelta(seconds=5)
    timeout: timedelta | None = None
    success_codes: tuple[int, ...] = (0,)
    fail_on: tuple[FailOn, ...] = ()


_NO_CONDITIONS = StartConditions()
NO_TERMS = AttemptTerms()


@quick_init
@frozen(kw_only=True, weakref_slot=False)
class Run:
    """A decision to run and its execution. `attempt` is the number of the current or last one, 0 before the first.

    It is also the record of the decision: `cause` says why. `inputs` are values that its attempts get beside those of
    the job. `handle` is what the executor needs to find a running attempt again after a crash; `reason` says why the
    run is in its state, if the state alone does not; a queued or retrying run may not start before `not_before`.
    `conditions` are the facts that the policies decided by, `guard_wait` says since when a guard has blocked it,
    `waited_for` what it has waited for, each code once. `clocks` shows all clocks when the delay until `not_before`
    began, or the current attempt: what is left of a delay or a timeout doesn't go by a wall clock that may be set.
    `terms` are those of the current attempt.
    `stopping` is set from the decision to end an active run before its time until its attempt has ended.
    `overran_at` is when it was noticed to have been running for longer than its job's `expect.max_runtime`.
    `adopted_at` is when a new daemon last found an attempt of it alive that another daemon had started.
    `node` names the state directory and machine that has the current attempt, where several use one store.
    `clock_steps` says by how much the wall clock was set since the first start, so that the run's durations are true.
    """

    id: RunId
    job: JobId
    trigger: str
    key: str
    scheduled_for: datetime
    queued_at: datetime
    cause: Cause
    event: Mapping[str, Any] | None = None
    inputs: RunInputs = NO_INPUTS
    state: RunState = RunState.QUEUED
    not_before: datetime | None = None
    started_at: datetime | None = None
    attempt_started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 0
    exit_code: int | None = None
    reason: End | None = None
    handle: Mapping[str, Any] | None = None
    stopping: Stopping | None = None
    attempts: tuple[Attempt, ...] = ()
    conditions: StartConditions = _NO_CONDITIONS
    guard_wait: GuardWait | None = None
    waited_for: tuple[Block, ...] = ()
    clocks: Moment | None = None
    terms: AttemptTerms = NO_TERMS
    clock_steps: tuple[ClockStep, ...] = ()
    overran_at: datetime | None = None
    adopted_at: datetime | None = None
    node: str = ""

    @property
    def remark(self) -> str | None:
        """Remark of its executor on the last attempt that has ended."""
        return self.attempts[-1].result.remark if self.attempts and self.attempts[-1].result else None

    @property
    def value(self) -> Any:
        """Value that the function of a Python job returned in the last attempt, as JSON; None for other runs."""
        return self.attempts[-1].result.value if self.attempts and self.attempts[-1].result else None

    @property
    def waiting_since(self) -> datetime:
        """The end of the last attempt that has ended; before the first one, when it was decided to run."""
        return self.attempts[-1].finished_at if self.attempts else self.queued_at

    @property
    def duration(self) -> timedelta | None:
        """The time from the first start to the end; None if the run has not started, or goes on.

        None also if an attempt of it was lost: the time until that was found, perhaps days, is not what the run took.
        """
        if self.started_at is None or self.finished_at is None or self.state is RunState.LOST:
            return None
        for attempt in self.attempts:
            if attempt.state is RunState.LOST and not attempt.is_end_known:
                return None
        elapsed = self.finished_at - self.started_at
        if self.clock_steps:
            elapsed -= timedelta(seconds=sum(one.seconds for one in self.clock_steps))
        return max(elapsed, timedelta(0))

    @property
    def known_until(self) -> datetime | None:
        """The end, or the last proof of its life where an attempt was lost at the end; None while it goes on."""
        if self.finished_at is None or not self.attempts or self.attempts[-1].is_end_known:
            return self.finished_at
        return self.attempts[-1].known_until

    def describe_reason(self, time: TimeFormat) -> str:
        """Return the reason as a clause, in the past for a run that is over; "" if it has none.

        Where the end of its last attempt isn't known, it says between which instants that was.
        """
        if self.reason is None:
            return ""
        reason = self.reason.describe_past(time) if self.state.final else self.reason.describe(time)
        ended = self.attempts[-1].describe_unknown_end(time) if self.attempts else ""
        return f"{reason}; {ended}" if ended and not self.state.active else reason

    def duration_of(self, attempt: Attempt) -> timedelta | None:
        """Return how long an attempt took; None if it was lost, so that its end isn't known."""
        return self.known_time_of(attempt) if attempt.is_end_known else None

    def known_time_of(self, attempt: Attempt) -> timedelta:
        """Return how long an attempt took, or at least took if it was lost."""
        elapsed = attempt.known_until - attempt.started_at
        if self.clock_steps:
            elapsed -= timedelta(seconds=sum(one.seconds for one in self.clock_steps if one.attempt == attempt.number))
        return max(elapsed, timedelta(0))

    def after_clock_set(self, by: timedelta) -> "Run":
        """Return this run after the wall clock was set, back if `by` is negative.

        What is left of its delay, its wait for a guard and its attempt stays the same, and so do its durations.
        """
        changes: dict[str, Any] = {}
        if self.not_before is not None:
            changes["not_before"] = self.not_before + by
        if self.clocks is not None:
            changes["clocks"] = evolve(self.clocks, wall=self.clocks.wall + by)
        if isinstance(self.reason, HandedOver):
            changes["reason"] = evolve(self.reason, since=self.reason.since + by)
        if self.guard_wait is not None:
            since = self.guard_wait.since
            changes["guard_wait"] = evolve(self.guard_wait, since=evolve(since, wall=since.wall + by))
        if self.started_at is not None:
            attempt = self.attempt if self.state.active else 0
            known = next((one.seconds for one in self.clock_steps if one.attempt == attempt), 0.0)
            others = tuple(one for one in self.clock_steps if one.attempt != attempt)
            changes["clock_steps"] = (*others, ClockStep(attempt, known + by.total_seconds()))
        return evolve(self, **changes) if changes else self

    @property
    def is_in_queue(self) -> bool:
        """Tell whether its attempt was handed over, as to a queue elsewhere, and is not known to have started."""
        return isinstance(self.reason, HandedOver) and self.state is RunState.STARTING

    @property
    def is_waiting(self) -> bool:
        """Tell whether the run is open and waits, here or in a queue elsewhere: nothing of it is known to run."""
        return not self.state.final and (not self.state.active or self.is_in_queue)

    @property
    def waits_after_event(self) -> bool:
        """Tell whether the run waits for a trigger's delay after an event, for which sleep doesn't count."""
        return isinstance(self.cause, Fired) and not self.attempt and self.not_before is not None

    def after_sleep(self, by: timedelta) -> "Run":
        """Return this run after the machine slept for this time, which doesn't count for a delay after an event."""
        if not self.waits_after_event or self.not_before is None or self.clocks is None:
            return self
        clocks = evolve(self.clocks, wall=self.clocks.wall + by, slept=self.clocks.slept + by.total_seconds())
        return evolve(self, not_before=self.not_before + by, clocks=clocks)

    def delay_left(self, now: Moment) -> timedelta:
        """Return how long the run still has to wait for `not_before`, at most as long as was decided."""
        if self.not_before is None:
            return timedelta(0)
        if self.clocks is None:
            return max(self.not_before - now.wall, timedelta(0))
        return max(self.not_before - self.clocks.wall - now.elapsed_since(self.clocks), timedelta(0))

    def time_left(self, timeout: timedelta, now: Moment) -> timedelta:
        """Return how long the current attempt may still take; the time that the machine sleeps doesn't count."""
        if self.clocks is None:
            return timeout
        return max(timeout - now.elapsed_since(self.clocks, with_sleep=False), timedelta(0))

    def running_time(self, now: Moment) -> timedelta:
        """Return how long an active run has been running, all its attempts together, without the delays between."""
        earlier = sum((self.known_time_of(attempt) for attempt in self.attempts), timedelta(0))
        if self.clocks is None:
            return earlier
        return earlier + now.elapsed_since(self.clocks, with_sleep=False)

    def to(self, state: RunState, **changes: Any) -> "Run":
        """Return this run in another state. Raises IllegalTransition if the table does not allow it."""
        return evolve_slots(self, state=allow_transition(self, state), **changes)


def allow_transition(run: Run, to: RunState) -> RunState:
    """Return a state that a run may go to. Raises IllegalTransition if the table does not allow it."""
    if to not in TRANSITIONS.get(run.state, ()):
        raise IllegalTransition(f"run {run.id}: {run.state} can't become {to}")
    return to
