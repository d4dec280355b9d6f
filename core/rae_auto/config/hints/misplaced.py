"""Hints at plugins that are installed and not found: their distribution misspells the group of entry points."""

from collections.abc import Iterator

from rae_auto.api.plugin import Kind
from rae_auto.entry_points import InstalledPoint, find_entry_point_place, read_entry_points
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import find_nearest_name

GROUPS = tuple(f"rae_auto.{kind}s" for kind in Kind)


def find_misplaced() -> Iterator[tuple[str, str]]:
    """Yield the name of each installed entry point in a misspelled group, with what its author has to change."""
    for point in read_entry_points():
        if point.group not in GROUPS:
            yield point.name, _describe(point)


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
