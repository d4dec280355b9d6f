"""Loading a configuration file as a checked value, or with all its problems."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import evolve, fields_dict, frozen

from rae_auto.api.plugin import ConfigurableSource, Kind, PluginSource
from rae_auto.config.advice import Advisor
from rae_auto.config.files.fragments import Fragment, add_to_owners, claim_names, read_fragment, read_included
from rae_auto.config.hints.unknown_values import is_unknown
from rae_auto.config.job_reader import NO_JOBS, JobReader, Relations, Warnings, check_name_of
from rae_auto.config.options import make
from rae_auto.config.relations import forbidden_programs
from rae_auto.config.relative_paths import resolve_directory, resolve_ref
from rae_auto.config.structure import structure_valid_part, unknown_key
from rae_auto.config.tables import BACKGROUND_LOGGERS, RUN_KEYS, FileTable, PluginsTable, merge_defaults
from rae_auto.config.toml.reading import read_text, usable_part
from rae_auto.engine.plan import Settings
from rae_auto.errors import ConfigError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
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
from rae_auto.toolkit.files import FileIdentity


@frozen(kw_only=True)
class Config:
    """A checked configuration file with its defaults filled in. `timezone` is an IANA name."""

    path: Path
    include: tuple[str, ...]
    """Patterns of further files."""
    files: Mapping[Path, FileIdentity]
    """All files, each as it was before it was read."""
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
    plugin_paths: tuple[Path, ...] = ()
    """Files and folders with plugins that are single files."""
    disabled_plugins: tuple[str, ...] = ()

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
    """Result of reading a configuration; it is valid only if there are no errors. The first file is the main one."""

    config: Config
    files: tuple[Fragment, ...]
    unreadable: tuple[str, ...] = ()
    """Lines about included files that can't be read or parsed."""

    def errors(self) -> tuple[str, ...]:
        """Return the problems as lines, file by file."""
        return (*chain.from_iterable(file.error_lines() for file in self.files), *self.unreadable)

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings as lines, file by file."""
        return tuple(chain.from_iterable(file.warning_lines() for file in self.files))


def load(path: Path, plugins: PluginSource) -> Config:
    """Load a file and those it includes. Raises ConfigError with all problems, `FILE:LINE: key: problem; remedy`."""
    examination = _examine(path, plugins)
    if errors := examination.errors():
        raise ConfigError(errors)
    return examination.config


def load_usable_part(path: Path, plugins: PluginSource, needed: Collection[str] = ()) -> tuple[Config, tuple[str, ...]]:
    """Load a file for commands that only read its store; return what is valid of it, and its problems as lines.

    Of a text that isn't TOML, what is above the error. Raises ConfigError with all problems if the file can't be read,
    others can write it, or its store, or one of the keys that are `needed`, is invalid.
    """
    syntax_errors: tuple[str, ...] = ()
    try:
        examination = _examine(path, plugins)
    except ConfigError as error:
        text = usable_part(read_text(path, errors="replace"))
        examination, syntax_errors = _examine(path, plugins, text=text), tuple(error.problems)
    lines = (*syntax_errors, *examination.errors())
    essential = {"store", *needed}
    if any(not problem.key or problem.key[0] in essential for problem in examination.files[0].findings.problems):
        raise ConfigError(lines)
    return examination.config, lines


def check(path: Path, plugins: PluginSource, advisor: Advisor | None = None) -> Report:
    """Return the errors and warnings of a configuration, with those of an `advisor`; raises nothing."""
    try:
        examination = _examine(path, plugins, Warnings(advisor))
    except ConfigError as error:
        return Report(error.problems)
    return Report(examination.errors(), examination.warnings(), len(examination.config.jobs))


def check_text(path: Path, text: str, plugins: PluginSource) -> tuple[Config | None, Report]:
    """Return the configuration of a text that isn't saved, as if it stood in a file, and its errors and warnings.

    None if it has errors. Raises nothing.
    """
    try:
        examination = _examine(path, plugins, Warnings(None), text)
    except ConfigError as error:
        return None, Report(error.problems)
    report = Report(examination.errors(), examination.warnings(), len(examination.config.jobs))
    return (None if report.errors else examination.config), report


def use_plugins(config: Config, plugins: PluginSource) -> None:
    """Have a registry use the plugins that a configuration chooses, which was read with another registry."""
    if isinstance(plugins, ConfigurableSource):
        plugins.configure(config.plugin_paths, config.disabled_plugins)


def choose_plugins(path: Path, plugins: PluginSource) -> None:
    """Have a registry use the plugins that a file chooses; of a file that is no TOML, none."""
    with suppress(ConfigError):
        main = read_fragment(path, None)
        document = {name: value for name, value in main.document.items() if name == "plugins"}
        _configure_plugins(_file_table(document, main.findings).plugins, plugins, main)


def _examine(
    path: Path, plugins: PluginSource, warnings: Warnings | None = None, text: str | None = None
) -> _Examination:
    main = read_fragment(path, text)
    chooses_loggers = "loggers" in main.document
    tables: dict[str, Any] = {name: main.document.pop(name) for name in ("jobs", "defaults") if name in main.document}
    table = _file_table(main.document, main.findings)
    _configure_plugins(table.plugins, plugins, main)
    table = _resolve_paths(table, plugins, main.directory)
    main.document.update(tables)
    included, unreadable = read_included(main, table.include)
    files = (main, *included)
    timezone = _timezone(table.timezone, main.findings)
    _check_state(table.state, path, main.findings)
    table = _add_included_tables(table, files, plugins)
    if warnings is not None and not _is_wrong("secret_commands", main):
        warnings = evolve(warnings, secret_commands=table.secret_commands)
    _check_plugins(table, files, plugins, timezone, warnings)
    _check_secret_programs(files, table)
    config = Config(
        path=path,
        include=table.include,
        files={file.path: file.identity for file in files},
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
        jobs=_read_jobs(files, table, plugins, timezone, warnings, unreadable),
        plugin_paths=_plugin_paths(table.plugins, main.directory),
        disabled_plugins=table.plugins.disable,
    )
    return _Examination(config, files, unreadable)


def _configure_plugins(table: PluginsTable, plugins: PluginSource, main: Fragment) -> None:
    """Have the registry use the plugins that the file names, before any is looked up."""
    if isinstance(plugins, ConfigurableSource):
        for problem in plugins.configure(_plugin_paths(table, main.directory), table.disable):
            main.findings.problems.append(Problem(("plugins",), problem))


def _plugin_paths(table: PluginsTable, directory: Path) -> tuple[Path, ...]:
    return tuple(Path(resolve_directory(path, directory, "path")) for path in table.paths)


def _add_included_tables(table: FileTable, files: Sequence[Fragment], plugins: PluginSource) -> FileTable:
    """Return the top level with the notifiers and resources of all files."""
    owners = {name: claim_names(files, name) for name in ("notifiers", "resources")}
    notifiers, resources = {**table.notifiers}, {**table.resources}
    for file in files[1:]:
        _check_names(file.document, file.findings)
        part = {name: file.document[name] for name in owners if name in file.document}
        own = _resolve_paths(structure_valid_part(part, FileTable, file.findings), plugins, file.directory)
        notifiers.update(own.notifiers)
        resources.update(own.resources)
    return evolve(table, notifiers=notifiers, resources=resources)


def _check_plugins(
    table: FileTable, files: Sequence[Fragment], plugins: PluginSource, timezone: str, warnings: Warnings | None
) -> None:
    """Make the plugins that the top level names, to see whether they can be made."""
    for key, kind, ref in _plugins_of(table):
        owner = next((file for file in files if key[0] == "notifiers" and _has_key(file.document, key)), files[0])
        with owner.findings.within(*key):
            plugin = make(kind, ref, plugins, timezone)
            if warnings is not None:
                owner.findings.warnings.extend(warnings.of_plugin(key, plugin))
                owner.findings.problems.extend(warnings.faults_of(key, plugin))
                owner.findings.problems.extend(warnings.secrets_of(key, plugin))


def _has_key(document: Mapping[str, Any], key: Key) -> bool:
    return key[1] in _keys_of(document, str(key[0]))


def _read_jobs(
    files: Sequence[Fragment],
    table: FileTable,
    plugins: PluginSource,
    timezone: str,
    warnings: Warnings | None,
    unreadable: Sequence[str],
) -> tuple[Job, ...]:
    """Return the valid jobs of all files; what is wrong with others is among the findings of their files."""
    main = files[0]
    named = {
        kind: {name for file in files for name in _keys_of(file.document, names)}
        if _has_all_names(names, files, unreadable)
        else None
        for kind, names in (("notifier", "notifiers"), ("resource", "resources"))
    }
    defaults = {file.path: _pop_table(file.document, "defaults", file.findings) for file in files}
    tables = {file.path: _pop_table(file.document, "jobs", file.findings) for file in files}
    for file in files:
        file.document["jobs"] = tables[file.path]
    owners = claim_names(files, "jobs")
    relations = Relations(set(owners), has_all_names=_has_all_names("jobs", files, unreadable))
    jobs: list[Job] = []
    for file in files:
        reader = JobReader(
            file.directory, plugins, timezone, named, table.resources, file.findings, warnings, relations
        )
        shared = defaults[main.path] if file is not main else {}
        own = defaults[file.path]
        jobs += reader.read_each(tables[file.path], own, merge_defaults(own, shared))
    if not owners and relations.has_all_names:
        main.findings.warnings.append(NO_JOBS)
    add_to_owners(owners, main, relations.find_cycles(), is_warning=False)
    if warnings is not None:
        add_to_owners(owners, main, warnings.of_all(), is_warning=True)
        errors, doubtful = warnings.of_preparation()
        add_to_owners(owners, main, errors, is_warning=False)
        add_to_owners(owners, main, doubtful, is_warning=True)
    return tuple(jobs)


def _has_all_names(table: str, files: Sequence[Fragment], unreadable: Sequence[str]) -> bool:
    """Return whether all names in a table could be read; else one that seems to be unknown may well be defined."""
    top = [problem for file in files for problem in file.findings.problems if len(problem.key) == 1]
    missing = any(problem.key[:1] == ("include",) for problem in files[0].findings.problems)
    return not (unreadable or missing or is_unknown([(table,)], top))


def _check_secret_programs(files: Sequence[Fragment], table: FileTable) -> None:
    """Check that programs which print secrets are allowed, unless the key that allows them is wrong itself."""
    if _is_wrong("secret_commands", files[0]):
        return
    for file in files:
        for key, value in _places_of_references(file.document):
            with file.findings.within(*key):
                raise Invalid(forbidden_programs(value, table.secret_commands))


def _is_wrong(key: str, main: Fragment) -> bool:
    """Return whether a key of the top level has problems."""
    return any(problem.key[:1] == (key,) for problem in main.findings.problems)


def _places_of_references(document: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    """Yield what may refer to secrets, each with its key."""
    yield ("notifiers",), document.get("notifiers")
    jobs, defaults = (
        {name: document[table][name] for name in _keys_of(document, table)} for table in ("jobs", "defaults")
    )
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
    _check_names(document, findings)
    return structure_valid_part(document, FileTable, findings)


def _check_names(document: Mapping[str, Any], findings: ProblemCollector) -> None:
    for kind, table in (("notifier", "notifiers"), ("resource", "resources")):
        for name in _keys_of(document, table):
            with findings.within(table, name):
                check_name_of(f"{kind} name", name)


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
