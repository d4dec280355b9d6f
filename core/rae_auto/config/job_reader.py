"""Jobs from their tables, with all problems and warnings."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from rae_auto.api.notifier import Notifier
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.config.advice import Advisor, CheckedJob
from rae_auto.config.hints.unknown_values import (
    JOB_KEYS,
    SCHEDULE_KEYS,
    find_contradictions,
    find_second_work,
    find_setting_warnings,
    is_unknown,
    valid_part_of,
)
from rae_auto.config.options import (
    check_plugins_of,
    find_option_warnings,
    find_shift_problem,
    find_upstream_jobs,
    limit_problems,
    make,
    unsupported_key_problems,
)
from rae_auto.config.relations import document_key, excess_units, forbidden_programs, unknown_names
from rae_auto.config.relative_paths import resolve_ref
from rae_auto.config.structure import call_plugin, structure, structure_valid_part
from rae_auto.config.tables import JobTable, merge_defaults
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.evolving.sharing import SharedValues
from rae_auto.model.primitives.graphs import find_cycles
from rae_auto.model.primitives.names import JobId, check_name
from rae_auto.model.primitives.problems import (
    Invalid,
    Key,
    Problem,
    ProblemCollector,
    describe_value,
    invalid,
)
from rae_auto.toolkit.secrets.secret import find_secrets
from rae_auto.toolkit.wake_alarm import find_wake_obstacle


def check_name_of(what: str, name: str) -> None:
    """Raise Invalid unless a name is valid; `what` says in the message what it names."""
    try:
        check_name(what, name)
    except ValueError as error:
        raise invalid(str(error)) from None


@frozen
class Warnings:
    """Sources of warnings beside the tables themselves: the plugins, and the advisor if there is one."""

    advisor: Advisor | None
    jobs: list[CheckedJob] = field(factory=list)
    secret_commands: Collection[str] | None = None
    """The programs that secrets may run; None if that isn't known."""

    def secrets_of(self, key: Key, plugin: Plugin) -> list[Problem]:
        """Return a problem for each secret among a plugin's options that runs a program which isn't allowed."""
        if self.secret_commands is None or isinstance(plugin, Notifier):
            return []  # those of notifiers are found in the document
        return [
            Problem((*key, *name.split(".")), problem.what)
            for name, secret in find_secrets(plugin)
            for problem in forbidden_programs(secret.unresolved_text, self.secret_commands)
        ]

    def of_plugin(self, key: Key, plugin: Plugin) -> list[Problem]:
        return [Problem((*key, *one.key), one.what) for one in find_option_warnings(plugin)]

    def faults_of(self, key: Key, plugin: Plugin) -> list[Problem]:
        """Return what fails when a daemon uses a plugin of the top level first."""
        return [] if self.advisor is None else [Problem(key, text) for text in self.advisor.find_faults(plugin)]

    def of_job(self, job: CheckedJob) -> Iterable[Problem]:
        self.jobs.append(job)
        return self.advisor.advise_on_job(job) if self.advisor is not None else ()

    def of_all(self) -> Iterable[Problem]:
        return self.advisor.advise_on_all(self.jobs) if self.advisor is not None else ()

    def of_preparation(self) -> tuple[Iterable[Problem], Iterable[Problem]]:
        """Return the errors and the warnings that show when jobs are prepared."""
        return self.advisor.prepare_jobs(self.jobs) if self.advisor is not None else ((), ())


NO_JOBS = Problem(("jobs",), "there are no jobs; add a table [jobs.NAME]")


@frozen
class Relations:
    """The relations between the jobs of a configuration: all `names`, what each needs, and what it follows."""

    names: set[str] = field(factory=set)
    has_all_names: bool = True
    """False if there may be further jobs, in a file or under a name that can't be read."""
    needs: dict[str, Sequence[str]] = field(factory=dict)
    upstream_jobs: dict[str, Mapping[str, Key]] = field(factory=dict)

    def find_cycles(self) -> Iterator[Problem]:
        """Yield a problem for each cycle, at one of its jobs, with its key in the file."""
        for cycle in find_cycles(self.needs):
            if len(cycle) == 2:
                continue  # the job itself reports that it needs itself
            what = f"jobs need each other in a cycle: {' → '.join(cycle)}; remove one of them"
            yield Problem(("jobs", cycle[0], "needs"), what)
        for cycle in find_cycles({name: list(jobs) for name, jobs in self.upstream_jobs.items()}):
            first, followed = cycle[:2]
            # In the order in which they start each other.
            what = f"jobs start each other in a cycle: {' → '.join(reversed(cycle))}; remove one of them"
            yield Problem(("jobs", first, *self.upstream_jobs[first][followed]), what)


@frozen
class JobReader:
    """Creates jobs from their tables, and collects problems and warnings."""

    directory: Path
    plugins: PluginSource
    timezone: str
    named: Mapping[str, set[str] | None] | None
    """The names that the top level defines: notifiers and resources. None if what jobs name is checked elsewhere.

    For a kind it is None if not all that are defined could be read.
    """
    units: Mapping[str, int] = field(factory=dict)
    """The units of each resource."""
    findings: ProblemCollector = field(factory=ProblemCollector)
    warnings: Warnings | None = None
    """The sources of warnings, if any are wanted."""
    relations: Relations = field(factory=Relations)
    """Shared by the readers of all files of a configuration."""
    _made: SharedValues[Plugin] = field(factory=SharedValues, init=False)

    def read(self, tables: dict[str, Any], defaults: dict[str, Any]) -> tuple[Job, ...]:
        """Return the valid jobs of a single file; problems of the others go to the findings."""
        self.relations.names.update(tables)
        jobs = self.read_each(tables, defaults, defaults)
        if not tables:
            self.findings.warnings.append(NO_JOBS)
        self.findings.problems.extend(self.relations.find_cycles())
        return jobs

    def read_each(
        self, tables: dict[str, Any], own_defaults: dict[str, Any], defaults: dict[str, Any]
    ) -> tuple[Job, ...]:
        """Return the valid jobs of one of several files; problems between files are found by `relations`.

        `own_defaults` are those of the file, `defaults` those that its jobs inherit.
        """
        with self.findings.within("defaults"):
            structure(own_defaults, JobTable, short_plugins=True)
        jobs: list[Job] = []
        for name, table in tables.items():
            own = ProblemCollector()
            with own.within():
                merged = self._merged(name, table, defaults, own)
                job_table = self._job_table(merged, own)
                self.relations.needs[name] = job_table.needs if self.named is not None else ()
                others = self._items_of_dropped_lists(merged, own)
                triggers = self._check_plugins(job_table, others, own)
                refs = {**dict(job_table.trigger_refs()), **others}
                self.relations.upstream_jobs[name] = self._relate(job_table, merged, refs, triggers, own)
                own.problems.extend(limit_problems(job_table.executor_ref, job_table.limits, self.plugins))
                own.problems.extend(unsupported_key_problems(job_table.executor_ref, job_table, self.plugins))
                if job_table.wake and (obstacle := find_wake_obstacle()):
                    hint = ", or remove it" if "; " in obstacle else "; remove it"
                    own.problems.append(Problem(("wake",), f"can't be done: {obstacle}{hint}"))
                own.problems.extend(find_second_work(merged, job_table))
                job, contradictions = self._job(name, job_table, own)
                own.problems.extend(contradictions)
                if job is not None:
                    jobs.append(job)
                own.warnings.extend(find_setting_warnings(job_table, own.problems))
                if self.warnings is not None:
                    valid_part = job or valid_part_of(name, job_table, contradictions, self.directory)
                    own.warnings.extend(self._advise(valid_part, triggers, own.problems))
            self._add_findings(name, table, own_defaults, own)
        return tuple(jobs)

    def _merged(self, name: str, table: Any, defaults: dict[str, Any], own: ProblemCollector) -> dict[str, Any]:
        with own.within():
            check_name_of("job name", name)
        if not isinstance(table, dict):
            raise invalid(f"must be a table, not {describe_value(table)}; write [jobs.{name}]")
        return merge_defaults(table, defaults)

    def _job_table(self, merged: dict[str, Any], own: ProblemCollector) -> JobTable:
        table = structure_valid_part(merged, JobTable, own)
        return table.with_absolute_paths(self.plugins, self.directory, own)

    def _items_of_dropped_lists(
        self, table: Mapping[str, Any], own: ProblemCollector
    ) -> dict[Key, TriggerRef | GuardRef]:
        """Return the valid plugins of lists that were dropped because another item isn't a reference to a plugin."""
        kinds: Sequence[tuple[str, Kind, type[TriggerRef | GuardRef]]] = (
            ("triggers", Kind.TRIGGER, TriggerRef),
            ("guards", Kind.GUARD, GuardRef),
        )
        bad = {problem.key[:2] for problem in own.problems}
        refs: dict[Key, TriggerRef | GuardRef] = {}
        for key, kind, cls in kinds:
            items = table.get(key)
            dropped = isinstance(items, list) and any((key, index) in bad for index in range(len(items)))
            for index, item in enumerate(items if dropped and isinstance(items, list) else ()):
                if (key, index) not in bad:
                    ref = structure(item, cls, short_plugins=True)
                    refs[key, index] = resolve_ref(ref, kind, self.plugins, self.directory)
        return refs

    def _check_plugins(
        self, table: JobTable, others: Mapping[Key, TriggerRef | GuardRef], own: ProblemCollector
    ) -> dict[Key, Plugin]:
        """Check the plugins that a job names, and return its triggers by their keys in the table.

        `others` are those that the table lacks because something else in their list is wrong.
        """
        made = check_plugins_of(table.trigger_refs(), table.guards, table.executor, self._make, own)
        for key, ref in others.items():
            with own.within(*key):
                kind = Kind.TRIGGER if isinstance(ref, TriggerRef) else Kind.GUARD
                made[key] = self._make(kind, ref)
        if self.warnings is not None:
            for key, plugin in made.items():
                with own.within(*key):
                    own.warnings.extend(self.warnings.of_plugin(key, plugin))
                    own.problems.extend(self.warnings.secrets_of(key, plugin))
        keys = {key for key in made if key[:1] in SCHEDULE_KEYS}
        if table.shift is not None and not is_unknown([*SCHEDULE_KEYS, ("guards",)], own.problems):
            schedules, guards = ([made[key] for key in made if (key in keys) is wanted] for wanted in (True, False))
            with own.within("shift"):
                if problem := call_plugin(find_shift_problem, schedules, guards):
                    raise invalid(problem)
        return {key: plugin for key, plugin in made.items() if key in keys}

    def _make(self, kind: Kind, ref: PluginRef | TriggerRef | GuardRef) -> Plugin:
        """Return the plugin of a reference, one for all jobs that are alike. Raises Invalid as `make` does."""
        text = repr((kind, ref.type, ref.options))
        return self._made.get(text, lambda: make(kind, ref, self.plugins, self.timezone))

    def _relate(
        self,
        table: JobTable,
        written: Mapping[str, Any],
        refs: Mapping[Key, TriggerRef | GuardRef],
        triggers: Mapping[Key, Plugin],
        own: ProblemCollector,
    ) -> dict[str, Key]:
        """Check the jobs, notifiers and resources that a job names.

        Names are those `written`, because a list with an item of a wrong kind is missing in the table.
        `refs` are those of its triggers. Returns the jobs that these follow, each with its key in the table.
        """
        if self.named is None:
            return {}
        jobs = self.relations.names if self.relations.has_all_names else None
        followed = find_upstream_jobs(triggers, self.plugins, own)
        upstream_jobs = {
            job: (*key, *document_key(job, refs[key].options)) for key, names in followed.items() for job in names
        }
        for job, key in upstream_jobs.items():
            with own.within(*key):
                raise Invalid(Problem((), problem.what) for problem in unknown_names("job", [job], jobs))
        with own.within("needs"):
            raise Invalid(unknown_names("job", _list_at(written, "needs") or table.needs, jobs))
        with own.within("notify", "via"):
            raise Invalid(
                unknown_names(
                    "notifier", _list_at(written, "notify", "via") or table.notify.via, self.named["notifier"]
                )
            )
        with own.within("resources"):
            raise Invalid(
                unknown_names("resource", _list_at(written, "resources") or table.resources, self.named["resource"])
            )
        if isinstance(table.resources, Mapping):
            with own.within("resources"):
                raise Invalid(excess_units(table.resources, self.units))
        return upstream_jobs

    def _job(self, name: str, table: JobTable, own: ProblemCollector) -> tuple[Job | None, Sequence[Problem]]:
        """Return the job of a table, or None and a problem for each value that contradicts another."""
        try:
            return table.to_job(JobId(name), self.directory), ()
        except InvalidJob as error:
            return None, find_contradictions(error, table, own.problems)

    def _advise(
        self, job: Job | None, triggers: Mapping[Key, Plugin], problems: Sequence[Problem]
    ) -> Iterable[Problem]:
        """Return the advice on a job, or on its valid part, without that which follows from one of its problems."""
        if self.warnings is None or job is None:
            return ()
        has_notifiers = self.named is not None and self.named["notifier"] != set()
        unknown = frozenset(key for key in JOB_KEYS if is_unknown([(key,)], problems))
        checked = CheckedJob(job, triggers, self.timezone, has_notifiers, unknown)
        return [one for one in self.warnings.of_job(checked) if not is_unknown([one.key], problems)]

    def _add_findings(self, name: str, table: Any, defaults: dict[str, Any], own: ProblemCollector) -> None:
        """Add the findings of a job; those about an inherited value are findings of the defaults."""
        for source, target in ((own.problems, self.findings.problems), (own.warnings, self.findings.warnings)):
            for problem in map(_with_written_key, source):
                inherits = (
                    isinstance(table, dict) and not _has_key(problem.key, table) and _has_key(problem.key, defaults)
                )
                # Rules that all jobs inherit need not have an effect on each of them.
                if inherits and target is self.findings.warnings and problem.key[:1] == ("notify",) != problem.key:
                    continue
                target.append(Problem((*(("defaults",) if inherits else ("jobs", name)), *problem.key), problem.what))


def _with_written_key(problem: Problem) -> Problem:
    """Return a problem with the key as people wrote it: `schedule` is short for a trigger with an `expression`."""
    return Problem(problem.key[:1], problem.what) if problem.key[:1] == ("schedule",) else problem


def _list_at(table: Mapping[str, Any], *key: str) -> list[object]:
    """Return the list at a key; an empty one if there is none."""
    value: Any = table
    for name in key:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def _has_key(key: tuple[str | int, ...], table: Mapping[str, Any]) -> bool:
    """Return whether the table has the first part of a key, and the second if there is one."""
    if not key or key[0] not in table:
        return False
    inner = table[str(key[0])]
    return len(key) < 2 or not isinstance(inner, dict) or key[1] in inner
