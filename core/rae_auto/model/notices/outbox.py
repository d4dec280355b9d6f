"""Notices on their way to a notifier, and what the rules of a job remember from one notice to the next."""

from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import NO_RUN, JobId, RunId
from rae_auto.model.run import RunState


class Hold(StrEnum):
    """The reason why a notice is not delivered at once; notices that were held are delivered together."""

    QUIET_HOURS = "quiet_hours"
    DIGEST = "digest"
    LIMIT = "limit"
    GATHERING = "gathering"


@frozen(kw_only=True)
class OutboxNotice:
    """A notice for one notifier, kept from the decision to notify until it is delivered.

    `id` is that of the notice, which other notifiers may get too. `text` and the facts are those of `api.Notice`.
    `held_until` says how long it is held back, and `hold` why. `batch` is the id of the notice that sums it up with
    others. `tries` counts the deliveries that failed, the last one with `error`; it is tried again at `next_try_at`,
    and never again once it is `given_up_at`.
    """

    id: str
    notifier: str
    kind: NotifyOn
    job: JobId
    at: datetime
    text: str
    decided_at: datetime
    run: RunId = NO_RUN
    state: RunState | None = None
    cause: str = ""
    exit_code: int | None = None
    attempt: int = 0
    failures: int = 0
    duration: timedelta | None = None
    left_out: int = 0
    hold: Hold | None = None
    held_until: datetime | None = None
    batch: str = ""
    tries: int = 0
    error: str = ""
    next_try_at: datetime | None = None
    given_up_at: datetime | None = None

    @property
    def key(self) -> str:
        """The key under which it is kept."""
        return f"{self.id}/{self.notifier}"


@frozen
class NoticeCounts:
    """The memory of the rules for notices about a job.

    `failures` counts runs in a row that failed, cancelled ones left out, and `skips` starts in a row that were skipped
    since the last run. `sent` notices were decided since `sent_since`, when the current period of `notify.limit`
    began. `gathers_until` is when the notices are delivered that `notify.digest` gathers now.
    """

    failures: int = 0
    skips: int = 0
    sent: int = 0
    sent_since: datetime | None = None
    gathers_until: datetime | None = None
