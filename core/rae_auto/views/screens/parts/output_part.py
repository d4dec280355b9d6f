"""A part of the output of an attempt, and what a search found in it, as a source of records has read them."""

from datetime import datetime

from attrs import frozen

from rae_auto.errors import RunNotFound
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.run import Run


@frozen
class OutputLine:
    """A line of output without its end; `offset` is that of its first byte in the file."""

    offset: int
    text: str
    at: datetime | None = None
    """When it came, to a second or so; None if that isn't known."""
    is_error: bool = False
    """True if it is known to be standard error."""


@frozen(kw_only=True)
class OutputPart:
    """Whole lines of an output file: the bytes from `start` to before `end`, of `size` bytes."""

    path: str
    size: int
    """Bytes of the file, 0 if it doesn't exist."""
    start: int
    end: int
    next_start: int
    """Where to read on: `end`, or the last line again if it is at the end of the file and may go on."""
    lines: tuple[OutputLine, ...]


@frozen
class OutputMatch:
    """A line that a search found."""

    offset: int
    text: str


@frozen(kw_only=True)
class OutputMatches:
    """The lines of an output file that a search found, up to the byte `searched_to`."""

    matches: tuple[OutputMatch, ...]
    searched_to: int
    size: int
    is_cut: bool
    """True if it was stopped because it took too long."""


@frozen(kw_only=True)
class MergedMatches:
    """The lines of several outputs that a search found."""

    matches: tuple[tuple[int, OutputLine], ...]
    """Each with the number of its output."""
    output: int
    """The number of the output in which the search ended: that of the last one, if it was complete."""
    searched_to: int
    """The byte of that output up to which it was searched."""
    sizes: tuple[int, ...]
    """The bytes of each output."""
    is_cut: bool
    """True if it was stopped because it took too long."""


def choose_attempt(run: Run, attempt: int | None) -> int:
    """Return the number of an attempt of a run, by default of the latest. Errors: RunNotFound if it has no such one."""
    if attempt is not None and attempt > max(run.attempt, 1):
        attempts = format_count(run.attempt, "attempt")
        raise RunNotFound(f"run {quote(run.id)} has {attempts}, and none with the number {attempt}")
    return attempt or run.attempt


def find_attempt_start(run: Run, attempt: int) -> datetime | None:
    """Return when an attempt of a run started, as far as it has."""
    ended = next((one.started_at for one in run.attempts if one.number == attempt), None)
    return ended or (run.attempt_started_at if run.attempt == attempt else None)
