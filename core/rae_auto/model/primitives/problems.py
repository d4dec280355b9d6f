"""What is wrong with a value, and where: collected, so that a person sees all of it at once."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

Key = tuple[str | int, ...]
"""The way to a value: table keys and list indices."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@frozen
class Problem:
    """One thing that is wrong: what it is and what to do about it, at the value that `key` leads to."""

    key: Key
    what: str


class Invalid(ValueError):
    """A value with problems, all that were found. Its text is one line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(described(problem) for problem in self.problems))


def invalid(what: str, *key: str | int) -> Invalid:
    """Return an error with a single problem."""
    return Invalid((Problem(key, what),))


@frozen
class Findings:
    """Problems and doubts as they are found, and the way from one into the other's table."""

    problems: list[Problem] = field(factory=list)
    doubts: list[Problem] = field(factory=list)

    @contextmanager
    def within(self, *key: str | int) -> Iterator[None]:
        """Note what is raised as Invalid in the block, at `key`, and go on after it."""
        try:
            yield
        except Invalid as error:
            self.problems.extend(Problem((*key, *problem.key), problem.what) for problem in error.problems)

    def raise_if_any(self) -> None:
        """Raise Invalid with the problems, if there are any."""
        if self.problems:
            raise Invalid(self.problems)


def described(problem: Problem) -> str:
    """Return the problem as one line, with its key if it has one."""
    what = one_line(problem.what, 400)
    return f"{key_text(problem.key)}: {what}" if problem.key else what


def key_text(key: Sequence[str | int]) -> str:
    """Return the key in TOML's notation: `jobs.backup.triggers[1].every`; long parts are shortened."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else '"' + one_line(part, 64) + '"'
            text += f".{name}" if text else name
    return text


def one_line(text: str, limit: int) -> str:
    """`text` without anything that a terminal or a log would act upon, and not much longer than `limit`."""
    shortened = text if len(text) <= limit else text[: limit - 1] + "…"
    if shortened.isprintable():
        return shortened
    return "".join(mark if mark.isprintable() else _escaped(mark) for mark in shortened)


def _escaped(mark: str) -> str:
    return mark.encode("unicode_escape").decode("ascii")


def shown(value: Any) -> str:
    """Return a value for a message, with its kind: `the text "maybe"`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{one_line(value, 40)}"'
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 1 << 64 else "a number of that size"
    if isinstance(value, float):
        return f"the number {value}"
    if value is None:
        return "null"
    return "a table" if isinstance(value, dict) else "a list"
