"""What plugin authors import: one contract for each kind of plugin."""

from rae_auto.api.events import Event, Events
from rae_auto.api.executor import Assignment, Execution, Executor, NotBegun
from rae_auto.api.guard import Answer, ComputedGuard, ReadGuard, Says
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.pattern import Firing, PatternTrigger, Progress
from rae_auto.api.plugin import Plugin
from rae_auto.api.store import Append, Change, Delete, Document, Keep, LogQuery, Put, Store
from rae_auto.api.trigger import Emit, ScheduleTrigger, SourceTrigger, Told, Trigger, Watch

__all__ = [
    "Answer",
    "Append",
    "Assignment",
    "Change",
    "ComputedGuard",
    "Delete",
    "Document",
    "Emit",
    "Event",
    "Events",
    "Execution",
    "Executor",
    "Firing",
    "Keep",
    "LogQuery",
    "Logger",
    "NotBegun",
    "Notice",
    "Notifier",
    "PatternTrigger",
    "Plugin",
    "Progress",
    "Put",
    "ReadGuard",
    "Says",
    "ScheduleTrigger",
    "SourceTrigger",
    "Store",
    "Told",
    "Trigger",
    "Watch",
]
