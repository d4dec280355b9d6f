"""The search of an output file for a regular expression, by a process that can be stopped."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from rae_auto.errors import BadRequest
from rae_auto.reading.outputs import line_search
from rae_auto.reading.outputs.output_files import size_of
from rae_auto.views.screens.parts.output_part import OutputMatch, OutputMatches

MAX_MATCHES = 200
MAX_PATTERN_CHARACTERS = 256

SEARCH_SECONDS = 5.0
"""Time that a search may take; it can be continued where it was stopped."""

_MAX_ANSWER_BYTES = 16 * line_search.MAX_LINE_BYTES
"""Bytes of an answer: JSON needs up to 6 for a character, and a byte that is not text has 4 of them."""


async def search_output_file(path: Path, pattern: str, start: int = 0) -> OutputMatches:
    """Return the lines of a file that match, and up to which byte it was searched. Errors: BadRequest."""
    check_pattern(pattern)
    matches, end, is_cut = await _search_lines(path, pattern, start)
    return OutputMatches(matches=tuple(matches), searched_to=end, size=size_of(path), is_cut=is_cut)


async def _search_lines(path: Path, pattern: str, start: int = 0) -> tuple[list[OutputMatch], int, bool]:
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


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, or a long one. Errors: BadRequest."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise BadRequest(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters; search for a part of it")
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadRequest(
            f"the pattern isn't a regular expression ({error}); put a backslash before . * + ? ( ["
        ) from None
