"""Trials of schedules: the next instants, the effect of clock changes, a check for purity, and a month."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.local_times.zone_changes import find_clock_change
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialContext, TrialFailed
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.registry.author_hints import find_author_hint
from rae_auto.registry.inspection.purity import find_impurities
from rae_auto.registry.safe_schedule import find_instant_problem

SHOWN_INSTANTS = 10
STRIP_DAYS = 31
CLOCK_CHANGES = 2
YEAR = timedelta(days=366)
DENSE_STARTS = 6
"""A schedule with more starts a day than this goes by elapsed time and not by the local clock."""

_MAX_STRIP_STARTS = 10_000
_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)


class ScheduleTrial(PluginTrial):
    """A trial of a schedule."""

    def __init__(self, plugin: Any, context: TrialContext) -> None:
        super().__init__(plugin, context)
        self._sections: list[TrialSection] = []
        self._instants: list[datetime] = []
        self._asked_at = context.clock.now

    async def ask(self) -> None:
        """Compute what is shown, from the clock's time on."""
        now, zone = self.context.clock.now, self.context.zone
        self._sections, self._instants = [], []
        try:
            self._instants = self._next_instants(now)
            notes = [self._note(at, before) for before, at in zip([now, *self._instants], self._instants, strict=False)]
            lines = [f"{self.context.show(at)}{note}" for at, note in zip(self._instants, notes, strict=True)]
            if len(lines) < SHOWN_INSTANTS:
                lines.append("no more instants")
            self._sections = [TrialSection("next", tuple(lines)), TrialSection("month", (self.draw_strip(now),))]
            if changes := tuple(self._describe_clock_changes(now, zone)):
                self._sections.append(TrialSection("clock changes", changes))
            self._sections.append(TrialSection("purity", self._check_purity(now)))
        except TrialFailed as error:
            self._sections.append(TrialSection("failed", (str(error),)))
        self.is_changed = True

    async def follow_clock(self) -> None:
        """Compute it again when an instant has passed, or the clock was moved back."""
        now = self.context.clock.now
        if self._instants and not self._asked_at <= now < self._instants[0]:
            await self.ask()

    def find_next_change(self) -> datetime | None:
        """Return the next instant."""
        return self._instants[0] if self._instants else None

    def sections(self) -> Iterable[TrialSection]:
        """Return the instants, the findings and the month."""
        return self._sections

    def _next_instants(self, now: datetime) -> list[datetime]:
        self._asked_at = now
        found: list[datetime] = []
        at: datetime | None = now
        while len(found) < SHOWN_INSTANTS and at is not None and (at := self._next_after(at)) is not None:
            found.append(at)
        return found

    def _next_after(self, instant: datetime) -> datetime | None:
        """Return the next instant. Raises TrialFailed, also for one that no schedule may return."""
        found = self.call(self.plugin.next_after, instant)
        if (problem := find_instant_problem(found, instant)) is not None:
            raise TrialFailed(f"{problem}; {find_author_hint(Kind.TRIGGER, problem)}")
        return None if found is None else found.astimezone(UTC)

    def _note(self, at: datetime, before: datetime) -> str:
        zone = self.context.zone
        offset, offset_before = (instant.astimezone(zone).utcoffset() for instant in (at, before))
        own = self.call(self.plugin.note, at)
        notes = ["the clocks have changed"] if offset != offset_before else []
        return f"  ({'; '.join([*notes, *([own] if own else [])])})" if notes or own else ""

    def _check_purity(self, now: datetime) -> tuple[str, ...]:
        """Return what else than their argument the instants depend on."""
        found = find_impurities(self.plugin, now, call=self.call, show=self.context.show)
        return tuple(one.describe() for one in found) or (
            "the same instants again, asked backwards and from between, and no clock is read",
        )

    def _describe_clock_changes(self, now: datetime, zone: ZoneInfo) -> Iterator[str]:
        change: datetime | None = now
        for _ in range(CLOCK_CHANGES):
            assert change is not None
            change = find_clock_change(zone, change, now + YEAR)
            if change is None:
                return
            yield self._describe_clock_change(change, zone)

    def _describe_clock_change(self, change: datetime, zone: ZoneInfo) -> str:
        local, before = change.astimezone(zone), (change - timedelta(seconds=1)).astimezone(zone)
        shown = (before + timedelta(seconds=1)).replace(tzinfo=None)
        head = f"{local:%a %Y-%m-%d}, {shown:%H:%M} becomes {local:%H:%M}: "
        midnight = local.replace(hour=0, minute=0, second=0, fold=0)
        that_day = self._local_times(midnight, midnight + _DAY, zone)
        days = 1
        while True:
            earlier = self._local_times(midnight - days * _DAY, midnight, zone)
            later = self._local_times(midnight + _DAY, midnight + (days + 1) * _DAY, zone)
            if (earlier and later) or days > YEAR.days:
                break
            days *= 4
        if len(earlier) > DENSE_STARTS * days:
            return f"{head}starts keep their distance"
        if not earlier or not later:
            return f"{head}no starts on both sides of it"
        parts = []
        if set(earlier) == set(later):
            parts.append(f"starts stay at {_join(later)}")
        else:
            parts.append(f"warning: starts move from {_join(earlier)} to {_join(later)}")
            parts.append("take an option timezone, which is filled in, to stay with the clock")
        if days == 1 and that_day != earlier and that_day != later:
            what = f"{format_count(len(that_day), 'start')} that day{f' ({_join(that_day)})' if that_day else ''}"
            parts.insert(1, what if len(that_day) == len(earlier) else f"warning: {what}")
        return head + "; ".join(parts)

    def _local_times(self, start: datetime, end: datetime, zone: ZoneInfo) -> list[str]:
        """Return the times of day at which it starts between two local midnights, ascending by the instants."""
        times: list[str] = []
        at: datetime | None = start.astimezone(UTC) - _INSTANT
        while at is not None and len(times) <= DENSE_STARTS * max((end - start).days, 1):
            at = self._next_after(at)
            if at is None or at >= end:
                break
            times.append(f"{at.astimezone(zone):%H:%M}")
        return times

    def draw_strip(self, now: datetime) -> str:
        """Return a strip of a month with the number of starts of each day: `·` for none, `+` for more than nine."""
        counts = [0] * STRIP_DAYS
        at: datetime | None = now
        for _ in range(_MAX_STRIP_STARTS):
            assert at is not None
            at = self._next_after(at)
            if at is None or at >= now + timedelta(days=STRIP_DAYS):
                break
            counts[(at - now).days] += 1
            if all(count > 9 for count in counts):
                break
        return "".join("·" if not count else str(count) if count < 10 else "+" for count in counts)


def _join(times: Sequence[str]) -> str:
    shown = sorted(set(times))
    return ", ".join(shown[:3]) + (" …" if len(shown) > 3 else "")
