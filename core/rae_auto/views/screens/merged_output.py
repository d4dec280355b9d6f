"""The output of several runs, or of all attempts of one, merged in the order of time."""

from asyncio import gather
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain
from operator import itemgetter

from attrs import frozen

from rae_auto.errors import RunNotFound
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.run import Run
from rae_auto.views.screens.output_page import PART_BYTES
from rae_auto.views.screens.parts.base import Extent, ScreenBase
from rae_auto.views.screens.parts.output_part import OutputLine, OutputPart, find_attempt_start
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
    label: str
    """The words that tell its output from the others: job, end of the run's id, and attempt, without what all share."""


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


@frozen
class MergedRuns:
    """The runs whose outputs are merged, the newest first, or the one run of which all attempts are."""

    job: str | None
    run_id: str | None
    runs: Sequence[Run]

    @property
    def attempts(self) -> list[tuple[Run, int]]:
        """The attempts, each of which has an output."""
        return [(one, attempt) for one in self.runs for attempt in range(1, one.attempt + 1)]

    def label_of(self, run: Run, attempt: int) -> str:
        """Return the words that tell the output of an attempt from the others: "backup 4Z7A.2"."""
        if self.run_id is not None:
            return str(attempt)
        job = f"{run.job} " if self.job is None else ""
        return f"{job}{run.id[-4:]}{f'.{attempt}' if attempt > 1 else ''}"

    def lines_of(self, run: Run, attempt: int, lines: Iterable[OutputLine]) -> Iterator[MergedLine]:
        """Yield lines of the output of an attempt as those of one among others."""
        began_at, label = find_attempt_start(run, attempt), self.label_of(run, attempt)
        for line in lines:
            yield MergedLine(
                job=run.job,
                run_id=run.id,
                attempt=attempt,
                offset=line.offset,
                text=line.text,
                at=line.at or began_at,
                is_error=line.is_error,
                label=label,
            )


async def find_merged_runs(
    source: RecordSource, *, job: str | None = None, run: str | None = None, runs: int = 5
) -> MergedRuns:
    """Find the newest runs, of a job or of all, or one run. Errors: JobNotFound, RunNotFound."""
    if run is not None:
        found = await source.run(run)
        return MergedRuns(found.job, found.id, [found])
    if job is not None:
        await source.job(job)
    return MergedRuns(job, None, list(await source.runs(job, limit=min(max(runs, 1), MAX_MERGED_RUNS))))


async def load_merged_output(
    source: RecordSource, *, job: str | None = None, run: str | None = None, runs: int = 5
) -> MergedOutput:
    """Read the ends of the outputs of the newest runs, of a job or of all, or of the attempts of one run.

    Errors: JobNotFound, RunNotFound.
    """
    merged = await find_merged_runs(source, job=job, run=run, runs=runs)
    attempts = merged.attempts
    limit = PART_BYTES // max(len(attempts), 1)
    parts = await gather(*(source.output(one, attempt, start=-limit, limit=limit) for one, attempt in attempts))
    return build_merged_output(merged, parts)


def build_merged_output(merged: MergedRuns, parts: Sequence[OutputPart]) -> MergedOutput:
    """Return the ends of the outputs of attempts, given in the order of `merged.attempts`, as one."""
    lines = [merged.lines_of(*attempt, part.lines) for attempt, part in zip(merged.attempts, parts, strict=True)]
    return MergedOutput(
        job=merged.job,
        run_id=merged.run_id,
        runs=len(merged.runs),
        lines=tuple(merge_lines(lines)),
        extent=Extent(sum(part.end - part.start for part in parts), sum(part.size for part in parts)),
        is_growing=any(one.state.active for one in merged.runs),
    )


def merge_lines(outputs: Iterable[Iterable[MergedLine]]) -> Iterator[MergedLine]:
    """Yield the lines of outputs by time; those of one output keep their order, even if the clock was set back."""

    def timed(lines: Iterable[MergedLine]) -> Iterator[tuple[datetime, MergedLine]]:
        return accumulate(
            ((line.at or _LONG_AGO, line) for line in lines),
            lambda before, line: (max(before[0], line[0]), line[1]),
        )

    # Lines without a time of their own stay behind those before them, because sorting is stable.
    return (line for _, line in sorted(chain.from_iterable(map(timed, outputs)), key=itemgetter(0)))


@frozen
class MergedText:
    """The whole outputs of runs as one text, which is made while it is read, and a name for its file."""

    file_name: str
    parts: AsyncIterator[bytes]


async def load_merged_text(
    source: RecordSource, *, job: str | None = None, run: str | None = None, runs: int = 5
) -> MergedText:
    """Return the whole outputs of runs, chosen as for `load_merged_output`, as one text by time.

    Each line has the label and the time of a page before it. Errors: JobNotFound, RunNotFound, also if there is none.
    """
    merged = await find_merged_runs(source, job=job, run=run, runs=runs)
    labels = [(one, attempt, merged.label_of(one, attempt)) for one, attempt in merged.attempts]
    if not labels:
        raise RunNotFound("no output yet: none of these runs has started; 'rae-auto list' shows what they wait for")
    what = merged.run_id or format_count(len(merged.runs), "run").replace(" ", "-")
    return MergedText(f"{merged.job or 'all-jobs'}-{what}.txt", source.merge_outputs(labels))
