"""State of a job that is stored between its runs."""

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

    Instants before `since` were skipped as missed, or are older than the schedule. `others` are further spans that are
    decided, before that or while the clock was set ahead. `schedule` is a digest of the schedule, to
    notice a change.
    """

    at: datetime
    schedule: str
    since: datetime
    others: tuple[Span, ...] = ()


@frozen
class JobState:
    """`cursors` holds the progress of each schedule by trigger id.

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
class SeenOccurrence:
    """An occurrence that no cursor covers, kept so that it is decided once; `run` is what it led to, if anything.

    `repeats` counts how often it was emitted again, `repeated_at` says when last. `refused` is set if it was emitted
    too often: a source that emits it again gets the same refusal and offers it later.
    """

    job: JobId
    trigger: str
    key: str
    at: datetime
    run: RunId | None = None
    repeats: int = 0
    repeated_at: datetime | None = None
    refused: FeedbackLoop | None = None
