"""Notices on their way to a notifier, and what the rules of a job remember from one notice to the next."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import NO_RUN, JobId, RunId
from rae_auto.model.run import RunState


class Hold(StrEnum):
    """The reason why a notice is not delivered at once; notices that were held are delivered together."""

    QUIET_HOURS = "quiet_hours"
    DIGEST = "digest"
    LIMIT = "limit"
    GATHERING = "gathering"


class Progress(StrEnum):
    """The progress of a notice that is not delivered yet."""

    HELD = "held"
    WAITING = "waiting"
    FAILING = "failing"
    GIVEN_UP = "given_up"


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

    @property
    def progress(self) -> Progress:
        """Its stage: held back, waiting for its first try or for another one, or given up."""
        if self.given_up_at is not None:
            return Progress.GIVEN_UP
        if self.tries:
            return Progress.FAILING
        return Progress.WAITING if self.held_until is None else Progress.HELD


def describe_failing(notices: Iterable[OutboxNotice]) -> list[str]:
    """Return a line for each notifier that can't deliver its notices, and for each that has given some up."""
    return list(find_failing(notices))


def find_failing(notices: Iterable[OutboxNotice]) -> dict[str, datetime]:
    """Return these lines, each with the instant at which the oldest of its notices was decided."""
    found: dict[tuple[str, Progress], list[OutboxNotice]] = {}
    for notice in notices:
        if notice.progress in (Progress.FAILING, Progress.GIVEN_UP):
            found.setdefault((notice.notifier, notice.progress), []).append(notice)
    return {
        _describe_failing(notifier, progress, of_them): min(notice.decided_at for notice in of_them)
        for (notifier, progress), of_them in found.items()
    }


def _describe_failing(notifier: str, progress: Progress, notices: Sequence[OutboxNotice]) -> str:
    count, error = format_count(len(notices), "notice"), notices[-1].error
    if progress is Progress.GIVEN_UP:
        return (
            f"notifier {quote(notifier)} gave up {count} ({error}); try again with 'rae-auto notify retry {notifier}'"
        )
    return f"notifier {quote(notifier)} can't deliver {count} ({error}); see 'rae-auto notify outbox' for the next try"


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
