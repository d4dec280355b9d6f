"""The seven hooks by which plugins come in, and the version of what they promise.

A hook takes nothing, does no I/O and returns plugin classes. A plugin module marks its functions with
`@hookimpl` and declares the version that it was made for: `RAE_API = 1`, or `RAE_API = (1, 2)` if it needs what came
with 1.2. A change that breaks plugins raises the major version, and what is new the minor one.
"""

from collections.abc import Sequence

import pluggy

from rae_auto.api.command import Command
from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger

PROJECT = "rae_auto"
API_VERSION = (1, 0)
"""The major and the minor version of the hooks, and of `rae_auto.api`, `rae_auto.toolkit` and `rae_auto.testing`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


def find_version_problem(needed: object) -> str | None:
    """Return why a plugin that needs this version of the API (its `RAE_API`) can't be used, with a hint; or None."""
    major, minor = API_VERSION
    parts = needed if isinstance(needed, tuple) else (needed,)
    if not 1 <= len(parts) <= 2 or not all(isinstance(part, int) and not isinstance(part, bool) for part in parts):
        return f"its RAE_API is {needed!r:.40}, which is not a version; write RAE_API = {major}, or ({major}, {minor})"
    text, here = ".".join(map(str, parts)), f"{major}.{minor}"
    if parts[0] > major or (parts[0] == major and parts[1:] > (minor,)):
        return f"it needs version {text} of the plugin API, but this is version {here}; install a newer rae-auto"
    if parts[0] < major:
        return f"it was made for version {text} of the plugin API, but this is version {here}; install a newer plugin"
    return None


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


@hookspec
def rae_commands() -> Sequence[type[Command]]:  # type: ignore[empty-body]
    """Return the classes of commands, which add subcommands to `rae-auto`."""
