"""Which plugins are installed, read from the entry points without importing any of them."""

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from rae_auto.api.plugin import Kind
from rae_auto.entry_points import read_entry_points
from rae_auto.model.primitives.formatting import join_words, quote


class State(StrEnum):
    """Loading state of a plugin."""

    INSTALLED = "installed"
    LOADED = "loaded"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


@frozen
class PluginInfo:
    """An entry point: what it claims to be, and which distribution it comes from."""

    kind: Kind
    name: str
    module: str
    distribution: str
    version: str
    state: State = State.INSTALLED
    problem: str | None = None
    path: Path | None = None
    """The file of a plugin that is a single file, without a distribution."""

    @property
    def provenance(self) -> str:
        """Return the distribution and its version, or the file."""
        return f"{self.distribution} {self.version}" if self.path is None else f"file {self.path}"

    @property
    def is_built_in(self) -> bool:
        """Return whether it comes with rae-auto."""
        return self.path is None and self.distribution == OWN_DISTRIBUTION


RESERVED_COMMANDS = frozenset(
    {
        *(
            "add",
            "backup",
            "cancel",
            "check",
            "completion",
            "digest",
            "disk",
            "doctor",
            "edit",
            "event",
            "exec",
            "explain",
            "health",
        ),
        *("history", "init", "list", "logs", "metrics", "next", "notify", "output", "pause", "plugins", "prune"),
        *("reload", "remove", "rename", "restore", "resume", "run", "schema", "service", "show", "simulate", "skip"),
        *("stats", "status", "stop", "test-trigger", "trigger", "why"),
    }
)
"""Names of the program's own commands, which no plugin can take. A test compares them with the program's."""

OWN_DISTRIBUTION = "rae-auto"

GROUPS: Mapping[Kind, str] = {kind: f"rae_auto.{kind}s" for kind in Kind}


@lru_cache(maxsize=1)
def installed() -> tuple[PluginInfo, ...]:
    """Return all entry points of all groups, sorted by kind and name; cached, because a scan takes milliseconds."""
    return _scan()


def rescan_installed() -> tuple[PluginInfo, ...]:
    """Return the same with what was installed since; also the next call of `installed` looks again."""
    _forget_folders()
    installed.cache_clear()
    # Not by way of the cache, into which another thread may put what it began to look for earlier.
    return _scan()


def _forget_folders() -> None:
    """Have Python look into the folders of modules again, as `importlib.invalidate_caches` does.

    From Python 3.12 on that loads `importlib.metadata`, which takes 3 MB of a daemon. Without it, new parts of a
    namespace package that has been imported are found after a restart only.
    """
    if sys.version_info < (3, 12) or "importlib.metadata" in sys.modules:
        importlib.invalidate_caches()
        return
    for folder, finder in list(sys.path_importer_cache.items()):
        if finder is None:
            # A folder that was missing may be there now.
            sys.path_importer_cache.pop(folder, None)
        elif hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()


def _scan() -> tuple[PluginInfo, ...]:
    kinds = {group: kind for kind, group in GROUPS.items()}
    found = {
        PluginInfo(kinds[point.group], point.name, point.value, point.distribution, point.version)
        for point in read_entry_points()
        if point.group in kinds
    }
    order = list(Kind)
    return tuple(sorted(found, key=lambda info: (order.index(info.kind), info.name, info.distribution)))


def find_conflict(infos: Sequence[PluginInfo]) -> str | None:
    """Return why none of these plugins gets the name they claim, or None if one of them has it (`find_holder`)."""
    if infos[0].kind is Kind.COMMAND and infos[0].name in RESERVED_COMMANDS:
        called = f"{infos[0].kind} {quote(infos[0].name)}"
        return (
            f"{called} of {infos[0].provenance} is never used, because rae-auto has a command of that name; rename it"
        )
    if len(infos) > 1 and not any(info.is_built_in for info in infos):
        called = f"{infos[0].kind} {quote(infos[0].name)}"
        return f"{called} is provided by {join_words(info.provenance for info in infos)}; uninstall one of them"
    return None


def find_loss(info: PluginInfo, infos: Sequence[PluginInfo]) -> str | None:
    """Return that a plugin isn't used because a built-in one has its name; None if there is none among `infos`."""
    if info.is_built_in or not any(other.is_built_in for other in infos):
        return None
    return (
        f"{info.kind} {quote(info.name)} of {info.provenance} is never used, because rae-auto has a built-in "
        f"{info.kind} of that name; its author must rename it"
    )


def find_holder(infos: Sequence[PluginInfo]) -> PluginInfo:
    """Return which of the plugins that claim a name has it: the built-in one, if there is one."""
    return next((info for info in infos if info.is_built_in), infos[0])


def claims(infos: Iterable[PluginInfo], kind: Kind, name: str) -> list[PluginInfo]:
    """Return all plugins that claim this name."""
    return [info for info in infos if info.kind is kind and info.name == name]
