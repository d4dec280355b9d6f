"""The numbers of starts to come of all jobs: computed in a thread, stored, and renewed when jobs change.

Callers wait for the computation only for a moment. It is imported in its thread, because it needs the
engine and the plugins, which a page otherwise does without.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, field

from rae_auto.errors import SchedulerError
from rae_auto.views.screens.parts.record_source import ExpectedCounts

if TYPE_CHECKING:
    from rae_auto.reading.due_minutes import Definition, DueMinutes

DAY = timedelta(days=1)

HORIZON = timedelta(days=42)
"""Time ahead that is computed: a calendar month of whole weeks."""

ANSWER_WAIT_SECONDS = 0.02
"""Time for which a call waits for the computation; after that its answer is "pending"."""

MAX_AGE = timedelta(hours=12)
"""Age at which the numbers are computed again, because there is less and less ahead of them."""

FIRST_HORIZON = timedelta(hours=25)
"""Time ahead that is computed first, for the strip."""


@define(eq=False)
class ExpectedStarts:
    """The starts to come of all jobs, in a zone. `load` returns their definitions."""

    zone: str
    now: Callable[[], datetime]
    load: Callable[[], Any]
    """Returns, when awaited, the definitions of all jobs."""
    _found: "DueMinutes | None" = field(init=False, default=None)
    _task: "asyncio.Task[None] | None" = field(init=False, default=None)
    _is_whole: bool = field(init=False, default=False)
    _notes: Mapping[date, list[str]] = field(init=False, factory=dict)

    def forget(self) -> None:
        """Compute again at the next call, because jobs have changed; until then the old numbers are shown."""
        self._is_whole = False

    async def count(self, since: datetime, until: datetime, step: timedelta) -> ExpectedCounts:
        """Return how many starts are due in each step, as far as that is known by now."""
        is_old = self._found is not None and self.now() - self._found.since > MAX_AGE
        if (is_old or not self._is_whole) and self._task is None:
            self._task = asyncio.create_task(self._compute())
        if self._task is not None and (self._found is None or self._found.until < until):
            await asyncio.wait({self._task}, timeout=ANSWER_WAIT_SECONDS)
        found = self._found
        if found is None:
            return ExpectedCounts({}, since, is_pending=True)
        counted = found.count(since, min(until, found.until), step)
        return ExpectedCounts(counted, min(until, found.until), is_pending=self._task is not None)

    def day_notes(self, since: datetime, until: datetime) -> dict[date, list[str]]:
        """Return what guards forbid on days of a span, as far as that is known by now."""
        first, last = since.date() - DAY, until.date() + DAY
        return {day: notes for day, notes in self._notes.items() if first <= day <= last}

    async def close(self) -> None:
        """Stop computing."""
        if self._task is not None:
            self._task.cancel()

    async def _compute(self) -> None:
        try:
            self._is_whole = True
            definitions = await self.load()
            started_at = self.now()
            for horizon in (FIRST_HORIZON, HORIZON):
                self._found = await asyncio.to_thread(
                    _count_due_minutes, definitions, self.zone, started_at, started_at + horizon
                )
                self._notes = await asyncio.to_thread(_find_day_notes, definitions, self.zone, started_at)
                if self._found.until < started_at + horizon:
                    break
        except SchedulerError:
            # The next call tries again; a daemon that is gone is shown elsewhere.
            self._is_whole = False
        finally:
            self._task = None


def _count_due_minutes(
    definitions: "Sequence[Definition]", zone: str, since: datetime, until: datetime
) -> "DueMinutes":
    from rae_auto.reading.due_minutes import count_due_minutes  # lazy: start-up

    return count_due_minutes(definitions, zone, since, until)


def _find_day_notes(definitions: "Sequence[Definition]", zone: str, now: datetime) -> dict[date, list[str]]:
    from rae_auto.reading.due_minutes import find_day_notes  # lazy: start-up

    return find_day_notes(definitions, zone, now)
