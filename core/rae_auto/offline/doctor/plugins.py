"""Checks of plugins: those that can't be loaded, and what each one in use says about itself on this machine."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.config import Config
from rae_auto.config.options import make
from rae_auto.errors import PluginError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.formatting import describe_error, format_count, quote
from rae_auto.model.primitives.problems import Invalid
from rae_auto.offline.doctor.finding import Finding
from rae_auto.registry import Registry, State
from rae_auto.toolkit.daemon_threads import DaemonThreads

PROBLEMS_TIMEOUT_SECONDS = 10.0
"""Time that all plugins together have to find their problems."""

_MAX_THREADS = 16
_HINT = "see 'rae-auto plugins show'"

Ref = PluginRef | TriggerRef | GuardRef


@frozen
class _Use:
    """A plugin that a configuration names, and where."""

    kind: Kind
    ref: Ref
    place: str


def check_registry(registry: Registry, config: Config | None) -> Iterator[Finding]:
    """Check that the installed plugins can be loaded: those in use, because loading runs their code."""
    used = {(use.kind, use.ref.type) for use in _uses(config)} if config else set()
    for info in registry.infos():
        loaded = registry.info(info.kind, info.name) if (info.kind, info.name) in used else info
        if loaded.state in (State.BROKEN, State.UNAVAILABLE):
            observation = loaded.problem or f"{loaded.kind} {quote(loaded.name)} is {loaded.state}"
            observation = f"{observation} ({loaded.provenance})"
            yield Finding("plugin", observation, "install another version, or use another plugin")
    yield Finding("plugins", f"{len(registry.infos())} installed; 'rae-auto plugins' lists them")


def check_limits_of(registry: Registry, config: Config) -> Iterator[Finding]:
    """Check that the limits of jobs are enforced on this machine, and tell by what."""
    for name in sorted({job.executor_ref.type for job in config.jobs}):
        try:
            executor = registry.get(Kind.EXECUTOR, name)
        except PluginError:
            continue  # Reported with the plugins.
        if issubclass(executor, Executor):
            backends = executor.backends()
            enforced = "; ".join(f"{limit} ({how})" for limit, how in backends.items() if how)
            missing = ", ".join(limit for limit, how in backends.items() if not how)
            texts = [f"enforces {enforced or 'none'}", *([f"can't enforce {missing} here"] if missing else [])]
            yield Finding("limits", f"the {name} executor {', and '.join(texts)}")
            for job in (job for job in config.jobs if job.executor_ref.type == name):
                yield from _find_unenforced(job, executor)


def check_plugins(registry: Registry, config: Config, directory: Path) -> Iterator[Finding]:
    """Ask each plugin in use for its problems, all at once; `directory` is that of the state."""
    end = time.monotonic() + PROBLEMS_TIMEOUT_SECONDS
    threads = DaemonThreads("doctor", _MAX_THREADS)
    asked: list[tuple[_Use, Future[tuple[str, ...]]]] = []
    for use in _distinct(_uses(config)):
        try:
            plugin = make(use.kind, use.ref, registry, config.timezone)
        except Invalid:
            continue  # Reported with the configuration.
        asked.append((use, threads.submit(_ask, plugin, directory)))
    for use, answer in asked:
        try:
            problems = answer.result(max(0.0, end - time.monotonic()))
        except FutureTimeoutError:
            observation = f"{use.place} did not answer within {PROBLEMS_TIMEOUT_SECONDS:g} s"
            yield Finding(use.kind.value, observation, "check what it depends on")
            continue
        except Exception as error:
            yield Finding(use.kind.value, f"{use.place} can't be checked: {describe_error(error)}", _HINT)
            continue
        for text in problems:
            yield Finding.from_message(use.kind.value, f"{use.place}: {text}", _HINT)
    if asked:
        yield Finding("plugins", f"asked {format_count(len(asked), 'plugin')} in use for problems")


def _ask(plugin: Plugin, directory: Path) -> tuple[str, ...]:
    return tuple(plugin.problems(directory))


def _find_unenforced(job: Job, executor: type[Executor]) -> Iterator[Finding]:
    for limit, reason in executor.unenforceable(job.limits).items():
        observation = f"job {quote(job.id)}: limits.{limit} has no effect ({reason})"
        yield Finding("limits", observation, "remove it, or use an executor that can enforce it")


def _uses(config: Config) -> Iterator[_Use]:
    yield _Use(Kind.STORE, config.store, f"store {quote(config.store.type)}")
    for ref in config.loggers:
        yield _Use(Kind.LOGGER, ref, f"logger {quote(ref.type)}")
    for name, ref in config.notifiers.items():
        yield _Use(Kind.NOTIFIER, ref, f"notifier {quote(name)}")
    for job in config.jobs:
        place = f"job {quote(job.id)}"
        yield _Use(Kind.EXECUTOR, job.executor_ref, place)
        for trigger in job.schedule:
            yield _Use(Kind.TRIGGER, trigger, place)
        for guard in job.guards:
            yield _Use(Kind.GUARD, guard, place)


def _distinct(uses: Iterator[_Use]) -> Iterator[_Use]:
    """Yield each plugin with its options once, at its first place; notifiers each by their name."""
    seen: list[tuple[Kind, str, Mapping[str, object]]] = []
    for use in uses:
        key = (use.kind, use.ref.type, use.ref.options)
        if use.kind is Kind.NOTIFIER or key not in seen:
            seen.append(key)
            yield use
