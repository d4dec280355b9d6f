"""The instants since which problems of a daemon are known."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

_NUMBER = re.compile("[0-9]+")


class ProblemTimes:
    """Remembers when problems were first seen, for those that don't say themselves since when they are there.

    A problem stays the same while only its numbers change: "after 3 failures", "after 4 failures".
    """

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}

    def note(self, problems: Iterable[str], known: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Return since when these problems are there, by their texts, and forget those that are gone."""
        names = {problem: _NUMBER.sub("0", problem) for problem in problems}
        self._first = {name: self._first.get(name, now) for name in names.values()}
        return {problem: known.get(problem, self._first[name]) for problem, name in names.items()}
