"""Lines of `check` that are the same but for their job, as one line each."""

import re
from collections.abc import Iterator, Sequence

from rae_auto.model.primitives.formatting import format_count

MIN_JOBS = 3
"""Jobs with the same finding from which on it is one line: of two, each has the number of its line."""

MAX_NAMES = 5
"""Names of further jobs that a line has; the others are counted."""

_OF_JOB = re.compile(r"(?P<place>.*?): jobs\.(?P<job>\"(?:[^\"\\]|\\.)*\"|[^.:\" ]+)(?P<rest>[.:].*)")


def merge_alike(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each line, and for which further jobs it holds: `; the same for b, c and 7 more jobs`, or ""."""
    jobs: dict[str, list[str]] = {}
    for line in lines:
        if (found := _OF_JOB.fullmatch(line)) is not None:
            jobs.setdefault(found["rest"], []).append(found["job"])
    for line in lines:
        found = _OF_JOB.fullmatch(line)
        if found is None or len(names := list(dict.fromkeys(jobs[found["rest"]]))) < MIN_JOBS:
            yield line, ""
        elif found["job"] == names[0]:
            yield line, _list_others(names[1:])


def _list_others(names: Sequence[str]) -> str:
    shown, more = names[:MAX_NAMES], len(names) - MAX_NAMES
    listed = ", ".join(shown) if more > 0 else " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    return f"; the same for {listed}" + (f" and {format_count(more, 'more job')}" if more > 0 else "")
