"""The output of several runs, or of all attempts of one, merged in the order of time."""

import asyncio
from datetime import UTC, datetime

from attrs import frozen

from rae_auto.model.run import Run
from rae_auto.views.screens.output_page import PART_BYTES, read_lines, split_lines
from rae_auto.views.screens.parts.base import Extent, ScreenBase
from rae_auto.views.screens.parts.output_times import find_attempt_start, read_output_times
from rae_auto.views.screens.parts.record_source import OutputPlace, RecordSource

MAX_MERGED_RUNS = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@frozen(kw_only=True)
class MergedLine:
    """A line of one of the outputs."""

    job: str
    run_id: str
    attempt: int
    offset: int
    text: str
    at: datetime | None
    """When it came, to a second or so; the start of its attempt where that is all that is known."""
    is_error: bool
    """True if it is known to be standard error."""


@frozen(kw_only=True)
class MergedOutput(ScreenBase):
    """The ends of the outputs of runs, as one."""

    job: str | None
    """The job of the runs; None for all jobs."""
    run_id: str | None
    """The run whose attempts are merged; None for the newest runs."""
    runs: int
    """The number of runs that were read."""
    lines: tuple[MergedLine, ...]
    extent: Extent
    """Bytes that are shown, of all that these runs have."""


async def load_merged_output(
    source: RecordSource, *, job: str | None = None, run: str | None = None, runs: int = 5
) -> MergedOutput:
    """Read the ends of the outputs of the newest runs, of a job or of all, or of the attempts of one run.

    Errors: JobNotFound, RunNotFound.
    """
    if run is not None:
        found = [await source.run(run)]
    else:
        if job is not None:
            await source.job(job)
        found = list(await source.runs(job, limit=min(max(runs, 1), MAX_MERGED_RUNS)))
    places = [(one, source.output(one, attempt)) for one in found for attempt in range(1, one.attempt + 1)]
    limit = PART_BYTES // max(len(places), 1)
    parts = [await asyncio.to_thread(_read_end, one, place, limit) for one, place in places]
    # Lines without a time of their own stay behind those before them, because sorting is stable.
    lines = sorted((line for part, _, _ in parts for line in part), key=lambda line: line.at or _LONG_AGO)
    return MergedOutput(
        job=found[0].job if run is not None else job,
        run_id=None if run is None else found[0].id,
        runs=len(found),
        lines=tuple(lines),
        extent=Extent(sum(shown for _, shown, _ in parts), sum(size for _, _, size in parts)),
    )


def _read_end(run: Run, place: OutputPlace, limit: int) -> tuple[list[MergedLine], int, int]:
    """Return the last lines of an output, their bytes, and the size of the file."""
    try:
        size = place.path.stat().st_size
    except FileNotFoundError:
        return [], 0, 0
    content, start = read_lines(place.path, max(size - limit, 0), limit)
    times = read_output_times(place.path, run, place.attempt)
    began_at = find_attempt_start(run, place.attempt)
    lines = [
        MergedLine(
            job=run.job,
            run_id=run.id,
            attempt=place.attempt,
            offset=line.offset,
            text=line.text,
            at=line.at or began_at,
            is_error=line.is_error,
        )
        for line in split_lines(content, start, times)
    ]
    return lines, len(content), size
