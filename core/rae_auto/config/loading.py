"""Loading a configuration file as a checked value, or with all its problems."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve, field, fields_dict, frozen

from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.config.advice import Advisor, CheckedJob
from rae_auto.config.options import check_plugins_of, find_upstream_jobs, limit_problems, make, warnings_of
from rae_auto.config.positions import line_of, lines_of
from rae_auto.config.reading import format_place, parse, read_text
from rae_auto.config.relations import document_key, excess_units, unknown_names
from rae_auto.config.structure import structure, structure_valid_part, unknown_key
from rae_auto.config.synonyms import find_key_synonyms
from rae_auto.config.tables import RUN_KEYS, FileTable, JobTable, merge_defaults
from rae_auto.errors import ConfigError, InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.graphs import find_cycles
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.names import JobId, check_name
from rae_auto.model.primitives.problems import (
    Invalid,
    Key,
    Problem,
    ProblemCollector,
    describe_problem,
    describe_value,
    invalid,
)
from rae_auto.model.primitives.zones import local_zone_name, zone
from rae_auto.paths import absolute_path, configured_state_directory

_MAX_REPORTED_PROBLEMS = 100


@frozen(kw_only=True)
class Config:
    """A checked configuration file with its defaults filled in. `timezone` is an IANA name."""

    path: Path
    timezone: str
    store: PluginRef
    loggers: tuple[PluginRef, ...]
    notifiers: Mapping[str, PluginRef]
    max_parallel: int
    max_queue: int
    resources: Mapping[str, int]
    shutdown_grace: timedelta
    enabled: bool
    watch_config: bool
    history: Retention
    jobs: tuple[Job, ...]


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
        if not problems:
            return ()
        at = lines_of(self.text)
        texts = {(line_of(problem.key, at) or 1, describe_problem(problem)) for problem in problems}
        lines = [f"{format_place(self.config.path, line)}: {text}" for line, text in sorted(texts)]
        more = len(lines) - _MAX_REPORTED_PROBLEMS
        return (
            *lines[:_MAX_REPORTED_PROBLEMS],
            *([f"{format_place(self.config.path)}: and {format_count(more, 'more problem')}"] if more > 0 else []),
        )


def load(path: Path, plugins: PluginSource) -> Config:
    """Load a file. Raises ConfigError with all problems, each as `FILE:LINE: key: problem; remedy`."""
    examination = _examine(path, plugins)
    if examination.findings.problems:
        raise ConfigError(examination.lines(examination.findings.problems))
    return examination.config


def check(path: Path, plugins: PluginSource, advisor: Advisor | None = None) -> Report:
    """Return the errors and warnings of a file, with those of an `advisor`; raises nothing."""
    try:
        examination = _examine(path, plugins, _Warnings(advisor))
    except ConfigError as error:
        return Report(error.problems)
    findings = examination.findings
    return Report(
        examination.lines(findings.problems), examination.lines(findings.warnings), len(examination.config.jobs)
    )


@frozen
class _Warnings:
    """Sources of warnings beside the tables themselves: the plugins, and the advisor if there is one."""

    advisor: Advisor | None
    jobs: list[CheckedJob] = field(factory=list)

    def of_plugin(self, key: Key, plugin: Plugin) -> list[Problem]:
        return [Problem(key, text) for text in warnings_of(plugin)]

    def of_job(self, job: CheckedJob) -> Iterable[Problem]:
        self.jobs.append(job)
        return self.advisor.advise_on_job(job) if self.advisor is not None else ()

    def of_all(self) -> Iterable[Problem]:
        return self.advisor.advise_on_all(self.jobs) if self.advisor is not None else ()


def _examine(path: Path, plugins: PluginSource, warnings: _Warnings | None = None) -> _Examination:
    text = read_text(path)
    findings = ProblemCollector()
    document = plain(parse(path, text), findings)
    jobs = _pop_table(document, "jobs", findings)
    defaults = _pop_table(document, "defaults", findings)
    table = _file_table(document, findings)
    timezone = _timezone(table.timezone, findings)
    _check_state(table.state, path, findings)
    for key, kind, ref in _plugins_of(table):
        with findings.within(*key):
            plugin = make(kind, ref, plugins, timezone)
            if warnings is not None:
                findings.warnings.extend(warnings.of_plugin(key, plugin))
    named = {"notifier": set(_keys_of(document, "notifiers")), "resource": set(_keys_of(document, "resources"))}
    reader = _JobReader(path.absolute().parent, plugins, timezone, named, table.resources, findings, warnings)
    config = Config(
        path=path,
        timezone=timezone,
        store=table.store,
        loggers=table.loggers,
        notifiers=table.notifiers,
        max_parallel=table.max_parallel,
        max_queue=table.max_queue,
        resources=table.resources,
        shutdown_grace=table.shutdown_grace,
        enabled=table.enabled,
        watch_config=table.watch_config,
        history=table.history,
        jobs=reader.read(jobs, defaults),
    )
    return _Examination(config, evolve(findings, problems=_first_of_each_key(findings.problems)), text)


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
                _check_name(f"{kind} name", name)
    return structure_valid_part(document, FileTable, findings)


def _timezone(name: str, findings: ProblemCollector) -> str:
    with findings.within("timezone"):
        try:
            return zone(local_zone_name() if name == "local" else name).key
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


def _check_name(what: str, name: str) -> None:
    try:
        check_name(what, name)
    except ValueError as error:
        raise invalid(str(error)) from None


@frozen
class _JobReader:
    """Creates jobs from their tables, and collects problems and warnings."""

    directory: Path
    plugins: PluginSource
    timezone: str
    named: Mapping[str, set[str]]
    """The names that the top level defines: notifiers and resources."""
    units: Mapping[str, int]
    """The units of each resource."""
    findings: ProblemCollector = field(factory=ProblemCollector)
    warnings: _Warnings | None = None
    """The sources of warnings, if any are wanted."""

    def read(self, tables: dict[str, Any], defaults: dict[str, Any]) -> tuple[Job, ...]:
        with self.findings.within("defaults"):
            structure(defaults, JobTable, short_plugins=True)
        jobs: list[Job] = []
        needs: dict[str, Sequence[str]] = {}
        upstream_jobs: dict[str, Mapping[str, Key]] = {}
        for name, table in tables.items():
            own = ProblemCollector()
            with own.within():
                job_table = self._job_table(name, table, defaults, own)
                needs[name] = job_table.needs
                triggers = self._check_plugins(job_table, own)
                upstream_jobs[name] = self._relate(job_table, triggers, tables, own)
                own.problems.extend(limit_problems(job_table.executor_ref, job_table.limits, self.plugins))
                own.warnings.extend(job_table.warnings())
                job = self._job(name, job_table, own)
                jobs.append(job)
                if self.warnings is not None and not own.problems:
                    has_notifiers = bool(self.named["notifier"])
                    own.warnings.extend(self.warnings.of_job(CheckedJob(job, triggers, self.timezone, has_notifiers)))
            self._add_findings(name, table, defaults, own)
        if not tables:
            self.findings.warnings.append(Problem(("jobs",), "there are no jobs; add a table [jobs.NAME]"))
        self._refuse_cycles(needs, upstream_jobs)
        if self.warnings is not None:
            self.findings.warnings.extend(self.warnings.of_all())
        return tuple(jobs)

    def _refuse_cycles(
        self, needs: Mapping[str, Sequence[str]], upstream_jobs: Mapping[str, Mapping[str, Key]]
    ) -> None:
        for cycle in find_cycles(needs):
            if len(cycle) == 2:
                continue  # the job itself reports that it needs itself
            what = f"jobs need each other in a cycle: {' → '.join(cycle)}; remove one of them"
            self.findings.problems.append(Problem(("jobs", cycle[0], "needs"), what))
        for cycle in find_cycles({name: list(jobs) for name, jobs in upstream_jobs.items()}):
            first, followed = cycle[:2]
            # In the order in which they start each other.
            what = f"jobs start each other in a cycle: {' → '.join(reversed(cycle))}; remove one of them"
            self.findings.problems.append(Problem(("jobs", first, *upstream_jobs[first][followed]), what))

    def _job_table(self, name: str, table: Any, defaults: dict[str, Any], own: ProblemCollector) -> JobTable:
        with own.within():
            _check_name("job name", name)
        if not isinstance(table, dict):
            raise invalid(f"must be a table, not {describe_value(table)}; write [jobs.{name}]")
        return structure_valid_part(merge_defaults(table, defaults), JobTable, own)

    def _check_plugins(self, table: JobTable, own: ProblemCollector) -> dict[Key, Plugin]:
        """Check the plugins that a job names, and return its triggers by their keys in the table."""
        made = check_plugins_of(table.trigger_refs(), table.guards, table.executor, self.plugins, self.timezone, own)
        if self.warnings is not None:
            for key, plugin in made.items():
                with own.within(*key):
                    own.warnings.extend(self.warnings.of_plugin(key, plugin))
        keys = {key for key, _ in table.trigger_refs()}
        return {key: plugin for key, plugin in made.items() if key in keys}

    def _relate(
        self, table: JobTable, triggers: Mapping[Key, Plugin], tables: Mapping[str, Any], own: ProblemCollector
    ) -> dict[str, Key]:
        """Check the jobs, notifiers and resources that a job names.

        Returns the jobs that its triggers follow, each with its key in the table.
        """
        refs = dict(table.trigger_refs())
        followed = find_upstream_jobs(triggers, own)
        upstream_jobs = {
            job: (*key, *document_key(job, refs[key].options)) for key, jobs in followed.items() for job in jobs
        }
        for job, key in upstream_jobs.items():
            with own.within(*key):
                raise Invalid(Problem((), problem.what) for problem in unknown_names("job", [job], tables.keys()))
        with own.within("needs"):
            raise Invalid(unknown_names("job", table.needs, tables.keys()))
        with own.within("notify", "via"):
            raise Invalid(unknown_names("notifier", table.notify.via, self.named["notifier"]))
        with own.within("resources"):
            raise Invalid(unknown_names("resource", table.resources, self.named["resource"]))
        if isinstance(table.resources, Mapping):
            with own.within("resources"):
                raise Invalid(excess_units(table.resources, self.units))
        return upstream_jobs

    def _job(self, name: str, table: JobTable, own: ProblemCollector) -> Job:
        try:
            return table.to_job(JobId(name), self.directory)
        except InvalidJob as error:
            if not isinstance(error.__cause__, Invalid):
                raise invalid(str(error).partition(": ")[2]) from None
            bad = {str(problem.key[0]) for problem in own.problems if problem.key}
            has_bad_work = not bad.union(*map(find_key_synonyms, bad)).isdisjoint(RUN_KEYS)
            # Where a value was dropped as invalid, "nothing to run" would be a consequence of that.
            # The name of the table has been checked before.
            same = {("id",), *([] if table.name else [("name",)]), *([()] if has_bad_work else [])}
            raise Invalid(problem for problem in error.__cause__.problems if problem.key not in same) from None

    def _add_findings(self, name: str, table: Any, defaults: dict[str, Any], own: ProblemCollector) -> None:
        """Add the findings of a job; those about an inherited value are findings of the defaults."""
        for source, target in ((own.problems, self.findings.problems), (own.warnings, self.findings.warnings)):
            for problem in map(_with_written_key, source):
                inherits = (
                    isinstance(table, dict) and not _has_key(problem.key, table) and _has_key(problem.key, defaults)
                )
                target.append(Problem((*(("defaults",) if inherits else ("jobs", name)), *problem.key), problem.what))


def _with_written_key(problem: Problem) -> Problem:
    """Return a problem with the key as people wrote it: `schedule` is short for a trigger with an `expression`."""
    return Problem(problem.key[:1], problem.what) if problem.key[:1] == ("schedule",) else problem


def _has_key(key: tuple[str | int, ...], table: Mapping[str, Any]) -> bool:
    """Return whether the table has the first part of a key, and the second if there is one."""
    if not key or key[0] not in table:
        return False
    inner = table[str(key[0])]
    return len(key) < 2 or not isinstance(inner, dict) or key[1] in inner


def _first_of_each_key(problems: list[Problem]) -> list[Problem]:
    """Return one problem for each key, because later ones mostly follow from the first."""
    first: dict[tuple[str | int, ...], Problem] = {}
    for problem in problems:
        first.setdefault(problem.key, problem)
    return list(first.values())
