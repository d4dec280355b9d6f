"""Loading a configuration file as a checked value, or with all its problems."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve, fields_dict, frozen

from rae_auto.api.plugin import Kind, PluginSource
from rae_auto.config.advice import Advisor
from rae_auto.config.job_reader import JobReader, Warnings, check_name_of
from rae_auto.config.options import make
from rae_auto.config.relations import forbidden_programs
from rae_auto.config.relative_paths import resolve_ref
from rae_auto.config.structure import structure_valid_part, unknown_key
from rae_auto.config.tables import BACKGROUND_LOGGERS, RUN_KEYS, FileTable
from rae_auto.config.toml.problem_lines import format_problems
from rae_auto.config.toml.reading import parse, read_text, usable_part
from rae_auto.engine.plan import Settings
from rae_auto.errors import ConfigError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.problems import (
    Invalid,
    Key,
    Problem,
    ProblemCollector,
    describe_value,
    invalid,
)
from rae_auto.model.primitives.zones import zone
from rae_auto.paths import absolute_path, configured_state_directory


@frozen(kw_only=True)
class Config:
    """A checked configuration file with its defaults filled in. `timezone` is an IANA name."""

    path: Path
    timezone: str
    store: PluginRef
    loggers: tuple[PluginRef, ...]
    background_loggers: tuple[PluginRef, ...]
    """Loggers of a daemon whose standard error isn't a terminal."""
    notifiers: Mapping[str, PluginRef]
    max_parallel: int
    max_queue: int
    resources: Mapping[str, int]
    shutdown_grace: timedelta
    enabled: bool
    watch_config: bool
    history: Retention
    secret_commands: tuple[str, ...]
    jobs: tuple[Job, ...]

    @property
    def settings(self) -> Settings:
        """The part that the engine decides by."""
        return Settings(
            self.max_parallel,
            self.enabled,
            self.resources,
            self.max_queue,
            notifiers=tuple(self.notifiers),
            zone=zone(self.timezone),
        )


@frozen
class Report:
    """Errors and warnings of `rae-auto check`, one line each, and the number of valid jobs."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    jobs: int = 0


@frozen
class _Examination:
    """Result of reading a file; the configuration is valid only if there are no problems."""

    config: Config
    findings: ProblemCollector
    text: str

    def lines(self, problems: list[Problem]) -> tuple[str, ...]:
        """Return the problems as lines, in the order of the file."""
        return format_problems(self.config.path, self.text, problems)


def load(path: Path, plugins: PluginSource) -> Config:
    """Load a file. Raises ConfigError with all problems, each as `FILE:LINE: key: problem; remedy`."""
    examination = _examine(path, plugins)
    if examination.findings.problems:
        raise ConfigError(examination.lines(examination.findings.problems))
    return examination.config


def load_usable_part(path: Path, plugins: PluginSource) -> tuple[Config, tuple[str, ...]]:
    """Load a file for commands that only read its store; return what is valid of it, and its problems as lines.

    Of a text that isn't TOML, what is above the error. Raises ConfigError with all problems if the file can't be read,
    others can write it, or its store is invalid.
    """
    syntax_errors: tuple[str, ...] = ()
    try:
        examination = _examine(path, plugins)
    except ConfigError as error:
        text = usable_part(read_text(path, errors="replace"))
        examination, syntax_errors = _examine(path, plugins, text=text), tuple(error.problems)
    problems = examination.findings.problems
    lines = (*syntax_errors, *examination.lines(problems))
    if any(not problem.key or problem.key[0] == "store" for problem in problems):
        raise ConfigError(lines)
    return examination.config, lines


def check(path: Path, plugins: PluginSource, advisor: Advisor | None = None) -> Report:
    """Return the errors and warnings of a file, with those of an `advisor`; raises nothing."""
    try:
        examination = _examine(path, plugins, Warnings(advisor))
    except ConfigError as error:
        return Report(error.problems)
    findings = examination.findings
    return Report(
        examination.lines(findings.problems), examination.lines(findings.warnings), len(examination.config.jobs)
    )


def _examine(
    path: Path, plugins: PluginSource, warnings: Warnings | None = None, text: str | None = None
) -> _Examination:
    text = read_text(path) if text is None else text
    findings = ProblemCollector()
    document = plain(parse(path, text), findings)
    jobs = _pop_table(document, "jobs", findings)
    defaults = _pop_table(document, "defaults", findings)
    chooses_loggers = "loggers" in document
    directory = path.absolute().parent
    table = _resolve_paths(_file_table(document, findings), plugins, directory)
    timezone = _timezone(table.timezone, findings)
    _check_state(table.state, path, findings)
    for key, kind, ref in _plugins_of(table):
        with findings.within(*key):
            plugin = make(kind, ref, plugins, timezone)
            if warnings is not None:
                findings.warnings.extend(warnings.of_plugin(key, plugin))
    named = {"notifier": set(_keys_of(document, "notifiers")), "resource": set(_keys_of(document, "resources"))}
    has_programs = not any(problem.key[:1] == ("secret_commands",) for problem in findings.problems)
    for key, value in _places_of_references(jobs, defaults, document) if has_programs else ():
        with findings.within(*key):
            raise Invalid(forbidden_programs(value, table.secret_commands))
    reader = JobReader(directory, plugins, timezone, named, table.resources, findings, warnings)
    config = Config(
        path=path,
        timezone=timezone,
        store=table.store,
        loggers=table.loggers,
        background_loggers=table.loggers if chooses_loggers else BACKGROUND_LOGGERS,
        notifiers=table.notifiers,
        max_parallel=table.max_parallel,
        max_queue=table.max_queue,
        resources=table.resources,
        shutdown_grace=table.shutdown_grace,
        enabled=table.enabled,
        watch_config=table.watch_config,
        history=table.history,
        secret_commands=table.secret_commands,
        jobs=reader.read(jobs, defaults),
    )
    return _Examination(config, evolve(findings, problems=_first_of_each_key(findings.problems)), text)


def _places_of_references(
    jobs: Mapping[str, Any], defaults: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[tuple[Key, Any]]:
    """Yield what may refer to secrets, each with its key."""
    yield ("notifiers",), document.get("notifiers")
    tables: list[tuple[Key, Any]] = [(("defaults",), defaults), *((("jobs", name), jobs[name]) for name in jobs)]
    for key, table in tables:
        for name in ("env", "stdin", "secret_files"):
            if isinstance(table, Mapping) and name in table:
                yield (*key, name), table[name]


def _pop_table(document: dict[str, Any], name: str, findings: ProblemCollector) -> dict[str, Any]:
    value = document.pop(name, {})
    if isinstance(value, dict):
        return value
    header = "[jobs.NAME]" if name == "jobs" else f"[{name}]"
    findings.problems.append(Problem((name,), f"must be a table, not {describe_value(value)}; write {header}"))
    return {}


def _keys_of(document: Mapping[str, Any], name: str) -> Collection[str]:
    """Return the keys of a table; none if the value isn't one, which is reported where it is converted."""
    value = document.get(name)
    return value if isinstance(value, dict) else ()


def _file_table(document: dict[str, Any], findings: ProblemCollector) -> FileTable:
    """Return the valid part of the top level, so that the rest can be examined too."""
    known = fields_dict(FileTable)
    for name in [name for name in document if name not in known]:
        value = document.pop(name)
        is_job = isinstance(value, dict) and not value.keys().isdisjoint(RUN_KEYS)
        hint = f"unknown table; write [jobs.{name}] for a job" if is_job else None
        findings.problems.append(Problem((name,), hint or unknown_key(name, {*known, "jobs", "defaults"})))
    for kind, table in (("notifier", "notifiers"), ("resource", "resources")):
        for name in _keys_of(document, table):
            with findings.within(table, name):
                check_name_of(f"{kind} name", name)
    return structure_valid_part(document, FileTable, findings)


def _resolve_paths(table: FileTable, plugins: PluginSource, directory: Path) -> FileTable:
    notifiers = {name: resolve_ref(ref, Kind.NOTIFIER, plugins, directory) for name, ref in table.notifiers.items()}
    return evolve(
        table,
        store=resolve_ref(table.store, Kind.STORE, plugins, directory),
        loggers=tuple(resolve_ref(ref, Kind.LOGGER, plugins, directory) for ref in table.loggers),
        notifiers=notifiers,
    )


def _timezone(name: str, findings: ProblemCollector) -> str:
    with findings.within("timezone"):
        try:
            return zone(name).key
        except ValueError as error:
            raise invalid(str(error)) from None
    return "UTC"


def _check_state(state: str | None, path: Path, findings: ProblemCollector) -> None:
    """Check that commands, which read the line of the key `state` alone, find what the file means."""
    if state is None:
        return
    with findings.within("state"):
        if not state:
            raise invalid('must name a directory, as in state = "state"')
        if configured_state_directory(path) != absolute_path(path.absolute().parent / Path(state).expanduser()):
            raise invalid('must be on a line of its own above all tables, as in state = "state"')


def _plugins_of(table: FileTable) -> list[tuple[tuple[str | int, ...], Kind, PluginRef]]:
    return [
        (("store",), Kind.STORE, table.store),
        *((("loggers", index), Kind.LOGGER, ref) for index, ref in enumerate(table.loggers)),
        *((("notifiers", name), Kind.NOTIFIER, ref) for name, ref in table.notifiers.items()),
    ]


def _first_of_each_key(problems: list[Problem]) -> list[Problem]:
    """Return one problem for each key, because later ones mostly follow from the first."""
    first: dict[tuple[str | int, ...], Problem] = {}
    for problem in problems:
        first.setdefault(problem.key, problem)
    return list(first.values())
