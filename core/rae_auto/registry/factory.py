"""Plugins at work: references become instances, jobs become plans."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

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
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import Shift
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.problems import Invalid, describe_problem
from rae_auto.model.primitives.zones import zone
from rae_auto.registry.quarantine import Quarantine, place_of_source
from rae_auto.registry.safe_guard import SafeGuard
from rae_auto.registry.safe_schedule import SafeSchedule
from rae_auto.registry.shifted_schedule import ShiftedSchedule
from rae_auto.toolkit.summaries import MAX_SUMMARY_LENGTH

MAX_SHARED_PLUGINS = 1000
"""Number of plugins that are remembered by the text of their references."""

_NONE: Mapping[str, Any] = {}


@frozen
class Planned:
    """A job as the engine gets it, and its sources by id, with which the shell itself works."""

    plan: Plan
    sources: Mapping[str, SourceTrigger]
    files: Mapping[str, tuple[int, ...] | None] = field(factory=dict)
    """The files that its plugins have read, as they were then."""
    file_warnings: tuple[str, ...] = ()
    """Warnings of those plugins."""


class PluginFactory:
    """Makes instances of what a configuration or a job names, by way of their source."""

    def __init__(self, source: PluginSource, timezone: str, quarantine: Quarantine | None = None) -> None:
        self.source = source
        self.quarantine = quarantine or Quarantine(self.distribution)
        self._schedules: dict[ScheduleTrigger, SafeSchedule] = {}
        self._shared: dict[str, Plugin] = {}
        self.timezone = timezone

    def store(self, given: str | PluginRef | Store) -> Store:
        ref = PluginRef(given) if isinstance(given, str) else given
        return ref if isinstance(ref, Store) else cast("Store", self._make(Kind.STORE, ref))

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

        What stands in a store is taken as it is: `check_limits` is for what comes new.
        """
        schedules: dict[str, SafeSchedule] = {}
        sources: dict[str, SourceTrigger] = {}
        summaries: list[str] = []
        computed: dict[str, SafeGuard | None] = {}
        read: dict[str, ReadGuard] = {}
        plugins: list[Plugin] = []
        try:
            self._shared_plugin(Kind.EXECUTOR, job.executor_ref)
            for guard_ref in job.guards:
                guard = self._shared_plugin(Kind.GUARD, guard_ref)
                plugins.append(guard)
                computed[guard_ref.id] = None
                if isinstance(guard, ComputedGuard):
                    computed[guard_ref.id] = SafeGuard(guard, self.quarantine)
                elif isinstance(guard, ReadGuard):
                    read[guard_ref.id] = guard
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
                summaries.append(_summary_of(trigger, self._find_own_zone(ref)))
        except PluginError as error:
            raise InvalidJob(f"job {quote(job.id)}: {error}") from error
        upstream_jobs = dict.fromkeys(
            JobId(followed) for source in sources.values() for followed in source.upstream_jobs()
        )
        # Most jobs have none, and there may be many jobs.
        plan = Plan(job, schedules, origin, computed or _NONE, read or _NONE, tuple(upstream_jobs), tuple(summaries))
        readers = [(plugin, files) for plugin in plugins if (files := _files_of(plugin))]
        if not readers:
            return Planned(plan, sources or _NONE)
        warnings = tuple(line for plugin, _ in readers for line in warnings_of(plugin))
        return Planned(
            plan, sources or _NONE, {path: one for _, files in readers for path, one in files.items()}, warnings
        )

    def forget_plugins(self) -> None:
        """Make plugins again from now on, also those that were made of the same references."""
        self._shared.clear()

    def _shift(self, schedule: ScheduleTrigger, shift: Shift, guards: Sequence[SafeGuard]) -> ScheduleTrigger:
        """Return the schedule with its starts moved off the days that guards forbid. Raises PluginError."""
        if problem := find_shift_problem([schedule], [guard.inner for guard in guards]):
            raise PluginError(f"shift: {problem}")
        own_zone = getattr(schedule, "timezone", None)
        return ShiftedSchedule(schedule, tuple(guards), shift, zone(own_zone or self.timezone))

    def trigger_problems(self, plan: Plan) -> Mapping[str, str]:
        """Return why triggers of a job are not in use at present, by their ids: a clause that follows the name."""
        problems = {}
        for ref in plan.job.schedule:
            schedule = plan.schedules.get(ref.id)
            place = schedule.place if isinstance(schedule, SafeSchedule) else place_of_source(plan.job.id, ref.id)
            problem = self.quarantine.describe(Kind.TRIGGER, ref.type, place)
            if problem is not None:
                problems[ref.id] = problem
        return problems

    def resolve_paths(self, job: Job) -> Job:
        """Return a job that comes new with absolute paths. Raises InvalidJob."""
        try:
            return resolve_job(job, self.source)
        except Invalid as error:
            raise InvalidJob(f"job {quote(job.id)}: {error}") from None

    def check_limits(self, job: Job) -> None:
        """Errors: InvalidJob, where the job has a limit that can't be enforced on this machine."""
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

    def _find_own_zone(self, ref: TriggerRef) -> str:
        """Return the time zone that a trigger names, "" if it is that of the configuration."""
        zone = ref.options.get("timezone")
        return zone if isinstance(zone, str) and zone != self.timezone else ""

    def _make_guard(self, schedule: ScheduleTrigger) -> SafeSchedule:
        known = self._schedules.get(schedule)
        if known is None:
            known = self._schedules[schedule] = SafeSchedule(schedule, self.quarantine)
        return known

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


def _files_of(plugin: Plugin) -> Mapping[str, tuple[int, ...] | None]:
    """Return the files that a plugin has read; none if it fails to say them."""
    try:
        return plugin.read_files()
    except (Exception, SystemExit):
        return _NONE


def _summary_of(trigger: Plugin, zone: str) -> str:
    """Return a trigger's summary, with its own time zone if it has one.

    It is the type if the trigger fails, because a job must not fail to load for a few words.
    """
    assert isinstance(trigger, ScheduleTrigger | SourceTrigger)
    try:
        return f"{' '.join(trigger.summary().split())} {zone}".rstrip()[:MAX_SUMMARY_LENGTH]
    except (Exception, SystemExit):
        return trigger.type
