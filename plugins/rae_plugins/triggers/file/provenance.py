"""Distinguishes changes that the job's own runs may have made from changes that can't be theirs.

Every pending path belongs to a generation. Paths that were pending together are of one generation, however long their
runs follow one another. A path that becomes pending after a run of the latest generation was accepted may have been
written by that run, so it starts the next generation. Only such paths count as feedback (see `feedback_key`): a
thousand files copied into a folder at once are no loop, while a job that rewrites what it watches is one.
"""

from collections.abc import Iterable

from attrs import define, field


@define
class Provenance:
    """The generations of the pending paths."""

    _latest_accepted: int = field(init=False, default=0)
    _generations: dict[str, int] = field(init=False, factory=dict)

    def set_pending(self, paths: Iterable[str]) -> None:
        """Replace the pending paths; those that were pending before stay in their generation."""
        self._generations = {path: self._generations.get(path, self._latest_accepted + 1) for path in paths}

    def may_be_own_output(self, path: str) -> bool:
        """Return whether a run of the latest generation may have written the path."""
        return self._generations.get(path, self._latest_accepted + 1) > self._latest_accepted

    def accept(self, path: str) -> None:
        """Note that a run was started for the path, or refused for good."""
        generation = self._generations.pop(path, self._latest_accepted + 1)
        self._latest_accepted = max(self._latest_accepted, generation)
