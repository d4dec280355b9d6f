"""Plugins created from their options, in one way for the configuration and for jobs from elsewhere."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.config.structure import call_plugin, options_of, structure, variant_of
from rae_auto.config.synonyms import TRIGGER_SYNONYMS, describe_other_trigger
from rae_auto.errors import PluginError
from rae_auto.model.job import JobFields
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.formatting import describe_error, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Invalid, Key, Problem, ProblemCollector, invalid

P = TypeVar("P")

MAX_SHIFTED_STARTS = 7 * 24
"""Number of starts in a week up to which a schedule can be shifted: one an hour."""


@frozen
class InnerTriggers:
    """Creates the triggers that are options of others."""

    plugins: PluginSource
    timezone: str

    def __call__(self, ref: TriggerRef) -> Plugin:
        """Create the trigger of a reference. Raises Invalid."""
        return make(Kind.TRIGGER, ref, self.plugins, self.timezone)


def build(plugin_class: type[P], options: Mapping[str, Any], *, timezone: str, plugins: PluginSource) -> P:
    """Create a plugin from its options; triggers among them come from `plugins`.

    A field called `timezone` that is unset gets `timezone`, an IANA name. Raises Invalid, a ValueError, with all
    problems of the options.
    """
    given = dict(options)
    if given.get("timezone") is None and "timezone" in options_of(variant_of(plugin_class, given)):
        given["timezone"] = timezone
    return structure(given, plugin_class, maker=InnerTriggers(plugins, timezone))


def make(kind: Kind, ref: PluginRef | TriggerRef | GuardRef, plugins: PluginSource, timezone: str) -> Plugin:
    """Create the plugin that a reference names. Raises Invalid if it is unknown, unavailable or misconfigured."""
    known = plugins.names(kind)
    if ref.type not in known:
        raise invalid(f"unknown {kind} {quote(ref.type)}{_describe_known(kind, ref.type, known)}")
    try:
        plugin_class = plugins.get(kind, ref.type)
    except PluginError as error:
        raise invalid(str(error)) from None
    if reason := call_plugin(plugin_class.available):
        raise invalid(f"{kind} {quote(ref.type)} is not available on this machine: {reason}")
    return build(plugin_class, ref.options, timezone=timezone, plugins=plugins)


def _describe_known(kind: Kind, name: str, known: Collection[str]) -> str:
    if kind is Kind.TRIGGER and (hint := describe_other_trigger(name)) is not None:
        return f"; {hint}"
    near = did_you_mean(name, known, TRIGGER_SYNONYMS if kind is Kind.TRIGGER else None)
    return near or f"; installed: {', '.join(sorted(known)) or 'none'}"


def check_plugins_of(
    triggers: Iterable[tuple[Key, TriggerRef]],
    guards: Iterable[GuardRef],
    executor: PluginRef | None,
    plugins: PluginSource,
    timezone: str,
    findings: ProblemCollector,
) -> dict[Key, Plugin]:
    """Check the plugins of a job, add problems to `findings`, and return those that are valid by their keys.

    Each trigger comes with its key in the job's table.
    """
    named = [(Kind.TRIGGER, key, ref) for key, ref in triggers]
    references: list[tuple[Kind, Key, PluginRef | TriggerRef | GuardRef]] = [
        *named,
        *((Kind.GUARD, ("guards", index), guard) for index, guard in enumerate(guards)),
        *([] if executor is None else [(Kind.EXECUTOR, ("executor",), executor)]),
    ]
    made: dict[Key, Plugin] = {}
    for kind, key, ref in references:
        with findings.within(*key):
            made[key] = make(kind, ref, plugins, timezone)
    return made


def find_upstream_jobs(triggers: Mapping[Key, Plugin], findings: ProblemCollector) -> dict[Key, tuple[str, ...]]:
    """Return the jobs that triggers follow, by the keys of the triggers."""
    upstream_jobs: dict[Key, tuple[str, ...]] = {}
    for key, trigger in triggers.items():
        if isinstance(trigger, SourceTrigger):
            with findings.within(*key):
                upstream_jobs[key] = call_plugin(trigger.upstream_jobs)
    return upstream_jobs


def warnings_of(plugin: Plugin) -> tuple[str, ...]:
    """Return a plugin's doubts about its options; if it fails to say them, that."""
    try:
        return tuple(plugin.warnings())
    except Exception as error:
        return (f"can't be checked further: {describe_error(error)}",)


def unsupported_key_problems(ref: PluginRef, job: JobFields, plugins: PluginSource) -> list[Problem]:
    """Return a problem for each key that a job sets and that its executor can't honour."""
    try:
        executor = plugins.get(Kind.EXECUTOR, ref.type)
    except PluginError:
        return []  # reported for the executor itself
    reasons = executor.unsupported_keys() if issubclass(executor, Executor) else {}
    return [Problem((name,), reason) for name, reason in reasons.items() if getattr(job, name, None)]


def limit_problems(ref: PluginRef, limits: Limits, plugins: PluginSource) -> list[Problem]:
    """Return a problem for each limit that the executor can't enforce on this machine."""
    if limits.best_effort or not limits.names:
        return []
    try:
        executor = plugins.get(Kind.EXECUTOR, ref.type)
    except PluginError:
        return []  # reported for the executor itself
    try:
        reasons = call_plugin(executor.unenforceable, limits) if issubclass(executor, Executor) else {}
    except Invalid as error:
        return [Problem(("limits",), f"can't be checked: {error}")]
    hint = "remove it, or set limits.best_effort = true to run without it"
    return [Problem(("limits", name), f"can't be enforced: {reason}; {hint}") for name, reason in reasons.items()]


def find_shift_problem(schedules: Iterable[Plugin], guards: Iterable[Plugin]) -> str | None:
    """Return why the starts of a job's schedules can't be moved off the days that its guards forbid, or None."""
    if not any(isinstance(guard, ComputedGuard) for guard in guards):
        return "needs a guard that knows the days, such as calendar or weekday; add it to guards"
    if any(_has_many_starts(schedule) for schedule in schedules if isinstance(schedule, ScheduleTrigger)):
        return "is for schedules with at most 168 starts a week; remove it, because guards are enough for others"
    return None


def _has_many_starts(schedule: ScheduleTrigger) -> bool:
    begin = datetime(2026, 1, 5, tzinfo=UTC)  # any week
    instant: datetime | None = begin
    for _ in range(MAX_SHIFTED_STARTS + 1):
        instant = None if instant is None else schedule.next_after(instant)
    return instant is not None and instant < begin + timedelta(days=7)
