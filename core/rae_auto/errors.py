"""Every error a caller of rae-auto can meet.

    SchedulerError
    ├── InvalidJob         (ValueError)   a definition that can't be run
    ├── DuplicateJob       (ValueError)   a job of this id exists
    ├── JobInUse           (ValueError)   the configuration or another job needs it
    ├── JobNotFound        (LookupError)  no job of this id
    ├── RunNotFound        (LookupError)  no run of this id
    ├── NotStarted                        asked for a run, and a policy said no
    ├── BadRequest         (ValueError)   what is asked can't be understood
    ├── SchedulerClosed                   the scheduler isn't running, or is stopping
    ├── ConfigError        (ValueError)   a configuration with one or more problems
    ├── PluginError                       a plugin that can't serve
    │   ├── PluginNotFound (LookupError)
    │   ├── PluginBroken                  it can't be imported, or breaks its contract
    │   └── PluginUnavailable             not on this platform, and why
    ├── StoreError         (OSError)      state can't be read or written
    │   ├── StoreLocked                   another process has it open; `.pid` says which
    │   └── StoreDamaged                  what is on disk is not what was written
    ├── UnknownCommand     (LookupError)  no command of this name on the control socket
    ├── InternalError      (RuntimeError) a bug in the daemon or a plugin; its log says more
    ├── DaemonUnreachable  (ConnectionError)
    └── IllegalTransition  (AssertionError) a bug in rae-auto itself

A message is one line for a person: the place, the problem, the remedy.
"""

from collections.abc import Sequence


class SchedulerError(Exception):
    """Base of all errors that rae-auto raises on purpose."""


class InvalidJob(SchedulerError, ValueError):
    """A job definition that can't be run."""


class DuplicateJob(SchedulerError, ValueError):
    """A job of this id exists already."""


class JobInUse(SchedulerError, ValueError):
    """A job that can't be removed, since the configuration or another job needs it."""


class JobNotFound(SchedulerError, LookupError):
    """No job of this id."""


class RunNotFound(SchedulerError, LookupError):
    """No run of this id."""


class NotStarted(SchedulerError):
    """A run was asked for and a policy refused it; `reason` is the code of the decision."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class BadRequest(SchedulerError, ValueError):
    """A request that can't be understood."""


class SchedulerClosed(SchedulerError):
    """The scheduler isn't running, or is stopping."""


class ConfigError(SchedulerError, ValueError):
    """A configuration with problems; `problems` holds one line each, all that were found."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class PluginError(SchedulerError):
    """A plugin that can't serve."""


class PluginNotFound(PluginError, LookupError):
    """No installed distribution offers this plugin."""


class PluginBroken(PluginError):
    """The plugin can't be imported, or breaks its contract."""


class PluginUnavailable(PluginError):
    """The plugin can't serve on this platform."""


class StoreError(SchedulerError, OSError):
    """State can't be read or written."""


class StoreLocked(StoreError):
    """Another process has the store open; `pid` is its process id where known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StoreDamaged(StoreError):
    """The bytes on disk are not those that were written."""


class UnknownCommand(SchedulerError, LookupError):
    """The control socket has no command of this name; the daemon may be of another version."""


class InternalError(SchedulerError, RuntimeError):
    """The daemon failed to answer, by its own fault or a plugin's."""


class DaemonUnreachable(SchedulerError, ConnectionError):
    """No daemon answers on the control socket."""


class IllegalTransition(SchedulerError, AssertionError):
    """A run was asked to change state in a way that the table of transitions forbids: a bug."""
