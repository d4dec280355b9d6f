"""Hints at plugins that are installed and not found: their group of entry points is misspelled, or there is none.

Nothing here is asked for unless a plugin is missing, or its author wants to know.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rae_auto.api.plugin import Kind
from rae_auto.entry_points import InstalledPoint, find_entry_point_place, is_plugin_group, read_entry_points
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import find_nearest_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUPS = tuple(f"rae_auto.{kind}s" for kind in Kind)

MAX_FILES = 200
"""Files of a distribution that are looked through for a hook."""

_REQUIRES = re.compile(r"rae[-_.]auto\b", re.IGNORECASE)
_HOOK = re.compile(rf"^def rae_({'|'.join(Kind)})s\(", re.MULTILINE)
_TYPE = re.compile(r"""^\s+type\b[^=\n]*=\s*["']([\w-]+)["']""", re.MULTILINE)


def find_misplaced() -> Iterator[tuple[str, str]]:
    """Yield the name of each installed plugin that isn't found, with what its author has to change.

    That is an entry point in a misspelled group, or a module with a hook of a distribution without entry points, by its
    type and by the distribution's name.
    """
    from importlib.metadata import distributions  # lazy: memory, asked for rarely

    for point in read_entry_points():
        if point.group not in GROUPS:
            yield point.name, _describe(point)
    for distribution in distributions():
        if any(_REQUIRES.match(one) for one in distribution.requires or ()):
            yield from _find_unregistered(distribution)


def _find_unregistered(distribution: "Distribution") -> Iterator[tuple[str, str]]:
    if any(is_plugin_group(point.group) for point in distribution.entry_points):
        return
    for path, module in _modules_of(distribution):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        hook = _HOOK.search(text)
        if hook is None or "hookimpl" not in text:
            continue
        name = distribution.metadata["Name"]
        line = text.count("\n", 0, hook.start()) + 1
        what = f"{name} {distribution.version} has a hook and no entry point, so it is not found ({path}:{line})"
        types = _TYPE.findall(text) or ["NAME"]
        group = f'[project.entry-points."rae_auto.{hook[1]}s"]'
        hint = f'its author must write {types[0]} = "{module}" below {group}, and install it again'
        for word in (*types, name):
            yield word, f"{what}; {hint}"


def _modules_of(distribution: "Distribution") -> Iterator[tuple[Path, str]]:
    """Yield the files of a distribution's modules with their names, of an editable one those of its folder."""
    for file in (distribution.files or ())[:MAX_FILES]:
        path = Path(str(distribution.locate_file(file)))
        if path.suffix == ".py":
            yield path, _module_name(Path(str(file)))
        elif path.suffix == ".pth":
            folder = Path(path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else "")
            for found in _files_below(folder) if folder.is_absolute() else ():
                yield found, _module_name(found.relative_to(folder))


def _files_below(folder: Path) -> list[Path]:
    """Return modules of a folder and of the packages in it; not deeper, since there may be an environment in it."""
    return [*sorted(folder.glob("*.py")), *sorted(folder.glob("*/*.py"))][:MAX_FILES]


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _describe(point: InstalledPoint) -> str:
    near = find_nearest_name(point.group, GROUPS)
    hint = f"its author must write {quote(near)}" if near else f"its author must use one of {', '.join(GROUPS)}"
    place = find_entry_point_place(point.distribution, point.name)
    return (
        f"{point.distribution} {point.version} offers {quote(point.name)} in the group {quote(point.group)}, "
        f"which is not looked at{f' ({place})' if place else ''}; {hint}"
    )


def describe_misplaced(name: str) -> str | None:
    """Return the hint for a name that was not found, or None."""
    return next((text for found, text in find_misplaced() if found == name), None)
