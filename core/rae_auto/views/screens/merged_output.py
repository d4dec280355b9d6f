"""The output of several runs, or of all attempts of one, merged in the order of time."""

from asyncio import gather
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from attrs import frozen

from rae_auto.model.run import Run
from rae_auto.views.screens.output_page import PART_BYTES
from rae_auto.views.screens.parts.base import Extent, ScreenBase
from rae_auto.views.screens.parts.output_part import OutputPart, find_attempt_start
from rae_auto.views.screens.parts.record_source import RecordSource

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
    is_growing: bool
    """True while one of the runs has an attempt that may print more."""


async def load_merged_output(
    source: RecordSource, *, job: str | None = None, run: str | None = None, runs: int = 5
) -> MergedOutput:
    """Read the ends of the outputs of the newest runs, of a job or of all, or of the attempts of one run.

    Errors: JobNotFound, RunNotFound.
    """
    if run is not None:
        found = [await source.run(run)]
        job = found[0].job
    else:
        if job is not None:
            await source.job(job)
        found = list(await source.runs(job, limit=min(max(runs, 1), MAX_MERGED_RUNS)))
    attempts = [(one, attempt) for one in found for attempt in range(1, one.attempt + 1)]
    limit = PART_BYTES // max(len(attempts), 1)
    parts = await gather(*(source.output(one, attempt, start=-limit, limit=limit) for one, attempt in attempts))
    ends = [(one, attempt, part) for (one, attempt), part in zip(attempts, parts, strict=True)]
    return build_merged_output(ends, job=job, run=None if run is None else found[0].id, runs=len(found))


def build_merged_output(
    ends: Sequence[tuple[Run, int, OutputPart]], *, job: str | None, run: str | None, runs: int
) -> MergedOutput:
    """Return the ends of the outputs of attempts as one."""
    # Lines without a time of their own stay behind those before them, because sorting is stable.
    lines = sorted((line for end in ends for line in _lines_of(*end)), key=lambda line: line.at or _LONG_AGO)
    return MergedOutput(
        job=job,
        run_id=run,
        runs=runs,
        lines=tuple(lines),
        extent=Extent(sum(part.end - part.start for *_, part in ends), sum(part.size for *_, part in ends)),
        is_growing=any(one.state.active for one, *_ in ends),
    )


def _lines_of(run: Run, attempt: int, part: OutputPart) -> Iterator[MergedLine]:
    began_at = find_attempt_start(run, attempt)
    for line in part.lines:
        yield MergedLine(
            job=run.job,
            run_id=run.id,
            attempt=attempt,
            offset=line.offset,
            text=line.text,
            at=line.at or began_at,
            is_error=line.is_error,
        )
