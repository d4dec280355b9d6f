"""What the scheduler remembers of a job between its runs."""

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import FeedbackLoop
from rae_auto.model.run import RunState


@frozen
class Span:
    """The instants after `since`, up to and with `until`."""

    since: datetime
    until: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.since < instant <= self.until


@frozen
class Cursor:
    """Progress of a schedule: each instant after `since`, up to and including `at`, has its decision.

    What lies before `since` was given up as missed, or was there before the schedule. `others` are spans that were
    dealt with too, before that or while the clock was ahead of its time. `schedule` is a digest of the schedule, to
    notice a change.
    """

    at: datetime
    schedule: str
    since: datetime
    others: tuple[Span, ...] = ()


@frozen
class JobState:
    """`cursors` holds, by trigger id, how far each schedule has been dealt with.

    `last_state` is the end of the latest finished run (skipped ones don't count), `failures` how many in a
    row did not succeed.
    """

    job: JobId
    paused: bool = False
    cursors: Mapping[str, Cursor] = field(factory=dict)
    last_state: RunState | None = None
    last_run: RunId | None = None
    last_finished_at: datetime | None = None
    failures: int = 0


@frozen
class Seen:
    """An occurrence that no cursor covers, kept so that it is decided once; `run` is what it led to, if anything.

    `repeats` is how often it was told of again, `repeated_at` when last. `refused` is set where it came too often: a
    source that tells it again still learns that it has to offer it later.
    """

    job: JobId
    trigger: str
    key: str
    at: datetime
    run: RunId | None = None
    repeats: int = 0
    repeated_at: datetime | None = None
    refused: FeedbackLoop | None = None
