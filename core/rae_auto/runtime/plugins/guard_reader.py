"""Reads guards for the engine, which gets an answer even if a guard fails or hangs."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, cast

from rae_auto.api.guard import GuardResult, ReadGuard, Verdict
from rae_auto.engine.effects import ReadGuards
from rae_auto.engine.events import GuardsRead
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.registry.executor_readiness import ExecutorReadiness
from rae_auto.registry.quarantine import Quarantine
from rae_auto.registry.safe_guard import GUARD_TIMEOUT_SECONDS, failed, failure, give_up, place, read_guard
from rae_auto.runtime.concurrency.background_tasks import CLOSE_TIMEOUT_SECONDS, BackgroundTasks

CANCEL_SECONDS = 1.0
"""Time that a guard has to end when it has taken too long."""

_CANCELLED = GuardResult(Verdict.UNKNOWN, "it was cancelled")


class GuardReader:
    """Reads the guards that look at the machine. Equal ones that are wanted at once are read once."""

    def __init__(
        self,
        report: Callable[[GuardsRead], None],
        quarantine: Quarantine,
        check_executor: Callable[[PluginRef], Coroutine[Any, Any, GuardResult]] | None = None,
    ) -> None:
        """`check_executor` asks an open executor whether it is ready."""
        self._report = report
        self._quarantine = quarantine
        self._check_executor = check_executor
        self._reading: dict[ReadGuard, asyncio.Task[GuardResult]] = {}
        self._tasks = BackgroundTasks("a guard")

    def read(self, wanted: ReadGuards) -> None:
        """Start reading the guards that the engine asks for; it gets all results at once."""
        self._tasks.start(self._answer(wanted))

    async def ask(self, guards: Mapping[str, ReadGuard], limit_seconds: float) -> dict[str, GuardResult]:
        """Return the results that guards have now, for a person; UNKNOWN for one that doesn't answer in time.

        It goes on then, so that the next question, or a run that is to start, may find the answer on its way.
        """
        tasks = {id_: self._tasks.start(self._read(guard)) for id_, guard in guards.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=limit_seconds)
        late = GuardResult(Verdict.UNKNOWN, f"it has not answered within {limit_seconds:g} s; ask again")
        return {id_: _result_of(task) if task.done() else late for id_, task in tasks.items()}

    async def close(self, limit_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Stop reading; wait at most this many seconds."""
        await self._tasks.close(limit_seconds)

    async def _answer(self, wanted: ReadGuards) -> None:
        guards = cast("Iterable[ReadGuard]", wanted.guards.values())
        # Whatever they do there is an answer: without one the run would wait for ever.
        answers = await asyncio.gather(*map(self._read, guards), return_exceptions=True)
        result = [answer if isinstance(answer, GuardResult) else failure(answer) for answer in answers]
        self._report(GuardsRead(wanted.run, dict(zip(wanted.guards, result, strict=True))))

    async def _read(self, guard: ReadGuard) -> GuardResult:
        try:
            reading = self._reading.get(guard)
        except Exception as error:  # it can't be hashed, or compared
            return failed(self._quarantine, guard, error)
        if reading is None:
            if isinstance(guard, ExecutorReadiness) and self._check_executor is not None:
                work = self._check_executor(guard.ref)
            else:
                work = read_guard(guard, self._quarantine)
            reading = self._reading[guard] = self._tasks.start(work, name=place(guard), owner=f"guard {place(guard)}")
            reading.add_done_callback(lambda _: self._reading.pop(guard, None))
        # Nothing but time ends this: a guard may ignore its cancellation, or be cancelled by a library of its own.
        # One that can be cancelled has ended itself before, by the same limit.
        await asyncio.wait({reading}, timeout=GUARD_TIMEOUT_SECONDS + CANCEL_SECONDS)
        if not reading.done():
            reading.cancel()
            if isinstance(guard, ExecutorReadiness):
                return GuardResult(Verdict.UNKNOWN, f"it has not answered within {GUARD_TIMEOUT_SECONDS:g} s")
            return give_up(self._quarantine, guard)
        return _CANCELLED if reading.cancelled() else reading.result()


def _result_of(task: "asyncio.Task[GuardResult]") -> GuardResult:
    if task.cancelled():
        return _CANCELLED
    error = task.exception()
    return task.result() if error is None else failure(error)
