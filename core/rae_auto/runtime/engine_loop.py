"""The loop around the engine: feeds it events, commits its changes, then performs its effects.

It decides nothing. A turn takes all events that have come in, hands them to the engine, makes the changes durable in
one commit however many they are, and only then lets anything of it be seen: starts, cancels, notices, answers. While
nothing comes in it sleeps until the engine's next instant; no longer than `GUARD`, for the wall clock may be set.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from rae_auto.engine.effects import Change, Reply, Step
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Ask, Event, TimePassed
from rae_auto.errors import SchedulerClosed, SchedulerError, StoreError
from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.clock import Clock

GUARD = 10.0
"""Seconds after which a sleeping loop looks at the clocks."""

RETRY_COMMIT = (0.2, 1.0, 5.0, 15.0)
"""Seconds before a failed commit is tried again; the last one counts for all that follow."""

SLOW = 10.0
"""Seconds after which a commit that hasn't come back is told."""

COMPLAIN = 60.0
"""Seconds between log lines on the same trouble."""


class EngineLoop:
    """Runs an engine. Everything happens on one event loop; `submit` and `ask` belong to it."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        commit: Callable[[Sequence[Change]], Awaitable[None]],
        perform: Callable[[Step], None],
    ) -> None:
        """`commit` makes changes durable or raises StoreError; `perform` carries out all effects but replies."""
        self.engine = engine
        self.trouble: str | None = None
        """Why state can't be written at present, if it can't."""
        self._complained_at = float("-inf")
        self.begun = asyncio.Event()
        """Set once the first turn is durable."""
        self._clock = clock
        self._commit = commit
        self._perform = perform
        self._inbox: list[Event] = []
        self._woken = asyncio.Event()
        self._asked: dict[Ask, asyncio.Future[Mapping[str, Any]]] = {}
        self._asks = 0
        self._closed = False

    def now(self) -> Moment:
        return self._clock.now()

    def submit(self, event: Event) -> None:
        """Tell the engine something."""
        self._inbox.append(event)
        self._woken.set()

    async def ask(self, event_for: Callable[[Ask], Event]) -> Mapping[str, Any]:
        """Tell the engine something and wait for its durable answer; raises the error that it answers with."""
        if self._closed:
            raise SchedulerClosed("the scheduler isn't running")
        if self.trouble:
            raise StoreError(f"nothing new is taken while state can't be written: {self.trouble}")
        self._asks += 1
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[self._asks] = answer
        self.submit(event_for(self._asks))
        return await answer

    async def run(self) -> None:
        """Turn until `close`."""
        try:
            while not self._closed:
                await self._sleep()
                await self._turn()
        finally:
            self.close()

    def close(self) -> None:
        """Take and answer nothing more."""
        self._closed = True
        self._woken.set()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(SchedulerClosed("the scheduler stopped before it could answer"))
        self._asked.clear()

    async def _sleep(self) -> None:
        wake = self.engine.next_wake(self._clock.now())
        if self._inbox or wake == 0:
            # Others get their turn even under load.
            await asyncio.sleep(0)
        else:
            timer = asyncio.get_running_loop().call_later(GUARD if wake is None else min(wake, GUARD), self._woken.set)
            await self._woken.wait()
            timer.cancel()
        self._woken.clear()

    async def _turn(self) -> None:
        now = self._clock.now()
        events, self._inbox = self._inbox, []
        steps = [self.engine.handle(event, now) for event in events]
        if self.engine.next_wake(now) == 0:
            steps.append(self.engine.handle(TimePassed(), now))
        changes = [change for step in steps for change in step.changes]
        if changes:
            await self._make_durable(changes)
        for step in steps:
            self._perform(step)
            self._answer(step)
        self.begun.set()

    async def _make_durable(self, changes: Sequence[Change]) -> None:
        """Commit, as often as it takes: until then nothing of these changes is seen, and time stands still."""
        for attempt in itertools.count():
            try:
                await self._committed(changes)
            except StoreError as error:
                self._complain(str(error))
                if attempt:
                    self._refuse_waiting()
                await asyncio.sleep(RETRY_COMMIT[min(attempt, len(RETRY_COMMIT) - 1)])
            else:
                break
        if self.trouble is not None:
            logger.info("state can be written again")
            self.trouble, self._complained_at = None, float("-inf")

    async def _committed(self, changes: Sequence[Change]) -> None:
        """One commit, and a complaint now and then while it doesn't come back."""
        now = asyncio.get_running_loop().time
        committing, since = asyncio.ensure_future(self._commit(changes)), now()
        try:
            while not (await asyncio.wait({committing}, timeout=SLOW))[0]:
                self._complain(f"the store has not answered for {now() - since:.0f} s")
                self._refuse_waiting()
            committing.result()
        finally:
            committing.cancel()

    def _complain(self, trouble: str) -> None:
        self.trouble = trouble
        now = asyncio.get_running_loop().time()
        if now - self._complained_at >= COMPLAIN:
            self._complained_at = now
            logger.error("state can't be written, so nothing new starts until it can: {}", trouble)

    def _refuse_waiting(self) -> None:
        """Tell who waits; the engine has taken in what they want, and its answer will find nobody."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(
                    StoreError(
                        f"not done yet: state can't be written ({self.trouble}); it is done as soon as it can be"
                    )
                )

    def _answer(self, step: Step) -> None:
        for effect in step.effects:
            if not isinstance(effect, Reply):
                continue
            answer = self._asked.pop(effect.ask, None)
            if answer is None or answer.done():
                continue
            if isinstance(effect.value, SchedulerError):
                answer.set_exception(effect.value)
            else:
                answer.set_result(effect.value)
