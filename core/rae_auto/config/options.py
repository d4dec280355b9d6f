"""Plugins made of their options, by one path for the configuration and for jobs from elsewhere."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.trigger import SourceTrigger
from rae_auto.config.structure import options_of, structure
from rae_auto.errors import PluginError
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Findings, Key, Problem, invalid

P = TypeVar("P")


@frozen
class InnerTriggers:
    """Makes the triggers that are options of others."""

    plugins: PluginSource
    timezone: str

    def __call__(self, ref: TriggerRef) -> Plugin:
        """Make the trigger of a reference. Raises Invalid if there is none."""
        return make(Kind.TRIGGER, ref, self.plugins, self.timezone)


def build(plugin_class: type[P], options: Mapping[str, Any], *, timezone: str, plugins: PluginSource) -> P:
    """Make a plugin of these options; triggers among them come from `plugins`. Raises Invalid.

    A field called `timezone` that is left unset gets `timezone`, an IANA name. Errors: Invalid (a ValueError) with
    all problems of the options.
    """
    given = dict(options)
    if given.get("timezone") is None and "timezone" in options_of(plugin_class):
        given["timezone"] = timezone
    return structure(given, plugin_class, maker=InnerTriggers(plugins, timezone))


def make(kind: Kind, ref: PluginRef | TriggerRef | GuardRef, plugins: PluginSource, timezone: str) -> Plugin:
    """Make the plugin that a reference names. Raises Invalid if there is none or it is unavailable."""
    known = plugins.names(kind)
    if ref.type not in known:
        near = did_you_mean(ref.type, known) or f"; installed: {', '.join(sorted(known)) or 'none'}"
        raise invalid(f"there is no {kind} called {ref.type!r}{near}")
    try:
        plugin_class = plugins.get(kind, ref.type)
    except PluginError as error:
        raise invalid(str(error)) from None
    if reason := plugin_class.available():
        raise invalid(f"{kind} {ref.type!r} can't serve here: {reason}")
    return build(plugin_class, ref.options, timezone=timezone, plugins=plugins)


def check_plugins_of(
    triggers: Iterable[tuple[Key, TriggerRef]],
    guards: Iterable[GuardRef],
    executor: PluginRef | None,
    plugins: PluginSource,
    timezone: str,
    findings: Findings,
) -> dict[Key, tuple[str, ...]]:
    """Note what is wrong or doubtful with the plugins of a job; the keys say where its triggers stand.

    Returns the jobs that it follows, by the keys of the triggers that do.
    """
    upstream_jobs: dict[Key, tuple[str, ...]] = {}
    for key, ref in triggers:
        with findings.within(*key):
            trigger = make(Kind.TRIGGER, ref, plugins, timezone)
            warnings = getattr(trigger, "warnings", tuple)
            findings.doubts.extend(Problem(key, text) for text in warnings())
            if isinstance(trigger, SourceTrigger):
                upstream_jobs[key] = trigger.upstream_jobs()
    for index, guard in enumerate(guards):
        with findings.within("guards", index):
            make(Kind.GUARD, guard, plugins, timezone)
    if executor is not None:
        with findings.within("executor"):
            make(Kind.EXECUTOR, executor, plugins, timezone)
    return upstream_jobs


def limit_problems(ref: PluginRef, limits: Limits, plugins: PluginSource) -> list[Problem]:
    """Return a problem for each limit that the executor can't enforce on this machine."""
    if limits.best_effort or not limits.given:
        return []
    try:
        executor = plugins.get(Kind.EXECUTOR, ref.type)
    except PluginError:
        return []  # which is told of the executor itself
    found = executor.unenforceable(limits) if issubclass(executor, Executor) else {}
    remedy = "take it out, or set limits.best_effort = true to run without"
    return [Problem(("limits", name), f"can't be enforced: {reason}; {remedy}") for name, reason in found.items()]
