"""Makes plugin instances from references, and plans from jobs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar, cast

from attrs import field, frozen

from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.config.options import find_shift_problem, limit_problems, make, unsupported_key_problems, warnings_of
from rae_auto.config.relative_paths import resolve_job
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import InvalidJob, PluginError
from rae_auto.model.guard import EXECUTOR_GUARD
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import Shift
from rae_auto.model.primitives.evolving.slots import copier_of, quick_init
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.problems import Invalid, describe_problem
from rae_auto.model.primitives.zones import zone
from rae_auto.registry.containment import contain_store, is_foreign
from rae_auto.registry.describe import summarize_plugin
from rae_auto.registry.executor_readiness import ExecutorReadiness, waits_for_readiness
from rae_auto.registry.quarantine import CommitTimes, Quarantine, place_of_source
from rae_auto.registry.safe_guard import SafeGuard
from rae_auto.registry.safe_schedule import SafeSchedule
from rae_auto.registry.shifted_schedule import ShiftedSchedule
from rae_auto.toolkit.threads.time_limit import call_within_limit

MAX_SHARED_PLUGINS = 1000
"""Number of plugins that are remembered by the text of their references."""

_NONE: Mapping[str, Any] = {}
_NOW = timedelta(0)

T = TypeVar("T")


@quick_init
@frozen(weakref_slot=False)
class Planned:
    """A job as the engine gets it, and its sources by id, which the runtime runs."""

    plan: Plan
    sources: Mapping[str, SourceTrigger]
    files: Mapping[str, tuple[int, ...] | None] = field(factory=dict)
    """The files that its plugins have read, in the versions of that time."""
    file_warnings: tuple[str, ...] = ()
    """Warnings of those plugins."""

    @property
    def has_ended(self) -> bool:
        """True if a schedule has failed for good, so that the next job is to have another one."""
        return any(map(_HAS_ENDED, self.plan.schedules.values()))


_HAS_ENDED = attrgetter("has_ended")
"""Asks a `SafeSchedule`. To call it takes less time than a generator does, and each job of a restart is asked."""


class PluginFactory:
    """Makes instances of the plugins that a configuration or a job names."""

    def __init__(self, source: PluginSource, timezone: str, quarantine: Quarantine | None = None) -> None:
        self.source = source
        self.quarantine = quarantine or Quarantine(self.distribution)
        self._schedules: dict[SafeSchedule, SafeSchedule] = {}
        self._shared: dict[str, Plugin] = {}
        self._planned: dict[str, Planned] = {}
        self._by_identity: dict[tuple[int, ...], tuple[object, Planned]] = {}
        self._summaries: dict[int, tuple[Plugin, str]] = {}
        self.timezone = timezone

    def store(self, given: str | PluginRef | Store) -> Store:
        """Return the store of a reference, wrapped so that its errors name the plugin; an instance stays as it is."""
        ref = PluginRef(given) if isinstance(given, str) else given
        if isinstance(ref, Store):
            return ref
        describe = partial(self.quarantine.describe_failure, Kind.STORE, ref.type, with_hint=True)
        store = cast("Store", self._make(Kind.STORE, ref))
        return contain_store(store, describe, CommitTimes(self.quarantine, store).add)

    def logger(self, ref: PluginRef) -> Logger:
        return cast("Logger", self._make(Kind.LOGGER, ref))

    def notifier(self, ref: PluginRef) -> Notifier:
        return cast("Notifier", self._make(Kind.NOTIFIER, ref))

    def executor(self, ref: PluginRef) -> Executor:
        return cast("Executor", self._make(Kind.EXECUTOR, ref))

    def trigger(self, ref: TriggerRef) -> ScheduleTrigger | SourceTrigger:
        return cast("ScheduleTrigger | SourceTrigger", self._make(Kind.TRIGGER, ref))

    def plan(self, job: Job, origin: JobOrigin) -> Planned:
        """Return the job with the plugins that it names. Raises InvalidJob.

        Jobs of a store are taken as they are: `check_limits` is for new ones.
        """
        refs = (job.schedule, job.guards, job.executor_ref, job.shift)
        identity = tuple(map(id, refs))
        found = self._by_identity.get(identity)
        known = None if found is None else found[1]
        if known is None or known.has_ended:
            known = self._plan_alike(job, origin)
            if known.plan.job is job and known.plan.origin is origin:
                return known
            if len(self._by_identity) >= MAX_SHARED_PLUGINS:
                self._by_identity.clear()
            # With the references, so that their ids stay their own.
            self._by_identity[identity] = refs, known
        plan = copier_of(Plan, "job", "origin")(known.plan, job=job, origin=origin)
        return Planned(plan, known.sources, known.files, known.file_warnings)

    def _plan_alike(self, job: Job, origin: JobOrigin) -> Planned:
        """Return a job with the same plugins that was planned before, or else this one. Raises InvalidJob."""
        key = _plugins_key(job)
        known = self._planned.get(key)
        if known is not None and not known.has_ended:
            return known
        try:
            planned = self._plan_first(job, origin)
        except PluginError as error:
            raise InvalidJob(f"job {quote(job.id)}: {error}") from error
        # Jobs that name the same plugins share them, unless there are sources.
        if not planned.sources:
            if len(self._planned) >= MAX_SHARED_PLUGINS:
                self._planned.clear()
            self._planned[key] = planned
        return planned

    def _find_upstream_jobs(self, job: Job, sources: Mapping[str, SourceTrigger]) -> tuple[JobId, ...]:
        no_jobs: tuple[str, ...] = ()
        followed = [self._ask_source(job.id, id_, one, one.upstream_jobs, no_jobs) for id_, one in sources.items()]
        return tuple(dict.fromkeys(map(JobId, chain.from_iterable(followed))))

    def _find_delays(self, job: Job, sources: Mapping[str, SourceTrigger]) -> Mapping[str, timedelta]:
        delays = {
            id_: self._ask_source(job.id, id_, source, partial(getattr, source, "delay"), _NOW)
            for id_, source in sources.items()
        }
        return {id_: delay for id_, delay in delays.items() if delay} or _NONE

    def _plan_first(self, job: Job, origin: JobOrigin) -> Planned:
        """Make the plugins that a job names, and return it with them. Errors: PluginError."""
        schedules: dict[str, SafeSchedule] = {}
        sources: dict[str, SourceTrigger] = {}
        summaries: list[str] = []
        guard_summaries: dict[str, str] = {}
        computed: dict[str, SafeGuard | None] = {}
        read: dict[str, ReadGuard] = {}
        plugins: list[Plugin] = []
        executor = self._shared_plugin(Kind.EXECUTOR, job.executor_ref)
        for guard_ref in job.guards:
            guard = self._shared_plugin(Kind.GUARD, guard_ref)
            plugins.append(guard)
            guard_summaries[guard_ref.id] = self._summarize(guard, self._find_own_zone(guard_ref))
            computed[guard_ref.id] = None
            if isinstance(guard, ComputedGuard):
                computed[guard_ref.id] = SafeGuard(guard, self.quarantine)
            elif isinstance(guard, ReadGuard):
                read[guard_ref.id] = guard
        asks_executor = isinstance(executor, Executor) and waits_for_readiness(type(executor))
        if asks_executor:
            computed[EXECUTOR_GUARD] = None
            read[EXECUTOR_GUARD] = ExecutorReadiness(repr(job.executor_ref), job.executor_ref)
        for ref in job.schedule:
            trigger = self._shared_plugin(Kind.TRIGGER, ref)
            plugins.append(trigger)
            if isinstance(trigger, ScheduleTrigger):
                if job.shift is not None:
                    trigger = self._shift(trigger, job.shift, [guard for guard in computed.values() if guard])
                # Of equal ones one is enough for all jobs.
                schedules[ref.id] = self._make_guard(trigger)
            elif isinstance(trigger, SourceTrigger):
                sources[ref.id] = trigger
            summaries.append(self._summarize(trigger, self._find_own_zone(ref)))
        readers = [(plugin, files) for plugin in plugins if (files := _files_of(plugin))]
        # Most jobs have none of most of these, and there may be many jobs.
        plan = Plan(
            job,
            schedules,
            origin,
            computed or _NONE,
            read or _NONE,
            self._find_upstream_jobs(job, sources) if sources else (),
            tuple(summaries),
            guard_summaries=guard_summaries or _NONE,
            executor_summary=self._summarize(executor, ""),
            delays=self._find_delays(job, sources) if sources else _NONE,
            run_points={id_: point for id_, one in schedules.items() if (point := one.run_point())} or _NONE,
            asks_executor=asks_executor,
        )
        files = {path: one for _, files in readers for path, one in files.items()} or _NONE
        return Planned(
            plan, sources or _NONE, files, tuple(line for plugin, _ in readers for line in warnings_of(plugin))
        )

    def _ask_source(self, job: str, trigger: str, source: SourceTrigger, call: Callable[[], T], default: T) -> T:
        """Return what an informational method of a source returns, or a default if it fails."""
        try:
            return call_within_limit(call)
        except BaseException as error:
            if is_foreign(error):
                raise
            self.quarantine.failed(Kind.TRIGGER, source.type, place_of_source(job, trigger), error)
            return default

    def forget_plugins(self) -> None:
        """Make new plugin instances from now on, even for references that were used before."""
        self._shared.clear()
        self._planned.clear()
        self._by_identity.clear()
        self._summaries.clear()

    def _shift(self, schedule: ScheduleTrigger, shift: Shift, guards: Sequence[SafeGuard]) -> ScheduleTrigger:
        """Return the schedule with its starts moved off the days that guards forbid. Raises PluginError."""
        if problem := find_shift_problem([schedule], [guard.inner for guard in guards]):
            raise PluginError(f"shift: {problem}")
        own_zone = getattr(schedule, "timezone", None)
        return ShiftedSchedule(schedule, tuple(guards), shift, zone(own_zone or self.timezone))

    def trigger_problems(self, plan: Plan) -> Mapping[str, str]:
        """Return why triggers of a job fail or are not in use at present, by their ids: a clause after the name."""
        if not self.quarantine.has_failures():
            return {}
        found = {id_: self.quarantine.describe(*use) for id_, use in self.trigger_uses(plan).items()}
        return {id_: problem for id_, problem in found.items() if problem is not None}

    def trigger_uses(self, plan: Plan) -> Mapping[str, tuple[Kind, str, str]]:
        """Return kind, name and place of use of a job's triggers by their ids, as the quarantine knows them."""
        uses = {}
        for ref in plan.job.schedule:
            schedule = plan.schedules.get(ref.id)
            place = schedule.place if isinstance(schedule, SafeSchedule) else place_of_source(plan.job.id, ref.id)
            uses[ref.id] = (Kind.TRIGGER, ref.type, place)
        return uses

    def job_problems(self, plan: Plan) -> tuple[str, ...]:
        """Return a line for each trigger of a job that fails or isn't in use; or why the job can't be used at all."""
        if plan.problem is not None:
            return (plan.problem.removeprefix(f"job {quote(plan.job.id)}: "),)
        return tuple(f"trigger {quote(id_)} {problem}" for id_, problem in self.trigger_problems(plan).items())

    def resolve_paths(self, job: Job) -> Job:
        """Return a new job with absolute paths. Raises InvalidJob."""
        try:
            return resolve_job(job, self.source)
        except Invalid as error:
            raise InvalidJob(f"job {quote(job.id)}: {error}") from None

    def check_limits(self, job: Job) -> None:
        """Raise InvalidJob if the job has a limit that can't be enforced on this machine."""
        problems = [
            *limit_problems(job.executor_ref, job.limits, self.source),
            *unsupported_key_problems(job.executor_ref, job, self.source),
        ]
        if problems:
            raise InvalidJob(f"job {quote(job.id)}: {'; '.join(map(describe_problem, problems))}")

    def distribution(self, kind: Kind, name: str) -> str:
        """Return the distribution and version of a plugin, if its source knows them."""
        provenance = getattr(self.source, "provenance", None)
        return str(provenance(kind, name)) if provenance else "unknown"

    def _summarize(self, plugin: Plugin, zone: str) -> str:
        """Return a plugin's summary, with its own time zone if it has one; those of shared plugins are kept."""
        if isinstance(plugin, SourceTrigger | ShiftedSchedule):
            return summarize_plugin(plugin, zone)
        key = id(plugin)
        known = self._summaries.get(key)
        if known is None or known[0] is not plugin:
            if len(self._summaries) >= MAX_SHARED_PLUGINS:
                self._summaries.clear()
            # With the plugin, so that its id stays its own.
            known = self._summaries[key] = (plugin, summarize_plugin(plugin, zone))
        return known[1]

    def _find_own_zone(self, ref: TriggerRef | GuardRef) -> str:
        """Return the time zone that a trigger or guard names, "" if it is that of the configuration."""
        zone = ref.options.get("timezone")
        return zone if isinstance(zone, str) and zone != self.timezone else ""

    def _make_guard(self, schedule: ScheduleTrigger) -> SafeSchedule:
        made = SafeSchedule(schedule, self.quarantine)
        return self._schedules.setdefault(made, made)

    def _shared_plugin(self, kind: Kind, ref: PluginRef | TriggerRef | GuardRef) -> Plugin:
        """Return the plugin of a reference. All but sources are shared, because most jobs are alike."""
        key = f"{kind} {ref.type} {ref.options!r}"
        known = self._shared.get(key)
        if known is None:
            known = self._make(kind, ref)
            if not isinstance(known, SourceTrigger):
                if len(self._shared) >= MAX_SHARED_PLUGINS:
                    self._shared.clear()
                self._shared[key] = known
        return known

    def _make(self, kind: Kind, ref: PluginRef | TriggerRef | GuardRef) -> Plugin:
        try:
            return make(kind, ref, self.source, self.timezone)
        except ValueError as error:
            raise PluginError(str(error)) from error


def _plugins_key(job: Job) -> str:
    """Return a text that jobs share which name the same plugins under the same ids."""
    executor = job.executor_ref
    refs: tuple[GuardRef | TriggerRef, ...] = (*job.guards, *job.schedule)
    named = [f"{ref.id} {ref.type} {ref.options!r}" for ref in refs]
    return "\n".join((f"{executor.type} {executor.options!r} {len(job.guards)} {job.shift}", *named))


def _files_of(plugin: Plugin) -> Mapping[str, tuple[int, ...] | None]:
    """Return the files that a plugin has read; none if its `read_files` fails."""
    try:
        return plugin.read_files()
    except BaseException as error:
        if is_foreign(error):
            raise
        return _NONE
