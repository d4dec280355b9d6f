"""The search of output files for a regular expression, by a process that can be stopped."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.reading.outputs import line_search
from rae_auto.reading.outputs.output_files import size_of
from rae_auto.toolkit.validators import describe_pattern_error
from rae_auto.views.screens.parts.output_part import OutputMatch, OutputMatches

MAX_MATCHES = 200
MAX_PATTERN_CHARACTERS = 256

SEARCH_SECONDS = 5.0
"""Time that a search may take; it can be continued where it was stopped."""

_MAX_ANSWER_BYTES = 16 * line_search.MAX_LINE_BYTES
"""Bytes of an answer: JSON needs up to 6 for a character, and a byte that is not text has 4 of them."""


@frozen
class FoundLines:
    """The lines of files that match, each with the number of its file, and where the search ended."""

    matches: Sequence[tuple[int, OutputMatch]]
    file: int
    """The number of the file in which it ended: the last one, if it was complete."""
    searched_to: int
    """The byte of that file up to which it was searched."""
    is_cut: bool
    """True if the time was too short."""


async def search_output_file(path: Path, pattern: str, start: int = 0) -> OutputMatches:
    """Return the lines of a file that match, and up to which byte it was searched. Errors: BadRequest."""
    found = await search_output_files([(path, start)], pattern)
    return OutputMatches(
        matches=tuple(match for _, match in found.matches),
        searched_to=found.searched_to,
        size=size_of(path),
        is_cut=found.is_cut,
    )


async def search_output_files(files: Sequence[tuple[Path, int]], pattern: str) -> FoundLines:
    """Return the lines of files that match, of each from a byte on, one file after the other. Errors: BadRequest."""
    check_pattern(pattern)
    if not files:
        return FoundLines((), 0, 0, is_cut=False)
    matches: list[tuple[int, OutputMatch]] = []
    place = (0, files[0][1])
    with suppress(TimeoutError):
        async with asyncio.timeout(SEARCH_SECONDS), aclosing(_ask(files, pattern)) as answers:
            async for answer in answers:
                if "error" in answer:
                    raise BadRequest(f"the output can't be searched ({answer['error']})")
                if "over" in answer:
                    return FoundLines(matches, *place, is_cut=False)
                if "text" in answer:
                    matches.append((answer["file"], OutputMatch(answer["offset"], answer["text"])))
                else:
                    place = answer["file"], answer["end" if "end" in answer else "to"]
            raise BadRequest("the search ended before it was complete; search again, or for something simpler")
    # Those after the place from which a search goes on would be found twice.
    before = [(file, match) for file, match in matches if (file, match.offset) < place]
    return FoundLines(before, *place, is_cut=True)


async def _ask(files: Sequence[tuple[Path, int]], pattern: str) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield what the process answers, which is ended in any case."""
    given = [(str(path), start) for path, start in files]
    question = {"files": given, "pattern": pattern, "most": MAX_MATCHES, "seconds": round(SEARCH_SECONDS) + 1}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", line_search.__file__,
        stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=_MAX_ANSWER_BYTES,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        async for line in process.stdout:
            yield json.loads(line)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, or a long one. Errors: BadRequest."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise BadRequest(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters; search for a part of it")
    try:
        re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        why = describe_pattern_error(error)
        raise BadRequest(
            f"the pattern isn't a regular expression: {why}; put a backslash before . * + ? ( [ to find them"
        ) from None
