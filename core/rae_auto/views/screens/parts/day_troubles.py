"""The runs of a day that failed, and the starts that were skipped: what a person looks for first."""

from datetime import datetime

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run
from rae_auto.views.screens.parts.base import Extent, describe_end
from rae_auto.views.screens.parts.record_source import DigestRecords, SkipGroup

MAX_FAILURES = 20
MAX_SKIP_ROWS = 15
MAX_ROWS = max(MAX_FAILURES, MAX_SKIP_ROWS)
"""Number of failures, and of groups of skips, that have to be read."""


@frozen(kw_only=True)
class DayFailure:
    """A run of the day that failed, timed out or was lost."""

    run_id: str
    job: str
    state: str
    at: datetime
    """When it was queued: its place in the grid."""
    text: str


@frozen(kw_only=True)
class DaySkips:
    """The starts of a job that were skipped for one reason on the day."""

    job: str
    reason: str
    count: int
    last_at: datetime
    """The instant at which the newest of them was due."""
    run_id: str | None
    """The newest, if it is a run that was skipped after a wait; a decision has none."""
    text: str
    """The reason of the newest as a clause."""


@frozen(kw_only=True)
class DayTroubles:
    """The runs that failed and the starts that were skipped on a day, and one sentence about them."""

    text: str
    """"2 runs failed, 12 skips", or that nothing did."""
    failures: tuple[DayFailure, ...]
    """The newest first."""
    failures_extent: Extent
    skips: tuple[DaySkips, ...]
    """By job and reason, the most frequent first."""
    skips_extent: Extent


NO_TROUBLES = DayTroubles(text="", failures=(), failures_extent=Extent(0, 0), skips=(), skips_extent=Extent(0, 0))
"""The troubles of a day to come."""


def build_day_troubles(
    records: DigestRecords, failed: int, skipped: int, time: TimeFormat, *, is_future: bool
) -> DayTroubles:
    """Return what failed and was skipped; `failed` and `skipped` are the numbers of the whole day."""
    failures = [_failure_of(run, time) for run, _ in records.failures[:MAX_FAILURES]]
    skips = sorted(records.skips, key=lambda group: -group.count)[:MAX_SKIP_ROWS]
    shown = sum(group.count for group in skips)
    return DayTroubles(
        text=_describe(failed, skipped, is_future=is_future),
        failures=tuple(failures),
        failures_extent=Extent(len(failures), max(failed, len(failures))),
        skips=tuple(_skips_of(group, time) for group in skips),
        skips_extent=Extent(shown, max(skipped, shown)),
    )


def _skips_of(group: SkipGroup, time: TimeFormat) -> DaySkips:
    newest = group.newest
    if newest is None:
        text = group.reason.replace("_", " ")
    else:
        text = newest.describe_reason(time) if isinstance(newest, Run) else newest.reason.describe_past(time)
    return DaySkips(
        job=group.job,
        reason=group.reason,
        count=group.count,
        last_at=group.last_at,
        run_id=newest.id if isinstance(newest, Run) else None,
        text=text,
    )


def _failure_of(run: Run, time: TimeFormat) -> DayFailure:
    text = describe_end(run, time)
    return DayFailure(run_id=run.id, job=run.job, state=run.state.value, at=run.queued_at, text=text)


def _describe(failed: int, skipped: int, *, is_future: bool) -> str:
    if not failed and not skipped:
        return "" if is_future else "Nothing failed, and nothing was skipped"
    failures = f"{format_count(failed, 'run')} failed" if failed else "Nothing failed"
    return f"{failures}, {format_count(skipped, 'skip') if skipped else 'nothing was skipped'}"
