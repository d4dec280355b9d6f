"""Errors that rae-auto raises on purpose.

    SchedulerError
    ├── InvalidJob         (ValueError)       a job definition that contradicts itself
    ├── DuplicateJob       (ValueError)       a job with this id exists
    ├── JobInUse           (ValueError)       a job that the configuration or another job needs
    ├── JobNotFound        (LookupError)      no job with this id
    ├── RunNotFound        (LookupError)      no run with this id
    ├── NotStarted                            a requested run that a policy refused; `.reason` is the code
    ├── BadRequest         (ValueError)       a request with invalid arguments
    ├── SchedulerClosed    (RuntimeError)     the scheduler is not running, or is stopping
    ├── ConfigError        (ValueError)       an invalid configuration; `.problems` has one line each
    ├── PluginError                           a plugin that can't be used
    │   ├── PluginNotFound (LookupError)      no distribution provides it
    │   ├── PluginBroken                      it can't be imported, or breaks its contract
    │   └── PluginUnavailable                 it does not work on this machine
    ├── StoreError         (OSError)          state can't be read or written
    │   ├── StoreLocked                       another process has the store open; `.pid` is its process id
    │   ├── ClaimLost                         another daemon leads now; this one must decide nothing more
    │   └── StoreDamaged                      the data read is not the data written
    ├── UnknownCommand     (LookupError)      the daemon knows no such command
    ├── InternalError      (RuntimeError)     a fault of the daemon or a plugin; see its log
    ├── DaemonUnreachable  (ConnectionError)  no daemon answers
    └── IllegalTransition  (AssertionError)   a bug: a run can't change to this state

Each error also inherits the built-in error that a caller would expect (in parentheses), so that
`except LookupError` works without importing this module. A message is one line: place, problem, remedy.

    try:
        scheduler.trigger("backup")
    except NotStarted as error:
        print(error.reason)
"""

from collections.abc import Callable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


class SchedulerError(Exception):
    """Base class of all errors that rae-auto raises on purpose."""


class InvalidJob(SchedulerError, ValueError):
    """A job definition that contradicts itself or names something unknown."""


class DuplicateJob(SchedulerError, ValueError):
    """A job with this id exists already."""


class JobInUse(SchedulerError, ValueError):
    """A job that can't be removed because the configuration or another job needs it."""


class JobNotFound(SchedulerError, LookupError):
    """No job has this id."""


class RunNotFound(SchedulerError, LookupError):
    """No run has this id."""


class NotStarted(SchedulerError):
    """A requested run that a policy refused; `reason` is the code of the decision."""

    def __init__(
        self, message: str, reason: str = "", describe: "Callable[[Callable[[datetime], str]], str] | None" = None
    ) -> None:
        """`describe` returns the message with instants as a function shows them."""
        super().__init__(message)
        self.reason = reason
        self.describe = describe


class BadRequest(SchedulerError, ValueError):
    """A request with invalid arguments."""


class SchedulerClosed(SchedulerError, RuntimeError):
    """The scheduler is not running, or is stopping."""

    is_refusal = True
    """False where a request may have been carried out."""


class ConfigError(SchedulerError, ValueError):
    """An invalid configuration; `problems` has one line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class PluginError(SchedulerError):
    """A plugin that can't be used."""


class PluginNotFound(PluginError, LookupError):
    """No installed distribution provides this plugin."""


class PluginBroken(PluginError):
    """The plugin can't be imported, or breaks its contract."""


class PluginUnavailable(PluginError):
    """The plugin does not work on this machine."""


class StoreError(SchedulerError, OSError):
    """State can't be read or written."""


class StoreLocked(StoreError):
    """Another process has the store open; `pid` is its process id, if known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class ClaimLost(StoreError):
    """Another daemon has claimed a shared store, so nothing that this one decides is accepted any more."""


class StoreDamaged(StoreError):
    """The data read from the store is not the data that was written."""


class UnknownCommand(SchedulerError, LookupError):
    """The daemon knows no such command; it may be of another version."""


class InternalError(SchedulerError, RuntimeError):
    """The daemon failed to answer because of a fault of its own or of a plugin."""


class DaemonUnreachable(SchedulerError, ConnectionError):
    """No daemon answers."""


class IllegalTransition(SchedulerError, AssertionError):
    """A change of a run's state that the table of transitions does not allow: a bug."""
