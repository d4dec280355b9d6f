"""The commands of the installed plugins, and the lines of the help about them, without importing any of them."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from rae_auto.cli.command_index import COMMANDS
from rae_auto.entry_points import DIRECTORY_VARIABLE, DISABLED_VARIABLE, InstalledPoint, read_entry_points
from rae_auto.model.primitives.formatting import join_words
from rae_auto.model.primitives.names import NAME

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_GROUP = "rae_auto.commands"
_VARIABLES = (DIRECTORY_VARIABLE, DISABLED_VARIABLE, "RAE_PLUGINS", "RAE_NO_PLUGINS")

_FIRST_LINE = re.compile(r'\s*"""([^"\\\n]+)(?:\n|""")')
"""A docstring at the very beginning of a module, whose first line can be read without parsing the source."""


@lru_cache(maxsize=1)
def find_plugin_commands() -> Mapping[str, Sequence[InstalledPoint]]:
    """Return the plugins that offer each command, by its name; names of the program's own are never among them."""
    found: dict[str, list[InstalledPoint]] = {}
    points: Iterable[InstalledPoint] = [point for point in read_entry_points() if point.group == _GROUP]
    if any(os.environ.get(name) for name in _VARIABLES):
        points = _chosen(points)
    for point in sorted(points, key=lambda point: (point.name, _origin(point))):
        if NAME.fullmatch(point.name) and point.name not in COMMANDS:
            found.setdefault(point.name, []).append(point)
    return found


def _chosen(points: Iterable[InstalledPoint]) -> Iterator[InstalledPoint]:
    """Yield those of the installed commands that the environment chooses, and those of single files."""
    from rae_auto.api.plugin import Kind  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up

    chosen = [info for info in Registry().infos() if info.kind is Kind.COMMAND]
    used = {(info.name, info.module) for info in chosen}
    yield from (point for point in points if (point.name, point.value) in used)
    files = (info for info in chosen if info.path is not None)
    yield from (InstalledPoint(_GROUP, info.name, info.module, "", "") for info in files)


def summarize(points: Sequence[InstalledPoint]) -> str:
    """Return the line of the help about a command: the docstring of its module, read from the source."""
    if len(points) > 1:
        return f"(provided by {join_words(_origin(point) for point in points)}; uninstall one of them)"
    try:
        spec = _find(points[0].module)
        docstring = _read_docstring(spec.origin) if spec and spec.origin else ""
    except (ImportError, OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        docstring = ""
    # What another program wrote is shown in a terminal.
    line = "".join(character for character in docstring.partition("\n")[0] if character.isprintable())
    return line or f"(from {_origin(points[0])})"


def _read_docstring(file: str) -> str:
    with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - start-up
        source = opened.read()
    simple = _FIRST_LINE.match(source)
    if simple is not None:
        return simple[1].strip()
    import ast  # lazy: start-up

    return ast.get_docstring(ast.parse(source)) or ""


def _origin(point: InstalledPoint) -> str:
    if point.distribution:
        return f"{point.distribution} {point.version}"
    from rae_auto.model.primitives.formatting import quote  # lazy: start-up

    return quote(point.value)


def _find(module: str) -> "ModuleSpec | None":
    """Return where a module is, or None. The usual way would import the packages around it."""
    from importlib.machinery import PathFinder  # lazy: start-up

    top, *rest = module.split(".")
    found = (finder.find_spec(top, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    spec = next(filter(None, found), None)
    for number, _ in enumerate(rest):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join([top, *rest[: number + 1]]), spec.submodule_search_locations)
    return spec
