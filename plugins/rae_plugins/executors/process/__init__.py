"""The process executor: runs commands as processes that survive a crash of the daemon.

`executor` is the plugin. `keeper_client` talks to the keeper process that holds its jobs; `adopted_attempt` follows
those of an earlier daemon. The theory of both is in `keeper`.
"""

from rae_auto.api import Executor
from rae_auto.hookspecs import hookimpl
from rae_plugins.executors.process.executor import ProcessExecutor

__all__ = ["ProcessExecutor", "rae_executors"]


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """Return the process executor."""
    return [ProcessExecutor]
