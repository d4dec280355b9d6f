"""The loop around the engine: it feeds events, commits changes, then performs effects. It decides nothing.

A turn has four steps, and the order is the promise "durable before visible":

1. take all events that have arrived since the last turn,
2. let the engine handle each; the steps it returns hold changes and effects,
3. make the changes of all steps durable in one commit (a group commit: its cost is shared by all), or in a few where
   one would be too large,
4. perform the effects, step by step: starts, cancels, notifications, answers to requests.

Damage that the store meets while it is in use may cost it commits, which the engine still knows: `request_rewrite` has
everything made durable again, as a part of step 3.

If the commit fails, the loop stays in step 3 and tries again: the engine's state is ahead of the disk, but nothing
shows it, and no further event is handled. A request that comes meanwhile makes the loop try at once; if that fails too,
it is refused with StoreError, as are requests that wait. If the process
dies in step 3, the steps never happened; if it dies in step 4, recovery finds the intent in the store.

A fault of the engine costs the input that it happened in: it is logged, the requester gets an InternalError, a fact
that could not be handled is handed to the engine again after `FAULT_RETRY_SECONDS`, and the loop goes on.

Between turns the loop sleeps until the engine's next instant, or until an event arrives, or until its checks are due
(`time.clock_checks`).

Where many jobs are due together, these steps begin before the instant (`engine.time_passing`): it is decided and made
durable as if it had come, and its effects wait for it, as do events that arrive meanwhile.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from loguru import logger

from rae_auto.engine.commands import Ask
from rae_auto.engine.effects import Change, Reply, Step
from rae_auto.engine.engine import Engine, EngineInput
from rae_auto.engine.events import Fact, TimePassed
from rae_auto.errors import ClaimLost, SchedulerClosed, SchedulerError, StoreError
from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.concurrency.commit_batches import split_into_batches
from rae_auto.runtime.time.clock import Clock, SystemClock
from rae_auto.runtime.time.clock_checks import ClockChecks
from rae_auto.runtime.time.starts_ahead import find_moment, find_wait, seconds_until
from rae_auto.runtime.time.time_meter import TimeMeter
from rae_auto.toolkit.threads.garbage import RareSearches

COMMIT_RETRY_SECONDS = (0.2, 1.0, 1.5)
"""Pauses before a failed commit is tried again; the last one is repeated. A request ends a pause at once."""

FAULT_RETRY_SECONDS = 60.0
"""Time after which a fact that could not be handled, because of a fault, is handed to the engine again."""

MAX_INPUTS_A_TURN = 250
"""Number of inputs that one turn handles, so that the first of many needn't wait until all are decided."""

MAX_INPUTS_BESIDE_DUE_RUNS = 50
"""Number of inputs that one turn handles while due runs are left to start."""

MAX_TURNS_WITHOUT_INPUTS = 9
"""Number of turns that only decide due runs while inputs wait: users notice a late start, but not a late end."""

BURST_END_SECONDS = 0.1
"""Time without a turn after which a burst is over; ends of short runs come every few milliseconds."""

SLOW_COMMIT_SECONDS = 10.0
"""Time after which a commit that has not returned is reported."""

LOG_INTERVAL_SECONDS = 60.0
"""Time between log lines about the same problem."""


async def _rewrite_nothing() -> None:
    return


class EngineLoop:
    """Runs an engine on one asyncio event loop, to which all methods belong."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        commit: Callable[[Sequence[Change]], Awaitable[None]],
        perform: Callable[[Step], None],
        publish: Callable[[Step], None] = lambda _: None,
        rewrite: Callable[[], Awaitable[None]] = _rewrite_nothing,
        *,
        decides_ahead: bool = True,
    ) -> None:
        """`commit` makes changes durable or raises StoreError; `perform` carries out all effects but replies.

        `publish` tells others what a step has done, and `rewrite` makes everything durable that the engine holds.
        Neither `perform` nor `publish` raises. No starts are decided ahead where another daemon may take over, nor by a
        clock that may not go as that of the event loop.
        """
        self.engine = engine
        self.trouble: str | None = None
        """Why state can't be written at present; None when it can."""
        self._reported_at = float("-inf")
        self.started = asyncio.Event()
        """Set once the first turn is durable."""
        self._clock = clock
        self._commit = commit
        self._perform, self._publish = perform, publish
        self._rewrite = rewrite
        self._must_rewrite = False
        self._drains: list[asyncio.Future[None]] = []
        self._inbox: list[EngineInput] = []
        self._woken = asyncio.Event()
        self._requests: dict[Ask, asyncio.Future[Mapping[str, Any]]] = {}
        self._last_request = 0
        self._closed = False
        self._retry = asyncio.Event()
        """Set to end the pause before the next try of a failed commit."""
        self._next_try: asyncio.Future[None] | None = None
        """Done when that try has ended; None outside of a pause."""
        self._checks = ClockChecks()
        self.on_clock_check = self._checks.on_check
        """Called once a while at a turn, and soon before an instant, for periodic checks."""
        self._decides_ahead = decides_ahead and isinstance(clock, SystemClock)
        self._on_progress: Callable[[], None] = lambda: None
        self._progress_seconds = float("inf")
        self._turns_without_inputs = 0
        self._burst = RareSearches()
        """From when more comes than a turn handles until nothing has come for a while."""
        self.on_turn: Callable[[bool], None] = lambda _: None
        """Called with True when a turn begins, and with False when it is over."""
        self.commits = TimeMeter()
        """Commits that have succeeded, from the request to the answer."""
        self._committing_since: float | None = None
        self._failure: ClaimLost | None = None
        self._no_time_before = float("-inf")
        """Monotonic seconds until which no `TimePassed` is sent, because the engine failed to handle the last one."""

    def now(self) -> Moment:
        return self._clock.now()

    def submit(self, event: EngineInput) -> None:
        """Queue an event for the next turn."""
        self._inbox.append(event)
        self._woken.set()
        if len(self._inbox) > MAX_INPUTS_A_TURN and not self._closed:
            self._burst.start()

    def call_at_progress(self, function: Callable[[], None], interval_seconds: float) -> None:
        """Call a function at each turn, and at least at this interval: also while the store can't be written.

        Only a loop that is blocked doesn't call it.
        """
        self._on_progress, self._progress_seconds = function, interval_seconds
        # It may be in a longer sleep.
        self._woken.set()

    def request_rewrite(self) -> None:
        """Have everything made durable again in the next turn, because the store may have lost some of it."""
        self._must_rewrite = True
        self._woken.set()

    def fail(self, error: ClaimLost) -> None:
        """End the loop with this error, before anything else is decided."""
        self._failure = error
        self._woken.set()
        self._retry.set()

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def request(self, event_for: Callable[[Ask], EngineInput]) -> Mapping[str, Any]:
        """Queue an event and return its durable answer. Raises the error that the engine answers with."""
        (answer,) = await self.submit_requests([event_for])
        return await answer

    async def submit_requests(
        self, events_for: Iterable[Callable[[Ask], EngineInput]]
    ) -> "list[asyncio.Future[Mapping[str, Any]]]":
        """Queue events, and return a future for each: its durable answer, or the error that the engine answers with.

        One that is not waited for has to be cancelled. Errors: SchedulerClosed, StoreError.
        """
        if self.trouble and self._next_try is not None:
            self._retry.set()
            await asyncio.wait({self._next_try})
        if self._closed:
            raise SchedulerClosed("the scheduler isn't running")
        if self.trouble:
            raise StoreError(f"the store can't be written, so requests are refused: {self.trouble}")
        new_answer, answers = asyncio.get_running_loop().create_future, []
        for event_for in events_for:
            self._last_request += 1
            answer: asyncio.Future[Mapping[str, Any]] = new_answer()
            self._requests[self._last_request] = answer
            self.submit(event_for(self._last_request))
            answers.append(answer)
        return answers

    async def drain(self, limit_seconds: float) -> bool:
        """Return True once all that was submitted so far is durable, or False after this many seconds."""
        drained = asyncio.get_running_loop().create_future()
        self._drains.append(drained)
        self._woken.set()
        done, _ = await asyncio.wait({drained}, timeout=limit_seconds)
        if drained in self._drains:
            self._drains.remove(drained)
        return bool(done)

    def pending_commit(self) -> str | None:
        """Return a line on the commit that the store has not answered yet; None if there is none."""
        if self._committing_since is None:
            return None
        seconds = asyncio.get_running_loop().time() - self._committing_since
        # Less than a second is usual while a commit is under way, and would be told as 0 s.
        how = f"for {seconds:.0f} s" if seconds >= 1 else "the last commit yet"
        return f"the store has not answered {how}"

    async def run(self) -> None:
        """Take turns until `close`. Raises ClaimLost once another daemon leads; the last decisions never happened."""
        self._checks.open(self._clock, self._woken.set)
        try:
            while not self._closed:
                await self._sleep()
                self._check_failure()
                await self._turn()
        finally:
            self._checks.close()
            self.close()

    def close(self) -> None:
        """Accept no more events, and answer open requests with SchedulerClosed."""
        self._closed = True
        self._burst.end()
        self._woken.set()
        for answer in self._requests.values():
            if not answer.done():
                error = SchedulerClosed("the scheduler stopped before it could answer")
                error.is_refusal = False
                answer.set_exception(error)
        self._requests.clear()

    async def _sleep(self) -> None:
        now = self._clock.now()
        wake = self.engine.next_wake(now)
        if self._decides_ahead and wake is not None and (ahead := find_wait(self.engine, now)) is not None:
            wake = min(wake, ahead)
        if wake is not None:
            wake = max(wake, self._no_time_before - now.mono)
        if self._inbox or wake == 0 or self._must_rewrite:
            # Others get their turn even under load.
            await asyncio.sleep(0)
        else:
            limit = min(self._checks.limit_sleep(wake, now), self._progress_seconds)
            later = asyncio.get_running_loop().call_later
            timers = [later(limit, self._woken.set)]
            if self._burst.is_active:
                timers.append(later(BURST_END_SECONDS, self._burst.end))
            await self._woken.wait()
            for timer in timers:
                timer.cancel()
        self._woken.clear()

    async def _turn(self) -> None:
        now = self._clock.now()
        self._on_progress()
        self.on_turn(True)
        if self._decides_ahead and now.mono >= self._no_time_before and find_wait(self.engine, now) == 0:
            self._checks.make(now)
            await self._turn_ahead(find_moment(self.engine, now))
            return
        self._checks.make_due(now)
        steps = [self._handle(event, now) for event in self._take_inputs()]
        drains = []
        if not self._inbox:
            drains, self._drains = self._drains, []
        if self.engine.next_wake(now) == 0 and now.mono >= self._no_time_before:
            steps.append(self._handle(TimePassed(), now))
            if self.engine.is_catching_up:
                self._burst.start()
        self._checks.note_turn(now, is_idle=not steps)
        await self._make_steps_durable(steps)
        self._finish(steps)
        for drained in drains:
            if not drained.done():
                drained.set_result(None)
        self.started.set()

    async def _turn_ahead(self, due: Moment) -> None:
        """Take a turn for a moment that is near: decide, commit, wait until it has come, and perform the effects.

        Later turns decide the pieces for which time runs out.
        """
        steps: list[Step] = []
        left, took = due.mono - self._clock.now().mono, 0.0
        self._burst.start()
        while not steps or (self.engine.is_catching_up and left > took and not steps[-1].is_refused):
            steps.append(self._handle(TimePassed(), due))
            await self._make_steps_durable(steps[-1:])
            before, left = left, due.mono - self._clock.now().mono
            took = before - left
        while (left := seconds_until(due, self._clock.now())) > 0:
            await asyncio.sleep(min(left, self._progress_seconds))
            self._on_progress()
        # The store may have met damage meanwhile, which may have cost it these commits.
        await self._make_steps_durable(())
        self._checks.note_turn(due, is_idle=False)
        self._finish(steps)

    async def _make_steps_durable(self, steps: Sequence[Step]) -> None:
        for changes in split_into_batches(steps):
            await self._make_durable(partial(self._commit, changes))
        while self._must_rewrite:
            self._must_rewrite = False
            await self._make_durable(self._rewrite)

    def _finish(self, steps: Sequence[Step]) -> None:
        """Perform the effects of steps that are durable; all that starts comes first."""
        for step in steps:
            self._perform(step)
        for step in steps:
            self._publish(step)
            self._answer(step)
        self.on_turn(False)

    def _take_inputs(self) -> list[EngineInput]:
        """Return the next inputs to handle; none for a moment while due runs are left to start."""
        if self.engine.is_catching_up and self._turns_without_inputs < MAX_TURNS_WITHOUT_INPUTS:
            self._turns_without_inputs += 1
            return []
        self._turns_without_inputs = 0
        most = MAX_INPUTS_BESIDE_DUE_RUNS if self.engine.is_catching_up else MAX_INPUTS_A_TURN
        taken, self._inbox = self._inbox[:most], self._inbox[most:]
        return taken

    def _handle(self, input_: EngineInput, now: Moment) -> Step:
        step = self.engine.handle(input_, now)
        for failure in step.failures:
            logger.opt(exception=failure.error).error(
                "internal error in {} of {}: {!r}; nothing was changed, and the daemon continues",
                failure.part,
                type(input_).__name__,
                failure.error,
            )
        if step.is_refused and isinstance(input_, TimePassed):
            self._no_time_before = now.mono + FAULT_RETRY_SECONDS
        elif step.is_refused and isinstance(input_, Fact):
            asyncio.get_running_loop().call_later(FAULT_RETRY_SECONDS, self.submit, input_)
        return step

    async def _make_durable(self, commit: Callable[[], Awaitable[None]]) -> None:
        """Commit until it succeeds. Until then nothing of the changes is visible, and no other turn begins."""
        for attempt in itertools.count():
            try:
                await self._commit_once(commit)
            except ClaimLost:
                raise
            except StoreError as error:
                self._report_problem(str(error))
                if attempt:
                    self._refuse_requests()
            else:
                self._report_success()
                return
            finally:
                self._end_try()
            await self._pause(COMMIT_RETRY_SECONDS[min(attempt, len(COMMIT_RETRY_SECONDS) - 1)])
            self._check_failure()

    async def _pause(self, seconds: float) -> None:
        """Wait until the next try of a commit: for so long, or until a request comes."""
        self._retry.clear()
        self._next_try = asyncio.get_running_loop().create_future()
        self._on_progress()
        timer = asyncio.get_running_loop().call_later(min(seconds, self._progress_seconds), self._retry.set)
        try:
            await self._retry.wait()
        finally:
            timer.cancel()

    async def _commit_once(self, commit: Callable[[], Awaitable[None]]) -> None:
        """Commit once, and report a commit that takes long."""
        now = asyncio.get_running_loop().time
        self._committing_since = now()
        committing = asyncio.ensure_future(commit())
        limit = min(SLOW_COMMIT_SECONDS, self._progress_seconds)
        try:
            while not (await asyncio.wait({committing}, timeout=limit))[0]:
                self._on_progress()
                # Half of a wait, because timers may be a little early.
                if now() - self._committing_since + limit / 2 < SLOW_COMMIT_SECONDS:
                    continue
                self._report_problem(self.pending_commit() or "")
                self._end_try()
                self._refuse_requests()
            committing.result()
            self.commits.add(now() - self._committing_since, now())
            self._committing_since = None
        finally:
            committing.cancel()

    def _end_try(self) -> None:
        if self._next_try is not None:
            if not self._next_try.done():
                self._next_try.set_result(None)
            self._next_try = None

    def _report_success(self) -> None:
        if self.trouble is not None:
            logger.info("the store can be written again")
            self.trouble, self._reported_at = None, float("-inf")

    def _report_problem(self, trouble: str) -> None:
        self.trouble = trouble
        now = asyncio.get_running_loop().time()
        if now - self._reported_at >= LOG_INTERVAL_SECONDS:
            self._reported_at = now
            logger.error("the store can't be written, so nothing new starts: {}", trouble)

    def _refuse_requests(self) -> None:
        """Answer open requests with StoreError; the engine has decided them, and its own answer will come too late."""
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(
                    StoreError(
                        f"accepted but not saved yet: the store can't be written ({self.trouble}); "
                        "it takes effect once the store can be written"
                    )
                )

    def _answer(self, step: Step) -> None:
        for effect in step.effects:
            if not isinstance(effect, Reply):
                continue
            answer = self._requests.pop(effect.ask, None)
            if answer is None or answer.done():
                continue
            if isinstance(effect.value, SchedulerError):
                answer.set_exception(effect.value)
            else:
                answer.set_result(effect.value)
