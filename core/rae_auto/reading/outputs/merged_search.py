"""The search of several outputs, whose lines get the times by which they are merged."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from rae_auto.model.run import Run
from rae_auto.paths import output_path
from rae_auto.reading.outputs.output_files import size_of
from rae_auto.reading.outputs.output_search import FoundLines, search_output_files
from rae_auto.reading.outputs.output_times import OutputTimes, read_output_times
from rae_auto.views.screens.parts.output_part import MergedMatches, OutputLine, find_attempt_start

Outputs = Sequence[tuple[Run, int]]


async def search_merged_files(directory: Path, outputs: Outputs, pattern: str, first: int, start: int) -> MergedMatches:
    """Return the lines of the outputs of attempts that match, from a byte of the `first` one on. Errors: BadRequest."""
    paths = [output_path(directory, run.job, run.id, attempt) for run, attempt in outputs]
    wanted = [(path, start if number == 0 else 0) for number, path in enumerate(paths[first:])]
    found = await search_output_files(wanted, pattern)
    return await asyncio.to_thread(_complete, outputs, paths, first, found)


def _complete(outputs: Outputs, paths: Sequence[Path], first: int, found: FoundLines) -> MergedMatches:
    """Return what was found with the times of its lines, and the sizes of all outputs."""
    numbers = {first + file for file, _ in found.matches}
    times: Mapping[int, OutputTimes] = {
        number: read_output_times(paths[number], find_attempt_start(*outputs[number])) for number in numbers
    }
    matches = []
    for file, match in found.matches:
        of_output, offset = times[first + file], match.offset
        line = OutputLine(offset, match.text, of_output.time_of(offset), of_output.is_error(offset))
        matches.append((first + file, line))
    return MergedMatches(
        matches=tuple(matches),
        output=first + found.file,
        searched_to=found.searched_to,
        sizes=tuple(size_of(path) for path in paths),
        is_cut=found.is_cut,
    )
