"""Contracts for plugin authors, one for each kind of plugin.

A name is imported when it is first used, so that a plugin of one kind doesn't load the contracts of all.
"""

from typing import TYPE_CHECKING

from rae_auto._lazy_names import lazy_names

if TYPE_CHECKING:
    from rae_auto.api.command import Command, CommandContext, ControlClient
    from rae_auto.api.events import Event, Events
    from rae_auto.api.executor import JOB_KINDS, Assignment, Execution, Executor, JobContext, NeverStarted
    from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
    from rae_auto.api.logger import Logger, LogLine
    from rae_auto.api.notifier import Notice, Notifier
    from rae_auto.api.pattern import Firing, PatternTrigger, StepResult
    from rae_auto.api.plugin import Plugin, Variants
    from rae_auto.api.shared_store import SharedStore
    from rae_auto.api.store import Append, Change, Delete, Document, LogQuery, Put, RetentionRule, Store, StoreReader
    from rae_auto.api.trigger import Emit, EmitResult, ScheduleTrigger, SourceTrigger, Trigger, TriggerContext
    from rae_auto.model.run import Result

_HOMES = {
    "api.command": ("Command", "CommandContext", "ControlClient"),
    "api.events": ("Event", "Events"),
    "api.executor": ("JOB_KINDS", "Assignment", "Execution", "Executor", "JobContext", "NeverStarted"),
    "api.guard": ("ComputedGuard", "GuardResult", "ReadGuard", "Verdict"),
    "api.logger": ("Logger", "LogLine"),
    "api.notifier": ("Notice", "Notifier"),
    "api.pattern": ("Firing", "PatternTrigger", "StepResult"),
    "api.plugin": ("Plugin", "Variants"),
    "api.shared_store": ("SharedStore",),
    "api.store": ("Append", "Change", "Delete", "Document", "LogQuery", "Put", "RetentionRule", "Store", "StoreReader"),
    "api.trigger": ("Emit", "EmitResult", "ScheduleTrigger", "SourceTrigger", "Trigger", "TriggerContext"),
    "model.run": ("Result",),
}
"""The names of each module, relative to `rae_auto`."""

__getattr__, __dir__, _MODULES = lazy_names(__name__, _HOMES)

__all__ = [
    "JOB_KINDS",
    "Append",
    "Assignment",
    "Change",
    "Command",
    "CommandContext",
    "ComputedGuard",
    "ControlClient",
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
    "LogLine",
    "LogQuery",
    "Logger",
    "NeverStarted",
    "Notice",
    "Notifier",
    "PatternTrigger",
    "Plugin",
    "Put",
    "ReadGuard",
    "Result",
    "RetentionRule",
    "ScheduleTrigger",
    "SharedStore",
    "SourceTrigger",
    "StepResult",
    "Store",
    "StoreReader",
    "Trigger",
    "TriggerContext",
    "Variants",
    "Verdict",
]
