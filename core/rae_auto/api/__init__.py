"""Contracts for plugin authors, one for each kind of plugin."""

from rae_auto.api.events import Event, Events
from rae_auto.api.executor import Assignment, Execution, Executor, JobContext, NeverStarted
from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.pattern import Firing, PatternTrigger, StepResult
from rae_auto.api.plugin import Plugin, Variants
from rae_auto.api.store import Append, Change, Delete, Document, LogQuery, Put, RetentionRule, Store, StoreReader
from rae_auto.api.trigger import Emit, EmitResult, ScheduleTrigger, SourceTrigger, Trigger, TriggerContext

__all__ = [
    "Append",
    "Assignment",
    "Change",
    "ComputedGuard",
    "Delete",
    "Document",
    "Emit",
    "EmitResult",
    "Event",
    "Events",
    "Execution",
    "Executor",
    "Firing",
    "GuardResult",
    "JobContext",
    "LogQuery",
    "Logger",
    "NeverStarted",
    "Notice",
    "Notifier",
    "PatternTrigger",
    "Plugin",
    "Put",
    "ReadGuard",
    "RetentionRule",
    "ScheduleTrigger",
    "SourceTrigger",
    "StepResult",
    "Store",
    "StoreReader",
    "Trigger",
    "TriggerContext",
    "Variants",
    "Verdict",
]
