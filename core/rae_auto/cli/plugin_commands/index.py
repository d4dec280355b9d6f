"""The commands of the installed plugins, and the lines of the help about them, without importing any of them."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rae_auto.cli.command_index import COMMANDS
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import NAME
from rae_auto.paths import DIRECTORY_VARIABLE, DISABLED_VARIABLE

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from importlib.metadata import EntryPoint

_GROUP = "rae_auto.commands"
_VARIABLES = (DIRECTORY_VARIABLE, DISABLED_VARIABLE, "RAE_PLUGINS", "RAE_NO_PLUGINS")


@lru_cache(maxsize=1)
def find_plugin_commands() -> Mapping[str, Sequence["EntryPoint"]]:
    """Return the plugins that offer each command, by its name; names of the program's own are never among them."""
    # Late, because most calls name one of these; and Python's own, because importlib_metadata, which finds all other
    # plugins, takes three times as long to import.
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    points: Iterable[EntryPoint] = entry_points(group=_GROUP)
    if any(os.environ.get(name) for name in _VARIABLES):
        points = _chosen(points)
    for point in sorted(points, key=lambda point: (point.name, _origin(point))):
        if NAME.fullmatch(point.name) and point.name not in COMMANDS:
            found.setdefault(point.name, []).append(point)
    return found


def _chosen(points: Iterable["EntryPoint"]) -> Iterator["EntryPoint"]:
    """Yield those of the installed commands that the environment chooses, and those of single files."""
    from importlib.metadata import EntryPoint  # lazy: start-up

    from rae_auto.api.plugin import Kind  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up

    chosen = [info for info in Registry().infos() if info.kind is Kind.COMMAND]
    used = {(info.name, info.module) for info in chosen}
    yield from (point for point in points if (point.name, point.value) in used)
    yield from (EntryPoint(info.name, info.module, _GROUP) for info in chosen if info.path is not None)


def summarize(points: Sequence["EntryPoint"]) -> str:
    """Return the line of the help about a command: the docstring of its module, read from the source."""
    import ast  # lazy: start-up

    if len(points) > 1:
        return f"(provided by {' and '.join(_origin(point) for point in points)}; uninstall one of them)"
    try:
        spec = _find(points[0].module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        docstring = ast.get_docstring(ast.parse(source)) or ""
    except (ImportError, OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        docstring = ""
    # What another program wrote is shown in a terminal.
    line = "".join(character for character in docstring.partition("\n")[0] if character.isprintable())
    return line or f"(from {_origin(points[0])})"


def _origin(point: "EntryPoint") -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else quote(point.value)


def _find(module: str) -> "ModuleSpec | None":
    """Return where a module is, or None. The usual way would import the packages around it."""
    from importlib.machinery import PathFinder  # lazy: start-up
    from importlib.util import find_spec  # lazy: start-up

    top, *rest = module.split(".")
    spec = find_spec(top)
    for number, _ in enumerate(rest):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join([top, *rest[: number + 1]]), spec.submodule_search_locations)
    return spec
