"""Entry points of plugins, read from the files of the installed distributions.

The package importlib_metadata reads the same files. It isn't used where there are only folders, because its import
alone takes as long as a whole command should, and a daemon would keep its modules. What only it can read (archives,
eggs, finders of other programs) it still reads: then the answer is its own.

Formats: the Python Packaging User Guide, "Entry points specification" and "Recording installed projects".
"""

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

DIRECTORY_VARIABLE = "RAE_PLUGINS_DIR"
"""The variable of the environment with folders of plugins that are single files, as --plugins-dir sets it."""

DISABLED_VARIABLE = "RAE_DISABLED_PLUGINS"
"""The variable of the environment with plugins that are not used, as --no-plugin sets it."""

FILE_NAME = "entry_points.txt"

GROUP_PREFIXES = ("rae_auto", "raeauto")
"""Prefixes of the groups of plugins, and of those that were meant to be such groups."""

_LIKELY = re.compile(rb"(?i)rae[-_]?auto")
"""Text that only the files of distributions with plugins contain."""

_METADATA_NAMES = ("METADATA", "PKG-INFO")
_FINDERS = frozenset({"PathFinder", "MetadataPathFinder"})
"""Finders that look into the folders of `sys.path` alone: Python's, and that of the package importlib_metadata."""


class InstalledPoint(NamedTuple):
    """An entry point, and the distribution that declares it."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def module(self) -> str:
        """Return the module that it names."""
        return self.value.partition(":")[0].partition("[")[0].strip()


def read_entry_points() -> list[InstalledPoint]:
    """Return the entry points of all installed distributions whose groups are for plugins of rae-auto.

    Of two distributions with the same name the one that comes first on `sys.path` counts, as when it is imported.
    """
    folders = [path or os.curdir for path in sys.path]
    if any(_is_special(path) for path in folders) or any(map(_finds_more, sys.meta_path)):
        return list(_ask_importlib_metadata())
    found: list[InstalledPoint] = []
    seen: set[str] = set()
    for folder in folders:
        for name in _names_in(folder):
            stem, _, kind = name.rpartition(".")
            if kind.lower() not in ("dist-info", "egg-info"):
                continue
            key = _normalize(stem.partition("-")[0])
            if key not in seen:
                seen.add(key)
                found += _read_distribution(f"{folder}{os.sep}{name}", stem)
    return found


def find_entry_point_place(distribution: str, name: str) -> str:
    """Return FILE:LINE of an entry point of an installed distribution; "" if it isn't in a folder of `sys.path`."""
    wanted = _normalize(distribution)
    for folder in (path or os.curdir for path in sys.path):
        for entry in _names_in(folder):
            stem, _, kind = entry.rpartition(".")
            if kind.lower() in ("dist-info", "egg-info") and _normalize(stem.partition("-")[0]) == wanted:
                where = f"{folder}{os.sep}{entry}"
                lines = _read(where, FILE_NAME).decode(errors="replace").splitlines()
                numbers = (n for n, line in enumerate(lines, 1) if line.partition("=")[0].strip() == name)
                return next((f"{where}{os.sep}{FILE_NAME}:{number}" for number in numbers), "")
    return ""


def _normalize(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _is_special(path: str) -> bool:
    """Return whether distributions are found in a path otherwise than as folders in it."""
    return path.lower().endswith(".egg") or os.path.isfile(path)  # noqa: PTH113


def _finds_more(finder: object) -> bool:
    name = getattr(finder, "__name__", None) or type(finder).__name__
    return hasattr(finder, "find_distributions") and name not in _FINDERS


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def _read_distribution(folder: str, stem: str) -> Iterator[InstalledPoint]:
    """Yield the entry points of one distribution."""
    content = _read(folder, FILE_NAME)
    if not _LIKELY.search(content):
        return
    name, _, version = stem.partition("-")
    origin = {"name": name, "version": version, **_read_origin(folder)}
    for group, key, value in parse_entry_points(content.decode(errors="replace")):
        if is_plugin_group(group):
            yield InstalledPoint(group, key, value, origin["name"], origin["version"])


def _read_origin(folder: str) -> dict[str, str]:
    """Return the name and the version in the headers of the metadata."""
    found: dict[str, str] = {}
    content = next(filter(None, (_read(folder, name) for name in _METADATA_NAMES)), b"")
    for line in content.decode(errors="replace").splitlines():
        if not line:
            break
        key, is_header, value = line.partition(":")
        if is_header and key.lower() in ("name", "version"):
            found.setdefault(key.lower(), value.strip())
    return found


def _read(folder: str, name: str) -> bytes:
    try:
        with open(f"{folder}{os.sep}{name}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def parse_entry_points(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of each entry point in the text of such a file; other lines are passed over."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            continue
        name, is_pair, value = line.partition("=")
        if is_pair and group and not line.startswith("#"):
            yield group, name.strip(), value.strip()


def is_plugin_group(group: str) -> bool:
    """Return whether a group is for plugins of rae-auto, or was meant to be."""
    return group.lower().replace("-", "_").startswith(GROUP_PREFIXES)


def _ask_importlib_metadata() -> Iterator[InstalledPoint]:
    from importlib_metadata import distributions  # lazy: start-up

    seen: set[str] = set()
    for distribution in distributions():
        name, version = distribution.metadata["Name"] or "unknown", distribution.metadata["Version"] or "?"
        key = _normalize(name)
        if key in seen:
            continue
        seen.add(key)
        for point in distribution.entry_points:
            if is_plugin_group(point.group):
                yield InstalledPoint(point.group, point.name, point.value, name, version)
