"""The values behind the pictures of a digest: a day back and ahead, jobs that failed, and jobs that got slower."""

from asyncio import gather
from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import islice

from attrs import frozen

from rae_auto.views.screens.job_page import OCCURRENCES_SHOWN, OccurrenceMark, newest_marks
from rae_auto.views.screens.parts.base import local_times
from rae_auto.views.screens.parts.record_source import RecordSource
from rae_auto.views.screens.parts.strip import Strip, load_strip
from rae_auto.views.screens.parts.trends import Trends

MAX_FAILED_JOBS, MAX_SLOWER_JOBS = 5, 3
"""Numbers of jobs that have pictures of their own."""

MAX_STRIP_WAIT = timedelta(seconds=30)
"""Time after which the digest goes on without the starts to come."""


@frozen(kw_only=True)
class DigestPictures:
    """The values that pictures of a digest show."""

    strip: Strip
    occurrences: Mapping[str, tuple[OccurrenceMark, ...]]
    """The last occurrences of jobs that failed, oldest first."""
    trends: Mapping[str, Trends]
    """The trends of jobs that got slower."""


async def load_digest_pictures(source: RecordSource, failed: Iterable[str], slower: Iterable[str]) -> DigestPictures:
    """Read what pictures show of the first of these jobs."""
    bad = list(islice(dict.fromkeys(failed), MAX_FAILED_JOBS))
    slow = list(islice(slower, MAX_SLOWER_JOBS))
    strip, runs, skips, trends, seen_until = await gather(
        load_strip(source, max_wait=MAX_STRIP_WAIT),
        source.newest_runs(bad, limit=OCCURRENCES_SHOWN),
        source.newest_skips(bad, limit=OCCURRENCES_SHOWN),
        gather(*(source.trends(job, max_durations=1) for job in slow)),
        source.seen_until(),
    )
    time = local_times(source.zone.key, source.now())
    marks = {
        job: newest_marks(runs.get(job, ()), skips.get(job, ()), OCCURRENCES_SHOWN, time, seen_until) for job in bad
    }
    return DigestPictures(
        strip=strip,
        occurrences={job: tuple(reversed(found)) for job, found in marks.items() if found},
        trends={job: found.trends for job, found in zip(slow, trends, strict=True) if found.trends.duration},
    )
