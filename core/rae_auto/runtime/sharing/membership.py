"""A daemon's membership in a shared store, from its turn to the loss of its claim."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from attrs import define, field

from rae_auto.api.executor import Executor
from rae_auto.api.shared_store import Node, SharedStore
from rae_auto.engine.engine import Engine
from rae_auto.errors import ClaimLost
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.sharing.elsewhere import Elsewhere, LeaderParts, NodeState
from rae_auto.runtime.time.clock import Clock

DRAIN_SECONDS = 60.0
"""Time for what a message leads to to become durable; the message stays until then, and is read again."""


@define
class Membership:
    """The claim of a daemon that leads, and the attempts that other nodes have."""

    store: SharedStore
    node: Node
    clock: Clock
    _elsewhere: Elsewhere | None = field(init=False, default=None)
    _engine: Engine | None = field(init=False, default=None)

    def lead(
        self,
        engine: Engine,
        loop: EngineLoop,
        repository: Repository,
        executor_for: Callable[[PluginRef], Executor],
        environment: Mapping[str, str],
        executions: Executions,
        attempts: Sequence[tuple[Run, Job]],
    ) -> None:
        """Begin to settle the attempts of other nodes, and have the loop end when the claim is lost."""
        running = asyncio.get_running_loop()
        self._engine = engine
        parts = LeaderParts(
            store=self.store,
            node=self.node,
            executor_for=executor_for,
            environment=environment,
            adopt=executions.adopt,
            note_adopted=lambda adopted: executions.executors.companions.append(adopted.executors),
            submit=loop.submit,
            drain=lambda: loop.drain(DRAIN_SECONDS),
            find_run=self._find_run,
            call=repository.call,
        )
        elsewhere = self._elsewhere = Elsewhere(parts)

        def lose(error: ClaimLost) -> None:
            running.call_soon_threadsafe(loop.fail, error)

        def wake() -> None:
            running.call_soon_threadsafe(elsewhere.wake)

        self.store.watch(lose, wake)
        elsewhere.start(attempts)

    def _find_run(self, run: RunId) -> Run | None:
        entry = None if self._engine is None else self._engine.run(run)
        return None if entry is None else entry.run

    def cancel(self, run_id: RunId, attempt: int, grace: timedelta) -> bool:
        """Have an attempt of another node ended; return whether it is one."""
        run = self._find_run(run_id)
        if self._elsewhere is None or run is None or run.attempt != attempt or run.node in ("", self.node.name):
            return False
        return self._elsewhere.cancel(run, grace)

    def problems(self) -> list[str]:
        """Return a line for each problem that needs a person."""
        return [] if self._elsewhere is None else self._elsewhere.problems()

    def describe(self, run: Run) -> str | None:
        """Return why the state of an active run is unknown, as a clause; None if a daemon looks after it."""
        return None if self._elsewhere is None else self._elsewhere.describe(run)

    async def list_nodes(self) -> list[NodeState]:
        """Return the nodes that use the store, this one included."""
        return [] if self._elsewhere is None else await self._elsewhere.list_nodes()

    async def close(self) -> None:
        """Release the attempts of other nodes."""
        if self._elsewhere is not None:
            await self._elsewhere.close()
