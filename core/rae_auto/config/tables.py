"""The tables of a configuration file as classes, with the default and the meaning of each key.

The JSON Schema and the messages about unknown keys come from these classes too.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from attrs import evolve, field, fields, frozen, validators

from rae_auto.api.plugin import Kind, PluginSource
from rae_auto.config.relative_paths import resolve_directory, resolve_ref
from rae_auto.engine.time.catch_up import MAX_LATENESS
from rae_auto.model.job import Job, JobFields
from rae_auto.model.plugin_ref import PluginRef, TriggerRef, with_ids
from rae_auto.model.policies import CatchUp, NotifyOn, Overlap, Retention, RetryPolicy
from rae_auto.model.primitives.evolving.sharing import SharedValues
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.problems import Key, Problem, ProblemCollector, invalid, raise_if_any
from rae_auto.model.primitives.references import split_command
from rae_auto.model.primitives.units import format_duration

_DEFAULTS = Job(id=JobId("defaults"), command="true")
_SHARED = tuple(attribute.name for attribute in fields(JobFields))


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


def _check_units(_: object, __: object, resources: Mapping[str, int]) -> None:
    raise_if_any(
        Problem(("resources", name), f"must be 1 to 10000 units, not {units}")
        for name, units in resources.items()
        if not 1 <= units <= 10_000
    )


def _check_programs(_: object, __: object, programs: tuple[str, ...]) -> None:
    raise_if_any(
        Problem(
            ("secret_commands", index), f'must be the name or path of a program, as in "pass", not {quote(program)}'
        )
        for index, program in enumerate(programs)
        if not program or split_command(program) != [program]
    )


def _check_retry(_: object, __: object, retry: int | RetryPolicy) -> None:
    if isinstance(retry, int) and not 0 <= retry < 1000:
        raise invalid(f"must be 0 to 999 retries, not {retry}", "retry")


BACKGROUND_LOGGERS = (PluginRef("console"), PluginRef("file"))
"""The default where standard error is not a terminal, so that `rae-auto logs` has something to show."""


@frozen(kw_only=True)
class PluginsTable:
    """The table `[plugins]`: which plugins there are besides those that are installed, and which are not used."""

    paths: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "folders and files with plugins that are single files, relative to this file", hint='write ["plugins/"]'
        ),
    )
    disable: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "plugins that are not used, by name, by KIND:NAME, or by distribution", hint='write ["trigger:sun"]'
        ),
    )


@frozen(kw_only=True)
class FileTable:
    """The top level of a configuration file, without its jobs and their defaults."""

    timezone: str = field(
        default="local", metadata=_help('time zone of schedules: an IANA name, a rule of POSIX, or "local"')
    )
    include: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "further files with jobs: names and patterns, relative to this file", hint='write ["conf.d/*.toml"]'
        ),
    )
    state: str | None = field(
        default=None,
        metadata=_help("directory of the state, relative to this file; RAE_STATE_DIR overrides it"),
    )
    store: PluginRef = field(default=PluginRef("sqlite"), metadata=_help("where state is stored"))
    loggers: tuple[PluginRef, ...] = field(
        default=(PluginRef("console"),), metadata=_help("where log lines go", hint='write ["console"]')
    )
    max_parallel: int = field(
        default=8,
        validator=[validators.ge(1), validators.le(10_000)],
        metadata=_help("maximum number of active runs"),
    )
    max_queue: int = field(
        default=10_000,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("maximum number of waiting runs, over all jobs; a further one is refused"),
    )
    resources: Mapping[str, int] = field(
        factory=dict,
        validator=_check_units,
        metadata=_help("units of each resource that runs share; a job takes them with `resources`"),
    )
    shutdown_grace: timedelta = field(
        default=timedelta(seconds=30), metadata=_help("time that active runs have to end when the daemon stops")
    )
    enabled: bool = field(default=True, metadata=_help("false: only manual runs start"))
    watch_config: bool = field(
        default=False, metadata=_help("true: reload this file when it changes, as `rae-auto reload` does")
    )
    history: Retention = field(default=Retention(), metadata=_help("how much history is kept"))
    secret_commands: tuple[str, ...] = field(
        default=(),
        validator=_check_programs,
        metadata=_help(
            "programs that ${cmd:…} may run to read secrets, each as its references name it", hint='write ["pass"]'
        ),
    )
    notifiers: Mapping[str, PluginRef] = field(factory=dict, metadata=_help("ways to notify people, by name"))
    plugins: PluginsTable = field(default=PluginsTable(), metadata=_help("which plugins there are"))


_NEEDS_START_NOTHING = (
    "starts nothing: without a trigger the job runs only when started by hand; add a schedule, or "
    'trigger = { type = "job", jobs = ["NAME"] } to start it after another job, or trigger = "manual" to start it '
    "by hand"
)


@frozen
class SettingWarning:
    """A warning about a setting, which is worth something only if the values at the keys of its `basis` are known."""

    problem: Problem
    basis: Sequence[Key] = ()


@frozen(kw_only=True)
class JobTable(JobFields):
    """The table of a job: what to run (`command`, `shell`, `python` or `script`), why, and under which policies."""

    schedule: str | None = field(
        default=None,
        metadata=_help(
            "a cron expression; short for one cron trigger",
            list_hint='for several write triggers = [{ type = "cron", expression = "…" }, …]',
        ),
    )
    trigger: TriggerRef | None = field(
        default=None, metadata=_help("a trigger: a reason to run", list_hint="for several write triggers = […]")
    )
    triggers: tuple[TriggerRef, ...] = field(default=(), metadata=_help("several triggers"))
    resources: tuple[str, ...] | Mapping[str, int] = field(  # type: ignore[assignment]  # before it is converted
        default=(), metadata=fields(JobFields).resources.metadata
    )
    isolated: bool = field(
        default=True,
        metadata=_help(
            "false: python runs in a thread of the daemon, without cwd, env, limits and a timeout that ends it"
        ),
    )
    retry: int | RetryPolicy = field(
        default=0,
        validator=_check_retry,
        metadata=_help("how many retries, or a retry policy", hint="write a number of retries, or a table"),
    )

    def with_absolute_paths(self, plugins: PluginSource, directory: Path, findings: ProblemCollector) -> Self:
        """Return the table with absolute paths, its own and those in the options of its plugins.

        `directory` is that of the file. A path that can't be resolved is a finding, and left out.
        """
        resolve = partial(resolve_ref, plugins=plugins, base=directory)

        def resolve_path(key: str, path: str | None) -> str | None:
            with findings.within():
                return None if path is None else resolve_directory(path, directory, key)
            return None

        absolute: dict[str, Any] = {
            "cwd": resolve_path("cwd", self.cwd),
            "env_file": resolve_path("env_file", self.env_file),
            "script": resolve_path("script", self.script),
            "trigger": None if self.trigger is None else resolve(self.trigger, Kind.TRIGGER),
            "triggers": tuple(resolve(ref, Kind.TRIGGER) for ref in self.triggers),
            "guards": tuple(resolve(ref, Kind.GUARD) for ref in self.guards),
            "executor": None if self.executor is None else resolve(self.executor, Kind.EXECUTOR),
        }
        changed = {name: value for name, value in absolute.items() if value != getattr(self, name)}
        # Most have none, and a copy checks all its fields again.
        return evolve(self, **changed) if changed else self

    def trigger_refs(self) -> list[tuple[Key, TriggerRef]]:
        """Return all triggers, each with its key."""
        short = [] if self.schedule is None else [TriggerRef("cron", {"expression": self.schedule})]
        single = [] if self.trigger is None else [self.trigger]
        return [
            *((("schedule",), ref) for ref in short),
            *((("trigger",), ref) for ref in single),
            *((("triggers", index), ref) for index, ref in enumerate(self.triggers)),
        ]

    def warnings(self) -> Iterator[SettingWarning]:
        """Yield warnings about settings without effect."""
        for name in self.env:
            if name.startswith("RAE_"):
                what = "is overwritten, because the daemon sets names that begin with RAE_; choose another name"
                yield SettingWarning(Problem(("env", name), what))
        yield from self._notify_warnings()
        yield from self._expectation_warnings()
        if self.guard_timeout and not self.guards:
            what = "has no effect without guards; add guards, or remove it"
            yield SettingWarning(Problem(("guard_timeout",), what), [("guards",)])
        if self.needs and not self.trigger_refs():
            yield SettingWarning(Problem(("needs",), _NEEDS_START_NOTHING), [(key,) for key in _TRIGGER_KEYS])
        if self.catch_up_window is not None and self.catch_up_window < MAX_LATENESS:
            least = format_duration(MAX_LATENESS)
            what = f"counts as {least}, because a start is in time up to that; write {quote(least)} or more"
            hint = ', or catch_up = "none", which runs nothing that was missed'
            yield SettingWarning(Problem(("catch_up_window",), what + hint * (self.catch_up is not CatchUp.NONE)))
        if self.overlap_max != _DEFAULTS.overlap_max and self.overlap is not Overlap.ALLOW:
            what = 'has no effect without overlap = "allow"; set that, or remove it'
            yield SettingWarning(Problem(("overlap_max",), what), [("overlap",)])

    def _notify_warnings(self) -> Iterator[SettingWarning]:
        policy, basis = self.notify, [("notify", "on")]
        if not policy.on:
            for name in ("via", "after", "every", "skips", "quiet_hours", "digest", "limit"):
                if getattr(policy, name) != getattr(_DEFAULTS.notify, name):
                    problem = Problem(("notify", name), 'has no effect without on; add on = ["failure"]')
                    yield SettingWarning(problem, basis)
            return
        for name, kind in (("after", NotifyOn.FAILURE), ("every", NotifyOn.FAILURE), ("skips", NotifyOn.SKIPPED)):
            # A recovery too is reported only of failures that count.
            is_used = kind in policy.on or (name == "after" and NotifyOn.RECOVERY in policy.on)
            if not is_used and getattr(policy, name) != getattr(_DEFAULTS.notify, name):
                what = f'has no effect without "{kind.value}" in on; add that, or remove it'
                yield SettingWarning(Problem(("notify", name), what), basis)
        for kind, key in ((NotifyOn.LATE, "every"), (NotifyOn.OVERRUN, "max_runtime")):
            if kind in policy.on and getattr(self.expect, key) is None:
                what = f'"{kind.value}" has no effect without expect.{key}; add expect = {{ {key} = "…" }}'
                yield SettingWarning(Problem(("notify", "on"), what), [("expect", key)])

    def _expectation_warnings(self) -> Iterator[SettingWarning]:
        if self.expect.grace is not None and self.expect.every is None:
            what = "has no effect without every; add every, or remove it"
            yield SettingWarning(Problem(("expect", "grace"), what), [("expect", "every")])
        attempts = _retry_policy(self.retry).attempts
        max_duration = None if self.timeout is None else self.timeout * attempts
        if max_duration is not None and self.expect.max_runtime is not None and self.expect.max_runtime >= max_duration:
            what = (
                f"has no effect, because timeout ends a run after {format_duration(max_duration)}; set less than that"
            )
            yield SettingWarning(Problem(("expect", "max_runtime"), what), [("timeout",), ("retry",)])

    def to_job(self, id: JobId, directory: Path) -> Job:
        """Return the job of this table with absolute paths; `directory` is that of the file. Raises InvalidJob."""
        return Job(
            **{name: getattr(self, name) for name in _SHARED if name not in ("command", "shell", "isolated")},
            command=_SHARED_COMMANDS.get(repr(self.command), lambda: self.command),
            shell=self.shell and _SHARED_LINES.get(self.shell, lambda: self.shell or ""),
            isolated=self.isolated and self.python is not None and self.executor is None,
            id=id,
            schedule=_share(with_ids(ref for _, ref in self.trigger_refs())),
            directory=str(directory),
            retry_policy=_retry_policy(self.retry),
        )


_SHARED_TRIGGERS: SharedValues[tuple[TriggerRef, ...]] = SharedValues()
_SHARED_COMMANDS: SharedValues[tuple[str, ...]] = SharedValues()
"""Commands that several jobs run, or run as one with `args` of their own."""
_SHARED_LINES: SharedValues[str] = SharedValues()


def _share(triggers: tuple[TriggerRef, ...]) -> tuple[TriggerRef, ...]:
    """Return triggers that jobs which are alike have in common: each takes half a kilobyte."""
    return _SHARED_TRIGGERS.get(repr([(ref.type, ref.id, ref.options) for ref in triggers]), lambda: triggers)


RUN_KEYS = ("command", "shell", "python", "script", "executor")
PROGRAM_KEYS = ("command", "shell", "python", "script")
_TRIGGER_KEYS = ("schedule", "trigger", "triggers")
_UNMERGED_KEYS = ("executor", "trigger")
"""Keys whose tables are not merged, because the options of two plugins do not mix."""


def merge_defaults(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's table merged with the defaults: tables key by key, alternatives as a whole."""
    replaced = {key for group in (PROGRAM_KEYS, _TRIGGER_KEYS) if any(key in table for key in group) for key in group}
    merged = {key: value for key, value in defaults.items() if key not in replaced}
    for key, value in table.items():
        default = merged.get(key)
        if isinstance(value, dict) and isinstance(default, dict) and key not in _UNMERGED_KEYS:
            value = {**default, **value}
        merged[key] = value
    return merged


def _retry_policy(retry: int | RetryPolicy) -> RetryPolicy:
    if isinstance(retry, RetryPolicy):
        return retry
    return RetryPolicy(attempts=retry + 1) if retry else _DEFAULTS.retry_policy
