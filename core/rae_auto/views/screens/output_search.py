"""The lines of an output that match a regular expression, found by a process that can be stopped."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.views.screens.output_page import find_output, size_of
from rae_auto.views.screens.parts import line_search
from rae_auto.views.screens.parts.base import ScreenBase
from rae_auto.views.screens.parts.record_source import RecordSource

MAX_MATCHES = 200
MAX_PATTERN_CHARACTERS = 256

SEARCH_SECONDS = 5.0
"""Time that a search may take; it can be continued where it was stopped."""

_MAX_ANSWER_BYTES = 16 * line_search.MAX_LINE_BYTES
"""Bytes of an answer: JSON needs up to 6 for a character, and a byte that is not text has 4 of them."""


@frozen
class OutputMatch:
    """A line that a search found."""

    offset: int
    text: str


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
    place = find_output(source, found, attempt)
    compile_pattern(pattern)
    matches, end, is_cut = await search_lines(place.path, pattern, start)
    return OutputSearch(
        run_id=found.id,
        attempt=place.attempt,
        pattern=pattern,
        matches=tuple(matches),
        searched_from=start,
        searched_to=end,
        size=size_of(place.path),
        is_cut=is_cut,
    )


async def search_lines(path: Path, pattern: str, start: int = 0) -> tuple[list[OutputMatch], int, bool]:
    """Return the lines of a file that match, up to which byte it was searched, and whether the time was too short."""
    matches: list[OutputMatch] = []
    end = start
    with suppress(TimeoutError):
        async with asyncio.timeout(SEARCH_SECONDS), aclosing(_ask(path, pattern, start)) as answers:
            async for answer in answers:
                if "error" in answer:
                    raise BadRequest(f"the output can't be searched ({answer['error']})")
                if "end" in answer:
                    return matches, answer["end"], False
                if "to" in answer:
                    end = answer["to"]
                else:
                    matches.append(OutputMatch(answer["offset"], answer["text"]))
            raise BadRequest("the search ended before it was complete; search again, or for something simpler")
    # Those after the place from which a search goes on would be found twice.
    return [one for one in matches if one.offset < end], end, True


async def _ask(path: Path, pattern: str, start: int) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield what the process answers, which is ended in any case."""
    question = {"path": str(path), "pattern": pattern, "start": start, "most": MAX_MATCHES}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", line_search.__file__,
        stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=_MAX_ANSWER_BYTES,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({**question, "seconds": round(SEARCH_SECONDS) + 1}).encode() + b"\n")
        async for line in process.stdout:
            yield json.loads(line)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, which ignores the case. Errors: BadRequest."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise BadRequest(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters; search for a part of it")
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadRequest(
            f"the pattern isn't a regular expression ({error}); put a backslash before . * + ? ( ["
        ) from None
