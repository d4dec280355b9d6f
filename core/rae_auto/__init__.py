"""rae-auto: runs people's automations on their own machine. The public names, imported when first used."""

from rae_auto._version import __version__

TYPE_CHECKING = False
"""That of `typing`, whose import takes a quarter of what `rae-auto --version` does."""

if TYPE_CHECKING:
    from rae_auto.api.events import Event as Event
    from rae_auto.control.remote_scheduler import RemoteScheduler as RemoteScheduler
    from rae_auto.control.remote_scheduler import connect as connect
    from rae_auto.errors import BadRequest as BadRequest
    from rae_auto.errors import DaemonUnreachable as DaemonUnreachable
    from rae_auto.errors import DuplicateJob as DuplicateJob
    from rae_auto.errors import InvalidJob as InvalidJob
    from rae_auto.errors import JobInUse as JobInUse
    from rae_auto.errors import JobNotFound as JobNotFound
    from rae_auto.errors import NotStarted as NotStarted
    from rae_auto.errors import PluginError as PluginError
    from rae_auto.errors import RunNotFound as RunNotFound
    from rae_auto.errors import SchedulerClosed as SchedulerClosed
    from rae_auto.errors import SchedulerError as SchedulerError
    from rae_auto.errors import StoreError as StoreError
    from rae_auto.errors import StoreLocked as StoreLocked
    from rae_auto.model.expectations import ExpectPolicy as ExpectPolicy
    from rae_auto.model.job import Job as Job
    from rae_auto.model.job_info import JobActivity as JobActivity
    from rae_auto.model.job_info import JobInfo as JobInfo
    from rae_auto.model.job_info import JobStatus as JobStatus
    from rae_auto.model.plugin_ref import Cron as Cron
    from rae_auto.model.plugin_ref import GuardRef as GuardRef
    from rae_auto.model.plugin_ref import Interval as Interval
    from rae_auto.model.plugin_ref import Once as Once
    from rae_auto.model.plugin_ref import PluginRef as PluginRef
    from rae_auto.model.plugin_ref import TriggerRef as TriggerRef
    from rae_auto.model.policies import Backoff as Backoff
    from rae_auto.model.policies import CatchUp as CatchUp
    from rae_auto.model.policies import Limits as Limits
    from rae_auto.model.policies import NotifyPolicy as NotifyPolicy
    from rae_auto.model.policies import OnCrash as OnCrash
    from rae_auto.model.policies import Overlap as Overlap
    from rae_auto.model.policies import Priority as Priority
    from rae_auto.model.policies import Retention as Retention
    from rae_auto.model.policies import RetryPolicy as RetryPolicy
    from rae_auto.model.primitives.names import JobId as JobId
    from rae_auto.model.primitives.names import RunId as RunId
    from rae_auto.model.run import Run as Run
    from rae_auto.model.run import RunState as RunState
    from rae_auto.runtime.reporting.standard_logging import use_logging as use_logging
    from rae_auto.runtime.scheduler import Scheduler as Scheduler
    from rae_auto.runtime.sync_scheduler import SyncScheduler as SyncScheduler

_HOMES = {
    "rae_auto.api.events": ("Event",),
    "rae_auto.control.remote_scheduler": ("RemoteScheduler", "connect"),
    "rae_auto.runtime.scheduler": ("Scheduler",),
    "rae_auto.runtime.reporting.standard_logging": ("use_logging",),
    "rae_auto.runtime.sync_scheduler": ("SyncScheduler",),
    "rae_auto.errors": (
        "BadRequest", "DaemonUnreachable", "DuplicateJob", "InvalidJob", "JobInUse", "JobNotFound", "NotStarted",
        "PluginError", "RunNotFound", "SchedulerClosed", "SchedulerError", "StoreError", "StoreLocked",
    ),
    "rae_auto.model.expectations": ("ExpectPolicy",),
    "rae_auto.model.job": ("Job",),
    "rae_auto.model.job_info": ("JobActivity", "JobInfo", "JobStatus"),
    "rae_auto.model.primitives.names": ("JobId", "RunId"),
    "rae_auto.model.plugin_ref": ("Cron", "GuardRef", "Interval", "Once", "PluginRef", "TriggerRef"),
    "rae_auto.model.policies": (
        "Backoff", "CatchUp", "Limits", "NotifyPolicy", "OnCrash", "Overlap", "Priority", "Retention", "RetryPolicy",
    ),
    "rae_auto.model.run": ("Run", "RunState"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'rae_auto' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
