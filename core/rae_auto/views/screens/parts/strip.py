"""The strip: 24 hours back as facts and 24 hours ahead as expectations, in steps of equal length."""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import field, frozen

from rae_auto.model.run import RunState
from rae_auto.views.screens.parts.record_source import RUNS, SKIPS, ExpectedCounts, RecordCount, RecordSource

STRIP_SPAN = timedelta(hours=24)
STRIP_STEP = timedelta(minutes=15)

GOOD, BAD, STOPPED, SKIPPED = "good", "bad", "stopped", "skipped"
"""The groups of final states: succeeded; failed, timed out or lost; cancelled or interrupted; skipped after a wait.

Decisions not to run are in the last group, too.
"""

_GROUPS: Mapping[str, str] = {
    RunState.SUCCEEDED: GOOD,
    RunState.FAILED: BAD,
    RunState.TIMED_OUT: BAD,
    RunState.LOST: BAD,
    RunState.CANCELLED: STOPPED,
    RunState.INTERRUPTED: STOPPED,
    RunState.SKIPPED: SKIPPED,
}


def group_of(state: str) -> str:
    """Return the group of a final state of a run; "open" for the others."""
    return _GROUPS.get(state, "open")


@frozen(kw_only=True)
class StripCell:
    """One step of the strip."""

    start: datetime
    is_future: bool
    good: int = 0
    """Runs that succeeded, by the time at which they were queued."""
    bad: int = 0
    """Runs that failed, timed out or were lost."""
    stopped: int = 0
    """Runs that were cancelled or interrupted."""
    skipped: int = 0
    """Skips: decisions not to run, one for starts missed together, and runs skipped after a wait."""
    expected: int = 0
    """Starts that are due, in a step to come."""


@frozen(kw_only=True)
class Strip:
    """Facts on the left of `now`, expectations on its right."""

    since: datetime
    now: datetime
    until: datetime
    step: timedelta
    cells: tuple[StripCell, ...] = field(repr=False)
    expected_until: datetime
    """Expectations are complete until then."""
    is_pending: bool = False
    """True while expectations are still being computed."""


async def load_strip(source: RecordSource, max_wait: timedelta = timedelta(0)) -> Strip:
    """Read what the strip shows, and build it; wait up to `max_wait` for all starts to come."""
    now = source.now()
    first, middle, last = strip_bounds(now)
    runs, skips, expected = await gather(
        source.count(RUNS, since=first, until=middle + STRIP_STEP, step=STRIP_STEP),
        source.count(SKIPS, since=first, until=middle + STRIP_STEP, step=STRIP_STEP),
        source.expected(middle, last, STRIP_STEP, max_wait=max_wait),
    )
    return build_strip(now, runs, skips, expected)


def strip_bounds(now: datetime) -> tuple[datetime, datetime, datetime]:
    """Return the first step of the strip, the one that `now` is in, and the end of the last."""
    middle = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    return middle - STRIP_SPAN, middle, middle + STRIP_SPAN + STRIP_STEP


def build_strip(
    now: datetime, runs: Sequence[RecordCount], skips: Sequence[RecordCount], expected: ExpectedCounts
) -> Strip:
    """Return the strip of these numbers. The present step has both: what has run, and what is due in it."""
    first, middle, last = strip_bounds(now)
    counted: Counter[tuple[datetime, str]] = Counter()
    for found in runs:
        if found.start is not None:
            counted[found.start, group_of(found.outcome)] += found.count
    for found in skips:
        if found.start is not None:
            counted[found.start, SKIPPED] += found.count
    steps = [first + STRIP_STEP * number for number in range(int((last - first) / STRIP_STEP))]
    cells = [
        StripCell(
            start=start,
            is_future=start > now,
            good=counted[start, GOOD],
            bad=counted[start, BAD],
            stopped=counted[start, STOPPED],
            skipped=counted[start, SKIPPED],
            expected=expected.counts.get(start, 0) if start >= middle else 0,
        )
        for start in steps
    ]
    return Strip(
        since=first,
        now=now,
        until=last,
        step=STRIP_STEP,
        cells=tuple(cells),
        expected_until=expected.until,
        is_pending=expected.is_pending,
    )
