"""Inspections of installed plugins, of a project's folder, or of a file, with their prints redirected."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.config.hints.misplaced import describe_misplaced, find_misplaced
from rae_auto.config.options import build
from rae_auto.entry_points import find_entry_point_place
from rae_auto.errors import PluginNotFound
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.registry import Registry
from rae_auto.registry.index import PluginInfo, claims, find_conflict
from rae_auto.registry.inspection import Inspection, Mistake, find_projects_plugins, inspect_plugin, packaging_findings
from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_seconds

INSPECTION_SECONDS = 30.0
"""Time that the inspection of a plugin may take."""


@frozen
class InspectionTarget:
    """The plugins that a name or a path stands for, with the faults of their packaging."""

    infos: Sequence[PluginInfo]
    packaging: Sequence[Mistake] = ()


@contextmanager
def quiet_output() -> Iterator[None]:
    """Send what plugins print to standard error, apart from the output of the command."""
    with redirect_stdout(sys.stderr):
        yield


def find_target(word: str | None) -> InspectionTarget:
    """Return the plugins of a path, of KIND:NAME, of a name or a distribution; all installed ones for None.

    Puts the folders of a path at the front of the path of imports. Raises PluginNotFound and PluginError.
    """
    infos = Registry().infos()
    if word is None:
        packaging = [Mistake("group", text) for text in dict.fromkeys(text for _, text in find_misplaced())]
        return InspectionTarget([info for info in infos if not info.is_built_in] or infos, packaging)
    path = Path(word)
    if path.exists() and (path.is_dir() or path.suffix == ".py"):
        found, folders = find_projects_plugins(path)
        sys.path[:0] = [str(folder.resolve()) for folder in folders]
        return InspectionTarget(found, packaging_findings(path))
    kind, _, name = word.rpartition(":")
    named = [info for info in infos if (info.name == name and kind in ("", info.kind)) or info.distribution == word]
    if not named:
        if misplaced := describe_misplaced(name):
            raise PluginNotFound(misplaced)
        hint = did_you_mean(word, {one for info in infos for one in (info.name, info.distribution)})
        raise PluginNotFound(
            f"no plugin, folder or file is called {quote(word)}{hint or '; list all with rae-auto plugins'}"
        )
    conflicts = {
        text: find_entry_point_place(info.distribution, info.name)
        for info in named
        if (text := find_conflict(claims(infos, info.kind, info.name)))
    }
    return InspectionTarget(named, [Mistake("name", text, place) for text, place in conflicts.items()])


def inspect_within_limit(
    info: PluginInfo,
    options: Mapping[str, Any] | None = None,
    *,
    timezone: str = "UTC",
    seconds: float = INSPECTION_SECONDS,
) -> Inspection:
    """Return the findings of a plugin; one that hangs has this as its finding.

    A field `timezone` that is unset gets the `timezone`, an IANA name.
    """
    registry = Registry()
    own = frozenset(one.name for one in registry.infos() if one.kind is info.kind and one.is_built_in)

    def make(cls: type[Plugin], given: Mapping[str, Any]) -> Plugin:
        return build(cls, given, timezone=timezone, plugins=registry)

    try:
        return call_within_seconds(
            seconds,
            inspect_plugin,
            info,
            make=make,
            options=None if options is None else dict(options),
            own_names=own,
        )
    except TookTooLong as error:
        return Inspection(info, (Mistake("import", f"the plugin hangs: {error}; end its loop"),))


def inspect_all(word: str | None) -> tuple[list[Inspection], Sequence[Mistake]]:
    """Return the inspections of all plugins that a word means, and the findings of their packaging."""
    with quiet_output():
        target = find_target(word)
        return [inspect_within_limit(info) for info in target.infos], target.packaging
