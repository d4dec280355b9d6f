"""The directory entries that decide which file a path leads to."""

from collections import defaultdict
from pathlib import Path

MAX_LINKS = 40
"""The number of symbolic links that Linux follows before it reports a loop."""


def find_directory_entries(path: Path) -> dict[Path, set[str]]:
    """Return the directories, and the names in each, that decide which file `path` leads to.

    Symbolic links are followed one at a time, starting in the directory of `path`; each link on the way is an entry.
    """
    entries: defaultdict[Path, set[str]] = defaultdict(set)
    directory, rest = path.parent.resolve(), [path.name]
    for _ in range(MAX_LINKS):
        if not rest or not directory.is_dir():
            break
        name = rest.pop(0)
        entry = directory / name
        if name == "..":
            directory = directory.parent
        elif entry.is_symlink():
            entries[directory].add(name)
            target = entry.readlink()
            if target.is_absolute():
                directory, rest = target.parent.resolve(), [target.name, *rest]
            else:
                rest = [*target.parts, *rest]
        elif rest:
            directory = entry
        else:
            entries[directory].add(name)
    return dict(entries)
