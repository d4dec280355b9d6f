"""The lines of an output that match a regular expression."""

from attrs import frozen

from rae_auto.views.screens.parts.base import ScreenBase
from rae_auto.views.screens.parts.output_part import OutputMatch, choose_attempt
from rae_auto.views.screens.parts.record_source import RecordSource


@frozen(kw_only=True)
class OutputSearch(ScreenBase):
    """The lines of an output that a search found."""

    run_id: str
    attempt: int
    pattern: str
    matches: tuple[OutputMatch, ...]
    searched_from: int
    searched_to: int
    """The bytes that were searched: all, or those up to the last match that is listed, or up to where it was stopped.
    """
    size: int
    is_cut: bool
    """True if it was stopped because it took too long."""

    @property
    def is_stuck(self) -> bool:
        """True if it was stopped before it came on at all: the pattern takes too long for what follows."""
        return self.is_cut and self.searched_to == self.searched_from


async def search_output(
    source: RecordSource, run: str, pattern: str, attempt: int | None = None, *, start: int = 0
) -> OutputSearch:
    """Search an output for a regular expression, line by line, for some seconds. Errors: RunNotFound, BadRequest."""
    found = await source.run(run)
    number = choose_attempt(found, attempt)
    answer = await source.search_output(found, number, pattern, start=start)
    return OutputSearch(
        run_id=found.id,
        attempt=number,
        pattern=pattern,
        matches=answer.matches,
        searched_from=start,
        searched_to=answer.searched_to,
        size=answer.size,
        is_cut=answer.is_cut,
    )
