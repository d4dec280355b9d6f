"""Dask executor: runs jobs on the workers of a cluster. Start reading at `executor.py` and in `cluster`."""

from typing import TYPE_CHECKING

from rae_auto.hookspecs import hookimpl

if TYPE_CHECKING:
    from rae_executor_dask.executor import DaskExecutor

__all__ = ["RAE_API", "DaskExecutor", "rae_executors"]

RAE_API = 1


def __getattr__(name: str) -> object:
    """Return the executor, which the helper doesn't import."""
    if name == "DaskExecutor":
        from rae_executor_dask.executor import DaskExecutor

        return DaskExecutor
    raise AttributeError(name)


@hookimpl
def rae_executors() -> "list[type[DaskExecutor]]":
    """Return the Dask executor."""
    from rae_executor_dask.executor import DaskExecutor

    return [DaskExecutor]
