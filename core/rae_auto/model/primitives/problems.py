"""Problems with values, each with its key, collected so that all are reported at once."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, field, frozen

from rae_auto.model.primitives.escaping import shorten_line

Key = tuple[str | int, ...]
"""The path to a value: table keys and list indices."""

_MAX_WHAT_CHARACTERS = 600
_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@frozen
class Problem:
    """One problem and its remedy, `what`, with the value at `key`."""

    key: Key
    what: str


class Invalid(ValueError):
    """A value with one or more `problems`. Its text is one line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(describe_problem(problem) for problem in self.problems))


def invalid(what: str, *key: str | int) -> Invalid:
    """Return an error with a single problem."""
    return Invalid((Problem(key, what),))


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise Invalid with the problems, if there are any."""
    if found := tuple(problems):
        raise Invalid(found)


@frozen
class ProblemCollector:
    """Collects problems and warnings while a document is checked."""

    problems: list[Problem] = field(factory=list)
    warnings: list[Problem] = field(factory=list)

    def within(self, *key: str | int) -> "_Within":
        """Collect the problems of an Invalid raised in the block, below `key`, and continue after the block."""
        return _Within(key, self.problems)

    def raise_if_any(self) -> None:
        """Raise Invalid with the problems, if there are any."""
        raise_if_any(self.problems)


class _Within:
    """A block of `ProblemCollector.within`: no generator, which costs four times as much, twenty times for each job."""

    __slots__ = ("_key", "_problems")

    def __init__(self, key: Key, problems: list[Problem]) -> None:
        self._key = key
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, Invalid):
            return False
        self._problems.extend(evolve(problem, key=(*self._key, *problem.key)) for problem in error.problems)
        return True


def describe_problem(problem: Problem) -> str:
    """Return the problem as one line, with its key if it has one."""
    what = shorten_line(problem.what, _MAX_WHAT_CHARACTERS)
    return f"{format_key(problem.key)}: {what}" if problem.key else what


def format_key(key: Sequence[str | int]) -> str:
    """Return the key in TOML's notation: `jobs.backup.triggers[1].every`; long parts are shortened."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else '"' + shorten_line(part, 64) + '"'
            text += f".{name}" if text else name
    return text


def describe_value(value: Any) -> str:
    """Return a value for a message, with its kind: `the text "maybe"`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{shorten_line(value, 40)}"'
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 1 << 64 else "a number of that many digits"
    if isinstance(value, float):
        return f"the number {value}"
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "a list"
    return "a table" if isinstance(value, dict) else f"a value of type {type(value).__name__}"
