"""Checks of plugins: those that can't be loaded, and the problems that those in use report on this machine."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
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
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.registry import Registry, State
from rae_auto.toolkit.secrets.masking import mask_known_secrets
from rae_auto.toolkit.threads.daemon_threads import DaemonThreads

PROBLEMS_TIMEOUT_SECONDS = 10.0
"""Time that all plugins together have to find their problems."""

MAX_LISTED_USES = 3

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
        is_loaded = info.state is not State.BROKEN and (info.kind, info.name) in used
        loaded = registry.info(info.kind, info.name) if is_loaded else info
        if loaded.state in (State.BROKEN, State.UNAVAILABLE):
            observation = loaded.problem or f"{loaded.kind} {quote(loaded.name)} is {loaded.state}"
            hint = "install another version, or use another plugin" if is_loaded else f"uninstall {loaded.distribution}"
            yield Finding(
                "plugin",
                observation if loaded.provenance in observation else f"{observation} ({loaded.provenance})",
                hint,
            )
    for problem in registry.file_problems():
        yield Finding("plugin", problem, "correct it, or remove it from [plugins]")
    yield Finding("plugins", f"{len(registry.infos())} installed; 'rae-auto plugins' lists them")


def check_limits_of(registry: Registry, config: Config) -> Iterator[Finding]:
    """Check that the limits of jobs are enforced on this machine, and report by what."""
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


def check_kernel_needs(registry: Registry, config: Config, machine: Machine) -> Iterator[Finding]:
    """Check that the kernel's limits are enough for all triggers together, which no single one can check."""
    end = time.monotonic() + PROBLEMS_TIMEOUT_SECONDS
    threads = DaemonThreads("doctor-needs", _MAX_THREADS)
    asked: list[tuple[_Use, Future[Mapping[str, int]]]] = []
    for use in _uses(config):
        if use.kind is Kind.TRIGGER:
            with suppress(Invalid):  # reported with the configuration
                plugin = make(use.kind, use.ref, registry, config.timezone)
                asked.append((use, threads.submit(plugin.kernel_needs)))
    needs: dict[str, Counter[str]] = defaultdict(Counter)
    for use, answer in asked:
        # A trigger that fails or counts for too long is reported elsewhere, and may have all that it needs.
        with suppress(Exception):
            for limit, count in answer.result(max(0.0, end - time.monotonic())).items():
                needs[limit][use.place] += count
    for limit, counts in needs.items():
        yield from _compare_with_limit(limit, counts, machine)


def _compare_with_limit(limit: str, counts: Counter[str], machine: Machine) -> Iterator[Finding]:
    text = (machine.read(f"/proc/sys/{limit}") or "").strip()
    total, name = counts.total(), limit.replace("/", ".")
    if not text.isdecimal() or not total:
        return
    most = ", ".join(f"{place}: {count:,}" for place, count in counts.most_common(MAX_LISTED_USES))
    more = len(counts) - MAX_LISTED_USES
    most += f" and {format_count(more, 'more job')}" if more > 0 else ""
    observation = f"the triggers need {total:,} of the {int(text):,} of {name} ({most})"
    is_enough = total <= int(text)
    yield Finding("limits", observation, None if is_enough else f"run 'sudo sysctl {name}={_round_up(2 * total)}'")


def _round_up(number: int) -> int:
    """Return the next power of two."""
    return 1 << (number - 1).bit_length()


def _ask(plugin: Plugin, directory: Path) -> tuple[str, ...]:
    return tuple(map(mask_known_secrets, plugin.problems(directory)))


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
