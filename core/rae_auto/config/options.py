"""Plugins created from their options, in one way for the configuration and for jobs from elsewhere."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

from attrs import frozen

from rae_auto.api.executor import JOB_KINDS, Executor, find_untaken_kind
from rae_auto.api.guard import ComputedGuard
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.config.hints.plugin_errors import name_plugin, naming_plugin
from rae_auto.config.hints.synonyms import TRIGGER_SYNONYMS, describe_other_trigger
from rae_auto.config.structure import call_plugin, options_of, structure, variant_of
from rae_auto.errors import PluginError
from rae_auto.model.job import JobFields
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.formatting import describe_raise, join_words, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Invalid, Key, Problem, ProblemCollector, describe_problem, invalid
from rae_auto.toolkit.secrets.masking import mask_known_secrets
from rae_auto.toolkit.secrets.secret import find_secrets
from rae_auto.toolkit.threads.time_limit import call_within_limit

P = TypeVar("P")

_FROM_OPTIONS = "answer from the options alone"
"""The hint for warnings that a plugin returns about itself."""

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
        explain = getattr(plugins, "explain_exclusion", None)
        if explain is not None and (why := explain(kind, ref.type)):
            raise invalid(why)
        raise invalid(f"unknown {kind} {quote(ref.type)}{_describe_known(kind, ref.type, known)}")
    try:
        plugin_class = plugins.get(kind, ref.type)
    except PluginError as error:
        raise invalid(str(error)) from None
    with naming_plugin(kind, ref.type, plugins, "return a reason or None from available"):
        reason = call_plugin(plugin_class.available)
    if reason:
        raise invalid(f"{kind} {quote(ref.type)} is not available on this machine: {reason}")
    with naming_plugin(kind, ref.type, plugins, "raise ValueError with one line for the user where an option is wrong"):
        return build(plugin_class, ref.options, timezone=timezone, plugins=plugins)


def _describe_known(kind: Kind, name: str, known: Collection[str]) -> str:
    # lazy: memory
    from rae_auto.config.hints.misplaced import describe_misplaced
    from rae_auto.config.hints.other_distributions import describe_other_distribution

    if kind is Kind.TRIGGER and (hint := describe_other_trigger(name)) is not None:
        return f"; {hint}"
    if misplaced := describe_misplaced(name):
        return f"; {misplaced}"
    if near := did_you_mean(name, known, TRIGGER_SYNONYMS if kind is Kind.TRIGGER else None):
        return near
    if elsewhere := describe_other_distribution(kind, name):
        return f"; {elsewhere}"
    return f"; installed: {', '.join(sorted(known)) or 'none'}"


def check_plugins_of(
    triggers: Iterable[tuple[Key, TriggerRef]],
    guards: Iterable[GuardRef],
    executor: PluginRef | None,
    make_plugin: Callable[[Kind, PluginRef | TriggerRef | GuardRef], Plugin],
    findings: ProblemCollector,
) -> dict[Key, Plugin]:
    """Check the plugins of a job, add problems to `findings`, and return those that are valid by their keys.

    Each trigger comes with its key in the job's table. `make_plugin` raises Invalid as `make` does.
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
            made[key] = make_plugin(kind, ref)
    return made


def find_upstream_jobs(
    triggers: Mapping[Key, Plugin], plugins: PluginSource, findings: ProblemCollector
) -> dict[Key, tuple[str, ...]]:
    """Return the jobs that triggers follow, by the keys of the triggers."""
    upstream_jobs: dict[Key, tuple[str, ...]] = {}
    for key, trigger in triggers.items():
        if isinstance(trigger, SourceTrigger):
            with findings.within(*key), naming_plugin(Kind.TRIGGER, trigger.type, plugins, _FROM_OPTIONS):
                upstream_jobs[key] = call_plugin(trigger.upstream_jobs)
    return upstream_jobs


def warnings_of(plugin: Plugin) -> tuple[str, ...]:
    """Return a plugin's warnings about its options, and secrets that can't be read, a line each."""
    return tuple(dict.fromkeys(map(describe_problem, find_option_warnings(plugin))))


def find_option_warnings(plugin: Plugin) -> list[Problem]:
    """Return a plugin's warnings about its options, and secrets that can't be read, at the options that hold them.

    A plugin that raises instead of returning its warnings gets a warning about that.
    """
    unreadable = [
        Problem(tuple(name.split(".")), problem.removeprefix(f"{name} "))
        for name, secret in find_secrets(plugin)
        if (problem := secret.find_problem(name)) is not None
    ]
    try:
        lines = tuple(call_within_limit(plugin.warnings))
    except (Exception, SystemExit) as error:
        lines = (f"can't be checked further: warnings raised {describe_raise(error)}",)
    return [*unreadable, *(Problem((), mask_known_secrets(str(line))) for line in lines)]


def unsupported_key_problems(ref: PluginRef, job: JobFields, plugins: PluginSource) -> list[Problem]:
    """Return a problem for each key that a job sets and that its executor can't honour, and for its kind of job."""
    try:
        executor = plugins.get(Kind.EXECUTOR, ref.type)
    except PluginError:
        return []  # reported for the executor itself
    if not issubclass(executor, Executor):
        return []
    wrong = find_untaken_kind(executor, job)
    problems = [] if wrong is None else [Problem((wrong,), _describe_wrong_kind(executor))]
    try:
        # Not `naming_plugin`, which would take a third of the time of this check of each job.
        reasons, values_of = _ask_once(executor.unsupported_keys)
    except Invalid as error:
        named = name_plugin(error, Kind.EXECUTOR, ref.type, plugins, _FROM_OPTIONS)
        return [*problems, Problem(("executor",), f"can't be checked: {named}")]
    if any(values_of(job)):
        refused = {key: reason for key, reason in reasons.items() if key != wrong and getattr(job, key, None)}
        problems += [Problem((key,), reason) for key, reason in refused.items()]
    return problems


@lru_cache(maxsize=64)
def _ask_once(
    unsupported_keys: Callable[[], Mapping[str, str]],
) -> tuple[Mapping[str, str], Callable[[JobFields], Iterable[object]]]:
    """Return what an executor says of all its jobs, of which there may be thousands, and their values of these keys.

    Raises Invalid.
    """
    reasons: Mapping[str, str] = call_plugin(unsupported_keys)
    keys = [key for key in reasons if hasattr(JobFields, key)]
    # Of a single key it would return the value itself.
    return reasons, attrgetter(*keys, keys[0]) if keys else lambda _: ()


def _describe_wrong_kind(executor: type[Executor]) -> str:
    """Return why an executor doesn't carry out a job of this kind, with those that it takes."""
    taken = [kind for kind in JOB_KINDS if kind in executor.takes]
    name = quote(executor.type)
    if not taken:
        return f"can't be run by the executor {name}, whose own options say what to run; remove it"
    words = join_words(taken, "or")
    return f"can't be run by the executor {name}, which takes {words}; write that, or choose another executor"


def limit_problems(ref: PluginRef, limits: Limits, plugins: PluginSource) -> list[Problem]:
    """Return a problem for each limit that the executor can't enforce on this machine."""
    if limits.best_effort or not limits.names:
        return []
    try:
        executor = plugins.get(Kind.EXECUTOR, ref.type)
    except PluginError:
        return []  # reported for the executor itself
    try:
        with naming_plugin(Kind.EXECUTOR, ref.type, plugins, _FROM_OPTIONS):
            reasons = call_plugin(executor.unenforceable, limits) if issubclass(executor, Executor) else {}
    except Invalid as error:
        return [Problem(("limits",), f"can't be checked: {error}")]
    hint = "remove it, or set limits.best_effort = true to run without it"
    return [Problem(("limits", name), f"can't be enforced: {reason}; {hint}") for name, reason in reasons.items()]


def find_shift_problem(schedules: Iterable[Plugin], guards: Iterable[Plugin]) -> str | None:
    """Return why the starts of a job's schedules can't be moved off the days that its guards forbid, or None."""
    schedules = list(schedules)
    if not any(isinstance(guard, ComputedGuard) for guard in guards):
        return "needs a guard that knows the days, such as calendar or weekday; add it to guards"
    if any(isinstance(schedule, ScheduleTrigger) and schedule.run_point() for schedule in schedules):
        return "is for schedules by the clock, not for one that counts from the last run; remove it"
    if any(_has_many_starts(schedule) for schedule in schedules if isinstance(schedule, ScheduleTrigger)):
        return "is for schedules with at most 168 starts a week; remove it, because guards are enough for others"
    return None


def _has_many_starts(schedule: ScheduleTrigger) -> bool:
    begin = datetime(2026, 1, 5, tzinfo=UTC)  # any week
    instant: datetime | None = begin
    for _ in range(MAX_SHIFTED_STARTS + 1):
        instant = None if instant is None else schedule.next_after(instant)
    return instant is not None and instant < begin + timedelta(days=7)
