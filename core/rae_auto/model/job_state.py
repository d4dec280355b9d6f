"""What the scheduler remembers of a job between its runs."""

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from rae_auto.model.names import JobId, RunId
from rae_auto.model.run import RunState


@frozen
class JobState:
    """`cursors` holds, by trigger id, the last instant dealt with; `seen` the keys of other occurrences, oldest first.

    `last_state` is the end of the latest finished run (skipped ones don't count), `failures` how many in a
    row did not succeed.
    """

    job: JobId
    paused: bool = False
    cursors: Mapping[str, datetime] = field(factory=dict)
    seen: tuple[str, ...] = ()
    last_state: RunState | None = None
    last_run: RunId | None = None
    last_finished_at: datetime | None = None
    failures: int = 0
