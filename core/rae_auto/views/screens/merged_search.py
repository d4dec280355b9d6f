"""The lines that match a regular expression, of the outputs of several runs or of all attempts of one."""

import re
from collections.abc import Sequence

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.run import Run
from rae_auto.views.screens.merged_output import MergedLine, find_merged_runs, merge_lines
from rae_auto.views.screens.parts.base import ScreenBase
from rae_auto.views.screens.parts.record_source import RecordSource

_PLACE = re.compile(r"(\w{1,40})\.([0-9]{1,9})\.([0-9]{1,16})", re.ASCII)


@frozen(kw_only=True)
class MergedSearch(ScreenBase):
    """The lines of the outputs of runs that a search found."""

    job: str | None
    """The job of the runs; None for all jobs."""
    run_id: str | None
    """The run whose attempts were searched; None for the newest runs."""
    runs: int
    """The number of these runs."""
    pattern: str
    matches: tuple[MergedLine, ...]
    """In the order of time."""
    searched_from: str
    """The place where the search began, as `next_from`; "" for the start of the first output."""
    next_from: str | None
    """The place from which to search on: "RUN.ATTEMPT.BYTE"; None if all was searched."""
    searched: int
    """Bytes of the outputs up to there, which were searched now or before."""
    size: int
    """Bytes of all these outputs."""
    is_cut: bool
    """True if it was stopped because it took too long."""

    @property
    def is_stuck(self) -> bool:
        """True if it was stopped before it came on at all: the pattern takes too long for what follows."""
        return self.is_cut and (self.next_from == self.searched_from or not self.searched)


async def search_merged_output(
    source: RecordSource,
    pattern: str,
    *,
    job: str | None = None,
    run: str | None = None,
    runs: int = 5,
    start: str = "",
) -> MergedSearch:
    """Search the outputs of runs, chosen as for `load_merged_output`, for a regular expression, for some seconds.

    One comes after the other, the newest run first, from the `next_from` of an earlier search on if `start` is one.
    Errors: JobNotFound, RunNotFound, BadRequest.
    """
    merged = await find_merged_runs(source, job=job, run=run, runs=runs)
    attempts = merged.attempts
    first, offset = _find_place(attempts, start)
    found = await source.search_outputs(attempts, pattern, first=first, start=offset)
    end, is_last = found.output, found.output >= len(attempts) - 1
    is_over = is_last and found.searched_to >= sum(found.sizes[end:])
    lines = [[line for number, line in found.matches if number == output] for output in range(len(attempts))]
    outputs = [merged.lines_of(*attempt, matching) for attempt, matching in zip(attempts, lines, strict=True)]
    return MergedSearch(
        job=merged.job,
        run_id=merged.run_id,
        runs=len(merged.runs),
        pattern=pattern,
        matches=tuple(merge_lines(outputs)),
        searched_from=start,
        next_from=None if is_over else _place_of(attempts[end], found.searched_to),
        searched=sum(found.sizes[:end]) + found.searched_to,
        size=sum(found.sizes),
        is_cut=found.is_cut,
    )


def _place_of(attempt: tuple[Run, int], offset: int) -> str:
    return f"{attempt[0].id}.{attempt[1]}.{offset}"


def _find_place(attempts: Sequence[tuple[Run, int]], place: str) -> tuple[int, int]:
    """Return the number of the output in which a place is, and its byte. Errors: BadRequest.

    A place behind the last one means that there is nothing left: newer runs have taken the places of the others.
    """
    if not place:
        return 0, 0
    found = _PLACE.fullmatch(place)
    if found is None:
        raise BadRequest(f"from must be the next_from of an earlier search, not {quote(place[:60])}")
    wanted = found[1], int(found[2])
    number = next((n for n, (run, attempt) in enumerate(attempts) if (run.id, attempt) == wanted), None)
    return (len(attempts), 0) if number is None else (number, int(found[3]))
