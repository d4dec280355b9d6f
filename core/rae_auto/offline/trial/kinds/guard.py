"""Trials of guards: the present answer, and when it changes."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard
from rae_auto.api.plugin import Kind
from rae_auto.model.guard import Verdict
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialFailed
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.registry.author_hints import find_author_hint
from rae_auto.registry.inspection.purity import find_impurities
from rae_auto.registry.safe_guard import find_change_problem

SHOWN_CHANGES = 5
READ_AGAIN = timedelta(minutes=1)
"""The time by which the clock must have changed before a guard that reads the machine is asked again."""


class GuardTrial(PluginTrial):
    """A trial of a guard."""

    _answer = "asking"
    _changes: tuple[str, ...] = ()
    _change_at: datetime | None = None
    _impurities: tuple[str, ...] = ()

    async def ask(self) -> None:
        """Ask it."""
        self._asked_at = self.context.clock.now
        if isinstance(self.plugin, ReadGuard):
            self.in_background(self._read())
            return
        try:
            self._evaluate(self.plugin, self._asked_at)
        except TrialFailed as error:
            self._answer, self._changes, self._change_at = str(error), (), None
        self.is_changed = True

    async def follow_clock(self) -> None:
        """Ask it again when its answer may be another one."""
        now = self.context.clock.now
        if isinstance(self.plugin, ReadGuard):
            is_due = self.is_complete and abs(now - self._asked_at) >= READ_AGAIN
        else:
            is_due = now < self._asked_at or (self._change_at is not None and now >= self._change_at)
        if is_due:
            await self.ask()

    def find_next_change(self) -> datetime | None:
        """Return when its answer changes, if it is computed."""
        return self._change_at

    def sections(self) -> Iterable[TrialSection]:
        """Return its answer and the next changes."""
        yield TrialSection("now", (self._answer,))
        if self._changes:
            yield TrialSection("changes", self._changes)
        if self._impurities:
            yield TrialSection("purity", self._impurities)

    async def _read(self) -> None:
        try:
            self._answer = _in_words(await self.wait_for("read", self.plugin.read()))
        except TrialFailed as error:
            self._answer = str(error)

    def _evaluate(self, guard: ComputedGuard, now: datetime) -> None:
        self._answer = _in_words(self.call(guard.evaluate, now))
        lines: list[str] = []
        at: datetime | None = now
        self._change_at = None
        while len(lines) < SHOWN_CHANGES and at is not None:
            change = self.call(guard.changes_after, at)
            if change is None:
                lines.append("no more changes")
                break
            if (problem := find_change_problem(change, at)) is not None:
                raise TrialFailed(f"{problem}; {find_author_hint(Kind.GUARD, problem)}")
            self._change_at = self._change_at or change
            lines.append(f"{self.context.show(change)}  {_in_words(self.call(guard.evaluate, change))}")
            at = change
        self._changes = tuple(lines)
        found = find_impurities(guard, now, call=self.call, show=self.context.show)
        self._impurities = tuple(one.describe() for one in found)


def _in_words(result: Any) -> str:
    if not isinstance(result, GuardResult) or not isinstance(result.verdict, Verdict):
        raise TrialFailed(f"it returned {result!r}; return GuardResult(Verdict.YES, 'reason')")
    return f"{result.verdict} ({result.reason})"
