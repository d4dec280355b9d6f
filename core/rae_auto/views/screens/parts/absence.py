"""Events while a person was away."""

from asyncio import gather
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count, quote_some
from rae_auto.model.run import RunState
from rae_auto.views.screens.parts.base import BAD_STATES, list_bad_ends
from rae_auto.views.screens.parts.record_source import RUNS, SKIPS, RecordCount, RecordSource
from rae_auto.views.times import describe_day_and_time

MAX_FAILED_RUNS = 50
"""Number of failed runs whose jobs are named."""


@frozen(kw_only=True)
class Absence:
    """Events since a person looked last, in one sentence and in numbers."""

    since: datetime
    until: datetime
    text: str
    """"Since Fri 2026-11-27 18:00: 41 runs, 2 failed ("backup", "sync"), 3 skips"."""
    runs: int
    """Runs that are over, but for those that were skipped after a wait."""
    failed: int
    """Runs that failed, timed out or were lost, which the text counts apart."""
    skipped: int
    """Skips: decisions not to run, one for starts missed together, and runs skipped after a wait."""
    failed_jobs: tuple[str, ...] = ()


async def load_absence(source: RecordSource, since: datetime) -> Absence:
    """Read what happened since a person looked last."""
    now = source.now()
    counts, skips, failed = await gather(
        source.count(RUNS, since=since, until=now),
        source.count(SKIPS, since=since, until=now),
        source.runs(since=since, until=now, states=BAD_STATES, limit=MAX_FAILED_RUNS),
    )
    return build_absence(since, now, counts, skips, [run.job for run in failed], source.zone)


def build_absence(
    since: datetime,
    until: datetime,
    counts: Sequence[RecordCount],
    skips: Sequence[RecordCount],
    failed_jobs: Iterable[str],
    zone: tzinfo,
) -> Absence:
    """Return what happened; `counts` and `skips` are the numbers of the span, `failed_jobs` those of failed runs."""
    waited = sum(one.count for one in counts if one.outcome == RunState.SKIPPED)
    runs = sum(one.count for one in counts) - waited
    ends: dict[str, int] = {state: sum(one.count for one in counts if one.outcome == state) for state in BAD_STATES}
    skipped = sum(one.count for one in skips) + waited
    bad = list_bad_ends(ends)
    jobs = tuple(dict.fromkeys(failed_jobs))
    parts = [
        format_count(runs, "run"),
        *([f"{', '.join(bad)} ({quote_some(jobs)})" if jobs else ", ".join(bad)] if bad else []),
        *([f"{format_count(skipped, 'skip')}"] if skipped else []),
    ]
    return Absence(
        since=since,
        until=until,
        text=f"Since {describe_day_and_time(since, zone)}: {', '.join(parts)}",
        runs=runs,
        failed=sum(ends.values()),
        skipped=skipped,
        failed_jobs=jobs,
    )
