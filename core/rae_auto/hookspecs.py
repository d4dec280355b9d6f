"""The six hooks by which plugins come in, and the version of what they promise.

A hook takes nothing, does no I/O and returns plugin classes. A plugin module marks its functions with
`@hookimpl` and may declare `RAE_API = 1`, the major version that it was made for.
"""

from collections.abc import Sequence

import pluggy

from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger

PROJECT = "rae_auto"
API_VERSION = (1, 0)

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rae_triggers() -> Sequence[type[ScheduleTrigger] | type[SourceTrigger]]:  # type: ignore[empty-body]
    """Return the classes of triggers, which give reasons to run."""


@hookspec
def rae_executors() -> Sequence[type[Executor]]:  # type: ignore[empty-body]
    """Return the classes of executors, which carry out attempts."""


@hookspec
def rae_stores() -> Sequence[type[Store]]:  # type: ignore[empty-body]
    """Return the classes of stores, which keep state."""


@hookspec
def rae_loggers() -> Sequence[type[Logger]]:  # type: ignore[empty-body]
    """Return the classes of loggers, which write log lines."""


@hookspec
def rae_notifiers() -> Sequence[type[Notifier]]:  # type: ignore[empty-body]
    """Return the classes of notifiers, which inform people."""


@hookspec
def rae_guards() -> Sequence[type[ComputedGuard] | type[ReadGuard]]:  # type: ignore[empty-body]
    """Return the classes of guards, which decide whether a job may start now."""
