"""The tables of a configuration file as typed values: what may stand in them, what is the default, what it means.

The JSON Schema and the messages about unknown keys come from these classes too.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import field, frozen, validators

from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import CatchUp, Limits, NotifyPolicy, OnCrash, Overlap, Priority, Retention, RetryPolicy
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.problems import Key, Problem, invalid

_DEFAULTS = Job(id=JobId("defaults"), command="true")


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


def _variable_names(_: object, __: object, env: Mapping[str, str]) -> None:
    for name in env:
        if not name or "=" in name or "\0" in name:
            raise invalid("is no name for an environment variable", "env", name)


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
        metadata=_help("how many runs may use a thing at once, by its name; jobs name it in `uses`"),
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
class JobTable:
    """A job: what to run, why, and under which policies. One of `command`, `shell` and `python` says what to run."""

    name: str = field(default="", metadata=_help("a name for people; the job's id if absent"))
    command: tuple[str, ...] = field(
        default=(),
        metadata=_help("the words of a command, never a shell", hint='write a list of words, or shell = "…"'),
    )
    shell: str | None = field(default=None, metadata=_help("text for the system's shell"))
    python: str | None = field(
        default=None, metadata=_help('a function, "package.module:function", called in a thread')
    )
    args: tuple[Any, ...] = field(default=(), metadata=_help("more words of command, or arguments of python"))
    kwargs: Mapping[str, Any] = field(default=_DEFAULTS.kwargs, metadata=_help("arguments of python by name"))
    cwd: str | None = field(
        default=None,
        metadata=_help("working directory; relative to the directory of this file, ~ is the home directory"),
    )
    env: Mapping[str, str] = field(
        default=_DEFAULTS.env, validator=_variable_names, metadata=_help("environment variables")
    )
    executor: PluginRef | None = field(default=None, metadata=_help("another executor than the one that fits the work"))
    schedule: str | None = field(default=None, metadata=_help("a cron expression; short for one cron trigger"))
    trigger: TriggerRef | None = field(default=None, metadata=_help("a reason to run"))
    triggers: tuple[TriggerRef, ...] = field(default=(), metadata=_help("several reasons to run"))
    priority: Priority = field(
        default=_DEFAULTS.priority, metadata=_help("who goes first when more is due than may run; waiting raises it")
    )
    enabled: bool = field(default=True, metadata=_help("false: the job runs only when asked for by hand"))
    timeout: timedelta | None = field(default=None, metadata=_help("how long an attempt may take"))
    kill_after: timedelta = field(
        default=_DEFAULTS.kill_after, metadata=_help("how long after SIGTERM an attempt is killed")
    )
    overlap: Overlap = field(
        default=_DEFAULTS.overlap, metadata=_help("what happens to an occurrence while a run of the job is open")
    )
    overlap_max: int = field(
        default=_DEFAULTS.overlap_max,
        validator=validators.ge(1),
        metadata=_help('the most open runs with overlap = "allow"'),
    )
    catch_up: CatchUp = field(
        default=_DEFAULTS.catch_up, metadata=_help("which of the occurrences that were missed are made up for")
    )
    catch_up_window: timedelta = field(
        default=_DEFAULTS.catch_up_window, metadata=_help("how old an occurrence that is made up for may be")
    )
    on_crash: OnCrash | None = field(
        default=None,
        metadata=_help(
            "what becomes of a run whose fate is unknown after a crash; if absent, what a schedule started fails "
            "and what was asked for is run again"
        ),
    )
    retry: int | RetryPolicy = field(
        default=0,
        metadata=_help(
            "how many retries, or a table that says when and how", hint="write a number of retries, or a table"
        ),
    )
    limits: Limits = field(default=_DEFAULTS.limits, metadata=_help("what an attempt may use"))
    needs: tuple[JobId, ...] = field(
        default=(), metadata=_help("jobs whose latest run must have succeeded", hint='write ["job"]')
    )
    uses: tuple[str, ...] = field(
        default=(),
        metadata=_help("resources of which each attempt takes one place, of [resources]", hint='write ["name"]'),
    )
    only: tuple[GuardRef, ...] = field(
        default=(),
        metadata=_help("guards that must all say yes when the job is to start", hint='write [{ type = "…" }]'),
    )
    only_wait: timedelta = field(
        default=_DEFAULTS.only_wait,
        metadata=_help("how long a run waits for its guards to say yes; 0: it is skipped at once"),
    )
    notify: NotifyPolicy = field(
        default=_DEFAULTS.notify, metadata=_help("which ends of a run are told, and through which notifiers")
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
        """What has no effect here, or not the one that it looks like."""
        found = [
            Problem(("env", name), "is overwritten: names with RAE_ are set for every run; choose another")
            for name in self.env
            if name.startswith("RAE_")
        ]
        if self.notify.via and not self.notify.on:
            found.append(Problem(("notify", "via"), 'tells nobody of anything; add on = ["failure"]'))
        if self.only_wait and not self.only:
            found.append(Problem(("only_wait",), "has no effect without only"))
        if self.overlap_max != _DEFAULTS.overlap_max and self.overlap is not Overlap.ALLOW:
            found.append(Problem(("overlap_max",), 'has no effect without overlap = "allow"'))
        return found

    def job(self, id: JobId, directory: Path) -> Job:
        """The job of this table; `directory` is that of the file. Errors: InvalidJob, Invalid."""
        return Job(
            id=id,
            name=self.name,
            schedule=[ref for _, ref in self.reasons()],
            command=self.command,
            shell=self.shell,
            python=self.python,
            args=self.args,
            kwargs=self.kwargs,
            cwd=None if self.cwd is None else _directory(self.cwd, directory),
            env=self.env,
            executor=self.executor,
            priority=self.priority,
            enabled=self.enabled,
            timeout=self.timeout,
            kill_after=self.kill_after,
            overlap=self.overlap,
            overlap_max=self.overlap_max,
            catch_up=self.catch_up,
            catch_up_window=self.catch_up_window,
            on_crash=self.on_crash,
            retry_policy=_retry_policy(self.retry),
            limits=self.limits,
            needs=self.needs,
            uses=self.uses,
            only=self.only,
            only_wait=self.only_wait,
            notify=self.notify,
        )


WHAT_RUNS = ("command", "shell", "python", "executor")
_WORK = ("command", "shell", "python")
_REASONS = ("schedule", "trigger", "triggers")
_WHOLE = ("executor", "trigger")
"""Keys whose tables are one value: the options of two plugins don't mix."""


def inherited(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A job's plain table with the defaults put in: tables key by key, and no default beside its own alternative."""
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
