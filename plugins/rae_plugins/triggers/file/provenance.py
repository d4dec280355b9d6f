"""Which changes may be the doing of the job's own runs: those first seen after a run of what was seen before.

Files that come together are of one generation, however long their runs follow one another. One that is seen later than
a run of the latest generation was taken on may have been written by that, and begins the next.
"""

from collections.abc import Iterable

from attrs import define, field


@define
class Lineage:
    """Generations of single files that are to be told, by their paths."""

    _latest: int = field(init=False, default=0)
    """Of all that were taken on."""

    _of: dict[str, int] = field(init=False, factory=dict)

    def seen(self, paths: Iterable[str]) -> None:
        """These wait to be told; what waited before stays what it is."""
        self._of = {path: self._of.get(path, self._latest + 1) for path in paths}

    def may_be_own(self, path: str) -> bool:
        """Whether a run of the latest generation may have written it."""
        return self._of.get(path, self._latest + 1) > self._latest

    def taken(self, path: str) -> None:
        """A run was begun, or refused for good."""
        self._latest = max(self._latest, self._of.pop(path, self._latest + 1))
