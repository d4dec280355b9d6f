"""The tables of a configuration file as typed values: what may stand in them, what is the default, what it means.

The JSON Schema and the messages about unknown keys come from these classes too.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen, validators

from rae_auto.model.job import Job, JobFields
from rae_auto.model.plugin_ref import PluginRef, TriggerRef
from rae_auto.model.policies import Overlap, Retention, RetryPolicy
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.problems import Key, Problem, invalid

_DEFAULTS = Job(id=JobId("defaults"), command="true")
_SHARED = tuple(one.name for one in fields(JobFields))


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


def _places(_: object, __: object, resources: Mapping[str, int]) -> None:
    for name, places in resources.items():
        if not 1 <= places <= 10_000:
            raise invalid(f"must be 1 to 10000 places, not {places}", "resources", name)


@frozen(kw_only=True)
class FileTable:
    """The top level of a configuration file, but for its jobs and what they inherit."""

    timezone: str = field(default="local", metadata=_help('zone of schedules that name none; "local" or an IANA name'))
    store: PluginRef = field(default=PluginRef("sqlite"), metadata=_help("where state lives"))
    loggers: tuple[PluginRef, ...] = field(
        default=(PluginRef("console"),), metadata=_help("where log lines go", hint='write ["console"]')
    )
    max_parallel: int = field(
        default=8,
        validator=[validators.ge(1), validators.le(10_000)],
        metadata=_help("how many runs may be active at once"),
    )
    max_queue: int = field(
        default=10_000,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("how many runs may wait, of all jobs together; what would be one more is refused"),
    )
    resources: Mapping[str, int] = field(
        factory=dict,
        validator=_places,
        metadata=_help("units of each resource that runs share; a job takes them by `resources`"),
    )
    shutdown_grace: timedelta = field(
        default=timedelta(seconds=30), metadata=_help("how long runs may go on after the daemon was told to stop")
    )
    enabled: bool = field(
        default=True, metadata=_help("false: nothing starts by itself; what is asked for by hand still runs")
    )
    watch_config: bool = field(
        default=False, metadata=_help("true: this file is read again when it changes, as by `rae-auto reload`")
    )
    history: Retention = field(default=Retention(), metadata=_help("how much of the history is kept"))
    notifiers: Mapping[str, PluginRef] = field(factory=dict, metadata=_help("ways to tell people, by name"))


@frozen(kw_only=True)
class JobTable(JobFields):
    """The table of a job: what to run (one of `command`, `shell` and `python`), why, and under which policies."""

    schedule: str | None = field(default=None, metadata=_help("a cron expression; short for one cron trigger"))
    trigger: TriggerRef | None = field(default=None, metadata=_help("a trigger: a reason to run"))
    triggers: tuple[TriggerRef, ...] = field(default=(), metadata=_help("several triggers"))
    resources: tuple[str, ...] | Mapping[str, int] = field(  # type: ignore[assignment]  # before it is converted
        default=(), metadata=fields(JobFields).resources.metadata
    )
    retry: int | RetryPolicy = field(
        default=0,
        metadata=_help("how many retries, or a retry policy", hint="write a number of retries, or a table"),
    )

    def reasons(self) -> list[tuple[Key, TriggerRef]]:
        """All triggers, each with the key where it stands."""
        short = [] if self.schedule is None else [TriggerRef("cron", {"expression": self.schedule})]
        single = [] if self.trigger is None else [self.trigger]
        return [
            *((("schedule",), ref) for ref in short),
            *((("trigger",), ref) for ref in single),
            *((("triggers", index), ref) for index, ref in enumerate(self.triggers)),
        ]

    def doubts(self) -> list[Problem]:
        """Return warnings about settings without effect."""
        found = [
            Problem(("env", name), "is overwritten: names with RAE_ are set for every run; choose another")
            for name in self.env
            if name.startswith("RAE_")
        ]
        if self.notify.via and not self.notify.on:
            found.append(Problem(("notify", "via"), 'tells nobody of anything; add on = ["failure"]'))
        if self.guard_timeout and not self.guards:
            found.append(Problem(("guard_timeout",), "has no effect without guards"))
        if self.overlap_max != _DEFAULTS.overlap_max and self.overlap is not Overlap.ALLOW:
            found.append(Problem(("overlap_max",), 'has no effect without overlap = "allow"'))
        return found

    def job(self, id: JobId, directory: Path) -> Job:
        """Return the job of this table; `directory` is that of the file. Raises InvalidJob, Invalid."""
        return Job(
            **{name: getattr(self, name) for name in _SHARED if name != "cwd"},
            id=id,
            schedule=[ref for _, ref in self.reasons()],
            cwd=None if self.cwd is None else _directory(self.cwd, directory),
            retry_policy=_retry_policy(self.retry),
        )


WHAT_RUNS = ("command", "shell", "python", "executor")
_WORK = ("command", "shell", "python")
_REASONS = ("schedule", "trigger", "triggers")
_WHOLE = ("executor", "trigger")
"""Keys whose tables are one value: the options of two plugins don't mix."""


def inherited(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's table merged with the defaults: tables key by key, alternatives as a whole."""
    taken = {key for group in (_WORK, _REASONS) if any(key in table for key in group) for key in group}
    merged = {key: value for key, value in defaults.items() if key not in taken}
    for key, value in table.items():
        default = merged.get(key)
        if isinstance(value, dict) and isinstance(default, dict) and key not in _WHOLE:
            value = {**default, **value}
        merged[key] = value
    return merged


def _directory(text: str, base: Path) -> str:
    try:
        # Joined only: the daemon may see other links in it than the command that reads the file.
        return os.fspath(base / Path(text).expanduser())
    except RuntimeError:
        raise invalid(f"there is no home directory for {text.split('/')[0]!r}; write the whole path", "cwd") from None


def _retry_policy(retry: int | RetryPolicy) -> RetryPolicy:
    if isinstance(retry, RetryPolicy):
        return retry
    if not 0 <= retry < 1000:
        raise invalid(f"must be 0 to 999 retries, not {retry}", "retry")
    return RetryPolicy(attempts=retry + 1) if retry else _DEFAULTS.retry_policy
