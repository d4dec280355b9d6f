"""Which file a path leads to, by way of which entries of which directories, and whether it is still the same one."""

from collections import defaultdict
from pathlib import Path

MOST_STEPS = 40
"""As many as the system itself follows before it says that links go round in a circle."""

Mark = tuple[int, ...] | None


def mark_of(path: Path) -> Mark:
    """What changes when the file does, be it written, replaced or made readable; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def entries_to(path: Path) -> dict[Path, set[str]]:
    """The directories, and in each the names, that decide which file the path leads to, from its own directory on."""
    found: defaultdict[Path, set[str]] = defaultdict(set)
    directory, rest = path.parent.resolve(), [path.name]
    for _ in range(MOST_STEPS):
        if not rest or not directory.is_dir():
            break
        name = rest.pop(0)
        entry = directory / name
        if name == "..":
            directory = directory.parent
        elif entry.is_symlink():
            found[directory].add(name)
            target = entry.readlink()
            if target.is_absolute():
                directory, rest = target.parent.resolve(), [target.name, *rest]
            else:
                rest = [*target.parts, *rest]
        elif rest:
            directory = entry
        else:
            found[directory].add(name)
    return dict(found)
