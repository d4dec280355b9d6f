"""The problems of a daemon, and the instants since which they are known."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from rae_auto.daemon.answers.status import list_problems
from rae_auto.daemon.reloading.edited_config import EditedConfig
from rae_auto.model.notices.outbox import find_failing
from rae_auto.runtime.runtime import Runtime

_NAME_OR_NUMBER = re.compile(r"""("[^"]*")|(?<![\w/.@+-])[0-9]+(?:[.,:][0-9]+)*(?![\w/@-])""")
"""A name in quotes, which stays, or a number that stands alone: those of "backup2" and "disk-2" are parts of names."""

MIN_NOTING_SECONDS = 60
"""Time between two looks at the problems while no status is asked for."""


class ProblemTimes:
    """Remembers when problems were first seen, for those that don't say themselves since when they are there.

    A problem stays the same while only its numbers change: "after 3 failures", "after 4 failures".
    """

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}
        self.noted_at: datetime | None = None

    def note(self, problems: Iterable[str], known: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Return since when these problems are there, by their texts, and forget those that are gone."""
        self.noted_at = now
        names = {problem: _NAME_OR_NUMBER.sub(lambda found: found[1] or "0", problem) for problem in problems}
        self._first = {name: self._first.get(name, now) for name in names.values()}
        return {problem: known.get(problem, self._first[name]) for problem, name in names.items()}


class DaemonProblems:
    """Finds the problems of a daemon itself, and knows since when it has seen each, also while nothing asks for it."""

    def __init__(
        self,
        find_problems: Callable[[], list[str]],
        edited: EditedConfig | None,
        find_times: Callable[[], Mapping[str, datetime]],
    ) -> None:
        """Know the problems that `find_problems` returns; `find_times` has when they came up, where that is known."""
        self._find_problems = find_problems
        self._edited = edited
        self._find_times = find_times
        self._unread: str | None = None
        self._times = ProblemTimes()

    async def find(self) -> list[str]:
        """Return the problems; those of edited files are looked for."""
        self._unread = None if self._edited is None else await self._edited.find_problem()
        return self._list()

    def date(self, problems: Iterable[str], known: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Return since when all problems of a status are there; `known` has that of some."""
        return self._times.note(problems, {**self._find_times(), **known}, now)

    def note(self, runtime: Runtime) -> None:
        """Note the problems there are, once in a while, so that none begins when a person looks at it first."""
        now = runtime.now()
        if self._times.noted_at is None or abs(now - self._times.noted_at).total_seconds() >= MIN_NOTING_SECONDS:
            self._times.note(list_problems(runtime, find_failing(runtime.engine.notices()), self._list()), {}, now)

    def _list(self) -> list[str]:
        return _with_unread(self._find_problems(), self._unread)


def _with_unread(problems: Sequence[str], unread: str | None) -> list[str]:
    """Return the problems, and the one of the edited files before them unless a failed reload has the same errors."""
    known = {problem.partition(": ")[2] for problem in problems}
    return [*problems] if unread is None or unread.partition(": ")[2] in known else [unread, *problems]
