"""What plugin authors import: one contract for each kind of plugin."""

from rae_auto.api.executor import Assignment, Execution, Executor, NotBegun
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.plugin import Plugin
from rae_auto.api.store import Append, Change, Delete, Document, Keep, LogQuery, Put, Store
from rae_auto.api.trigger import Emit, ScheduleTrigger, SourceTrigger, Watch

__all__ = [
    "Append",
    "Assignment",
    "Change",
    "Delete",
    "Document",
    "Emit",
    "Execution",
    "Executor",
    "Keep",
    "LogQuery",
    "Logger",
    "NotBegun",
    "Notice",
    "Notifier",
    "Plugin",
    "Put",
    "ScheduleTrigger",
    "SourceTrigger",
    "Store",
    "Watch",
]
