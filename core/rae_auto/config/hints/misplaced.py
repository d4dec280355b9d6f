"""Hints at plugins that are installed and not found: their distribution misspells the group of entry points."""

from collections.abc import Iterator
from typing import Any

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import find_nearest_name

GROUPS = tuple(f"rae_auto.{kind}s" for kind in Kind)


def find_misplaced() -> Iterator[tuple[str, str]]:
    """Yield the name of each installed entry point in a misspelled group, with what its author has to change."""
    # lazy: only where a plugin is missing
    from importlib_metadata import entry_points

    for point in entry_points():
        if point.group not in GROUPS and point.group.lower().replace("-", "_").startswith(("rae_auto", "raeauto")):
            yield point.name, _describe(point)


def _describe(point: Any) -> str:
    near = find_nearest_name(point.group, GROUPS)
    hint = f"its author must write {quote(near)}" if near else f"its author must use one of {', '.join(GROUPS)}"
    metadata = point.dist.metadata if point.dist else {"Name": "a distribution", "Version": ""}
    owner = f"{metadata['Name']} {metadata['Version']}".strip()
    return f"{owner} offers {quote(point.name)} in the group {quote(point.group)}, which is not looked at; {hint}"


def describe_misplaced(name: str) -> str | None:
    """Return the hint for a name that was not found, or None."""
    return next((text for found, text in find_misplaced() if found == name), None)
