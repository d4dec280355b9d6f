"""Commits of a bounded size: the changes of a turn, cut between its parts.

A store may have a limit on what it commits at once, and a commit that never succeeds would hold up everything for
ever. What is durable may end after any part of a step (see `engine.turn`), so a turn of any size can be committed.
"""

from collections.abc import Iterable, Iterator, Sequence

from rae_auto.engine.effects import Change, Discard, Step
from rae_auto.model.run import Run

MAX_BATCH_CHANGES = 2000
"""Number of changes that are committed at once, unless a single part has more."""

MAX_BATCH_BYTES = 8 << 20
"""Number of bytes that are committed at once, by a careful estimate, unless a single part has more."""

_CHANGE_BYTES = 800


def split_into_batches(steps: Iterable[Step]) -> Iterator[list[Change]]:
    """Yield the changes of these steps in commits of a bounded size, none if there are no changes."""
    steps = tuple(steps)
    changes = [change for step in steps for change in step.changes]
    if len(changes) <= MAX_BATCH_CHANGES and _estimate_bytes(changes) <= MAX_BATCH_BYTES:
        # As mostly: then their parts don't matter.
        if changes:
            yield changes
        return
    batch: list[Change] = []
    batch_bytes = 0
    for part in (part for step in steps for part in step.parts()):
        part_bytes = _estimate_bytes(part)
        is_full = len(batch) + len(part) > MAX_BATCH_CHANGES or batch_bytes + part_bytes > MAX_BATCH_BYTES
        if batch and is_full:
            yield batch
            batch, batch_bytes = [], 0
        batch += part
        batch_bytes += part_bytes
    if batch:
        yield batch


def _estimate_bytes(changes: Sequence[Change]) -> int:
    runs = [change.value for change in changes if type(change.value) is Run and type(change) is not Discard]
    return _CHANGE_BYTES * len(changes) + sum(len(repr(run.event)) for run in runs if run.event)
