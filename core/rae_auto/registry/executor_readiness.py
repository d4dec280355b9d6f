"""An executor that may have to wait for a machine, as a guard of its jobs."""

from typing import ClassVar

from attrs import field, frozen

from rae_auto.api.executor import Executor
from rae_auto.api.guard import GuardResult, ReadGuard, Verdict
from rae_auto.model.plugin_ref import PluginRef


@frozen
class ExecutorReadiness(ReadGuard):
    """The guard `EXECUTOR_GUARD` of a job. In a daemon the open executor answers in its place."""

    type: ClassVar[str] = "executor"

    key: str
    """The text that all references to the same executor with the same options share."""
    ref: PluginRef = field(eq=False)

    async def read(self) -> GuardResult:
        """Return yes: without a daemon nothing is connected."""
        return READY


READY = GuardResult(Verdict.YES, "it is ready")


def waits_for_readiness(executor: type[Executor]) -> bool:
    """Return whether the starts of an executor have to be asked for: for most they needn't."""
    return executor.check_readiness is not Executor.check_readiness
