"""Which plugins are installed, read from the entry points without importing any of them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from attrs import frozen

from rae_auto.api.plugin import Kind


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

    @property
    def provenance(self) -> str:
        return f"{self.distribution} {self.version}"


GROUPS: Mapping[Kind, str] = {kind: f"rae_auto.{kind}s" for kind in Kind}


@lru_cache(maxsize=1)
def installed() -> tuple[PluginInfo, ...]:
    """All entry points of the six groups, sorted by kind and name. Looked up once: a scan takes milliseconds."""
    # Late: a command that names no plugin needs neither the package nor the scan.
    from importlib_metadata import entry_points

    found = {_info(kind, point) for kind, group in GROUPS.items() for point in entry_points(group=group)}
    order = list(Kind)
    return tuple(sorted(found, key=lambda info: (order.index(info.kind), info.name, info.distribution)))


def _info(kind: Kind, point: Any) -> PluginInfo:
    distribution = point.dist
    return PluginInfo(
        kind,
        point.name,
        point.value,
        distribution.name if distribution else "unknown",
        distribution.version if distribution else "?",
    )


def claims(infos: Iterable[PluginInfo], kind: Kind, name: str) -> list[PluginInfo]:
    """Everybody who claims this name."""
    return [info for info in infos if info.kind is kind and info.name == name]
