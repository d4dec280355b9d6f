"""Problems as lines: `FILE:LINE: key: problem; remedy`, in the order of the file."""

from collections.abc import Collection
from pathlib import Path

from rae_auto.config.toml.positions import line_of, lines_of
from rae_auto.config.toml.reading import format_place
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.problems import Problem, describe_problem

_MAX_REPORTED_PROBLEMS = 100


def format_problems(path: Path, text: str, problems: Collection[Problem]) -> tuple[str, ...]:
    """Return the problems of a file with this text as lines; there is a limit to their number."""
    if not problems:
        return ()
    at = lines_of(text)
    texts = {(line_of(problem.key, at) or 1, describe_problem(problem)) for problem in problems}
    lines = [f"{format_place(path, line)}: {text}" for line, text in sorted(texts)]
    more = len(lines) - _MAX_REPORTED_PROBLEMS
    return (
        *lines[:_MAX_REPORTED_PROBLEMS],
        *([f"{format_place(path)}: and {format_count(more, 'more problem')}"] if more > 0 else []),
    )
