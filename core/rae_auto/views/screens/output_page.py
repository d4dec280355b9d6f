"""The output of an attempt, a part at a time."""

from asyncio import gather
from datetime import datetime

from attrs import frozen

from rae_auto.model.run import Run
from rae_auto.views.runs import shown_state
from rae_auto.views.screens.parts.base import Extent, ScreenBase
from rae_auto.views.screens.parts.output_part import OutputLine, OutputPart, choose_attempt
from rae_auto.views.screens.parts.record_source import RecordSource

PART_BYTES = 64 << 10
"""Bytes that a part has by default."""

MAX_PART_BYTES = 1 << 20


@frozen(kw_only=True)
class OutputPage(ScreenBase):
    """A part of the output of an attempt, in whole lines."""

    run_id: str
    job: str
    attempt: int
    attempts: int
    """The number of the run's attempts, each of which has output of its own."""
    state: str
    is_growing: bool
    """True while the attempt may write more: read on from `next_start`, exactly, to follow it. Also without a daemon,
    which a command outlives."""
    path: str
    size: int
    """Bytes of the file."""
    start: int
    end: int
    """The part has the bytes from `start` to before `end`."""
    next_start: int
    """Where to read on: `end`, or the last line again if it is at the end of the output and may go on."""
    lines: tuple[OutputLine, ...]
    extent: Extent
    """Bytes that are shown, of all."""


async def load_output_page(
    source: RecordSource,
    run: str,
    attempt: int | None = None,
    *,
    start: int = 0,
    limit: int = PART_BYTES,
    is_exact: bool = False,
) -> OutputPage:
    """Read a part of an output: whole lines from the byte `start` on, counted from the end if negative.

    What is left of a line that began before `start` is only part of it if `is_exact`. Errors: RunNotFound.
    """
    found, seen_until = await gather(source.run(run), source.seen_until())
    number = choose_attempt(found, attempt)
    size = min(max(limit, 1), MAX_PART_BYTES)
    part = await source.output(found, number, start=start, limit=size, is_exact=is_exact)
    return build_output_page(found, number, part, seen_until)


async def load_output_end(source: RecordSource, run: str, limit: int = PART_BYTES) -> OutputPage:
    """Read the end of the output of a run's latest attempt. Errors: RunNotFound."""
    return await load_output_page(source, run, start=-limit, limit=limit)


def build_output_page(run: Run, attempt: int, part: OutputPart, seen_until: datetime | None = None) -> OutputPage:
    """Return the page of a part of the output of an attempt.

    A daemon saw an active run last at `seen_until`, None if one does now.
    """
    return OutputPage(
        run_id=run.id,
        job=run.job,
        attempt=attempt,
        attempts=run.attempt,
        state=shown_state(run.state.value, seen_until),
        is_growing=attempt == run.attempt and not run.state.final,
        path=part.path,
        size=part.size,
        start=part.start,
        end=part.end,
        next_start=part.next_start,
        lines=part.lines,
        extent=Extent(part.end - part.start, part.size),
    )
