"""Values of a job that aren't known because they are wrong, and what must therefore not be said of the others.

A problem is reported once, where it is. Advice that rests on a value which is wrong itself would lead nowhere: it is
left out, and comes back by itself as soon as that value is right. All other advice is given in the same pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, fields_dict

from rae_auto.config.hints.synonyms import find_key_synonyms
from rae_auto.config.tables import PROGRAM_KEYS, RUN_KEYS, JobTable
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId, find_name_problem, find_nearest_name
from rae_auto.model.primitives.problems import Invalid, Key, Problem

JOB_KEYS = tuple(fields_dict(JobTable))
SCHEDULE_KEYS: Sequence[Key] = (("schedule",), ("trigger",), ("triggers",))

_PLACEHOLDER_COMMAND = ("true",)
"""Stands for the work of a job whose work isn't known, so that the rest of it can be advised on."""


def is_unknown(keys: Iterable[Key], problems: Sequence[Problem]) -> bool:
    """Return whether the value at one of these keys of a job's table isn't known.

    It is wrong itself, lies around or within a wrong one, or may be meant by a key that doesn't exist.
    """
    return any(_may_mean(problem.key, key) for key in keys for problem in problems)


def _may_mean(key: Key, other: Key) -> bool:
    if not key or not other:
        return key == other
    return all(_is_same(*parts) for parts in zip(key, other, strict=False))


def _is_same(part: str | int, other: str | int) -> bool:
    if part == other:
        return True
    if not isinstance(part, str) or not isinstance(other, str) or part in JOB_KEYS:
        return False
    return other in find_key_synonyms(part) or find_nearest_name(part, [other]) is not None


def find_setting_warnings(table: JobTable, problems: Sequence[Problem]) -> Iterator[Problem]:
    """Yield the warnings about settings without effect, as far as what they rest on is known."""
    for warning in table.warnings():
        if not is_unknown(warning.basis, problems):
            yield warning.problem


def find_second_work(written: Mapping[str, Any], table: JobTable) -> Iterator[Problem]:
    """Yield a problem if a job says twice what to run, where the `table` lacks one of them because it is wrong.

    Otherwise the job itself reports it.
    """
    given = [key for key in PROGRAM_KEYS if key in written]
    if len(given) > 1 and not all(getattr(table, key) for key in given):
        yield Problem((given[1],), f"both {given[0]} and {given[1]} are set; keep one")


def find_contradictions(error: InvalidJob, table: JobTable, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems of a job whose values contradict each other, without those that follow from `problems`."""
    if not isinstance(error.__cause__, Invalid):
        return [Problem((), str(error).partition(": ")[2])]
    # Where a value was dropped as invalid, "nothing to run" would be a consequence of that.
    # The name of the table has been checked before.
    has_bad_work = is_unknown([(key,) for key in RUN_KEYS], problems)
    same = {("id",), *([] if table.name else [("name",)]), *([()] if has_bad_work else [])}
    return [problem for problem in error.__cause__.problems if problem.key not in same]


def valid_part_of(name: str, table: JobTable, contradictions: Sequence[Problem], directory: Path) -> Job | None:
    """Return the part of a job that can be advised on though values in its table contradict each other.

    None if all of it contradicts itself, or if no valid name is known to suggest.
    """
    if find_name_problem("", name):
        return None
    default = JobTable()
    bad = {str(problem.key[0]) for problem in contradictions if problem.key}
    valid = evolve(table, **{key: getattr(default, key) for key in bad if key in JOB_KEYS})
    if not any(getattr(valid, key) for key in RUN_KEYS):
        valid = evolve(valid, command=_PLACEHOLDER_COMMAND, args=(), kwargs={})
    try:
        return valid.to_job(JobId(name), directory)
    except InvalidJob:
        return None
