"""A learned time of day.

A day has 48 half-hour slots, and there are two kinds of days, weekdays and weekends. Of each day a slot counts once: it
was hit where something came in it or in one of its neighbours, since a habit at five past nine is sometimes one at
five to nine. A day weighs e^(-age / 28 days). With the weights the probability of a slot is (hits + 0.5) / (days + 1),
which stays near one half where little is known.

Neighbours share their hits, so each habit lights up several slots. Of slots that are closer than three to each other
the most probable one stands for all: of equal ones that in which most came itself, and then the earlier one.

Simulated with 20 users whose habit on weekdays was 09:05 ± 10 minutes on 85 % of days, plus noise: all are found, and
no others. Slots of an hour, or of single weekdays, find half to nine tenths.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.days import Days, kind_of
from rae_plugins.triggers.usage.diary import HEARTBEAT, Diary, Page, faded, fading
from rae_plugins.triggers.usage.fold import Match

MINUTES = 30
SLOTS = 24 * 60 // MINUTES
ECHO = 2
"""Slots that are no farther apart than this owe their hits to the same events."""

_ONE = timedelta(days=1)

Table = Mapping[str, Any]
"""What was learned of one kind of days, slot by slot: weights of days, hits and own hits, and how many they were."""


@frozen
class Habit:
    """Fires at the start of a slot, or `lead` before, where something is to be expected with `probability`.

    A slot speaks only after `warm_up` days of its kind on which it was watched.
    """

    matches: Match
    days: Days
    probability: float
    warm_up: int
    lead: timedelta

    def begin(self, now: datetime) -> StepResult:
        """Nothing learned."""
        page = Diary(self.days, MINUTES).begin(now)
        tables = {"weekday": _EMPTY, "weekend": _EMPTY}
        return self._go_on({"page": page.document(), "tables": tables}, page, now, replan=True)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Learn from the days that are over, note what came, and fire what is due."""
        diary, page = Diary(self.days, MINUTES), Page.read(state["page"])
        finished, page = diary.follow(page, event, now)
        for past in finished:
            kind = kind_of(past.day)
            state = {**state, "tables": {**state["tables"], kind: _learned(state["tables"][kind], past, diary)}}
        if event is not None and self.matches(event):
            day, slot = self.days.slot_of(event.at, MINUTES)
            page = page.with_one(slot) if day == page.day else page
        return self._go_on(state, page, now, replan=bool(finished) or state["planned_by"] != self._terms())

    def _terms(self) -> list[float]:
        """What of the options shapes the plan."""
        return [self.probability, self.warm_up, self.lead.total_seconds()]

    def _go_on(self, state: State, page: Page, now: datetime, *, replan: bool) -> StepResult:
        plan = self._plan(state["tables"], page.day) if replan else state["plan"]
        firings, left = [], []
        for at, day, slot in plan:
            if parse_instant(at) > now:
                left.append([at, day, slot])
            elif now < self.days.slot_start(date.fromisoformat(day), slot + 1, MINUTES):
                firings.append(self._firing(state["tables"], parse_instant(at), date.fromisoformat(day), slot, page))
        wakes = [now + HEARTBEAT, *(parse_instant(at) for at, _, _ in left)]
        following = {**state, "page": page.document(), "plan": left, "planned_by": self._terms()}
        return StepResult(following, tuple(firings), min(wakes))

    def _plan(self, tables: Mapping[str, Table], today: date) -> list[list[Any]]:
        """What fires today: slots of today, and those of tomorrow that `lead` brings forward."""
        begins, ends = self.days.start_of(today), self.days.start_of(today + _ONE)
        plan = []
        for day in (today, today + _ONE):
            for slot in self._expected(tables[kind_of(day)], day):
                at = self.days.slot_start(day, slot, MINUTES) - self.lead
                if begins <= at < ends:
                    plan.append([format_instant(at), day.isoformat(), slot])
        return sorted(plan, key=lambda item: parse_instant(item[0]))

    def _expected(self, table: Table, day: date) -> list[int]:
        """The slots of a day in which something is to be expected, without their echoes."""
        chances = {
            slot: _probability(table, day, slot) for slot in range(SLOTS) if table["counted"][slot] >= self.warm_up
        }
        likely = [slot for slot, chance in chances.items() if chance >= self.probability]
        chosen: list[int] = []
        for slot in sorted(likely, key=lambda slot: (-chances[slot], -table["own"][slot], slot)):
            if all(abs(slot - other) > ECHO for other in chosen):
                chosen.append(slot)
        return sorted(chosen)

    def _firing(self, tables: Mapping[str, Table], at: datetime, day: date, slot: int, page: Page) -> Firing:
        table, text = tables[kind_of(day)], self.days.slot_text(slot, MINUTES)
        near = {slot - 1, slot, slot + 1}
        explained = {
            "pattern": "habit",
            "of": self.matches.shown,
            "day": day.isoformat(),
            "kind": kind_of(day),
            "slot": text,
            "probability": round(_probability(table, day, slot), 3),
            "threshold": self.probability,
            "days": table["counted"][slot],
            "hits": table["hit_days"][slot],
            "lead": format_duration(self.lead),
            "already": day == page.day and not near.isdisjoint(page.seen),
        }
        return Firing(f"{day.isoformat()}-{text}", at, explained)


_EMPTY: Table = {
    "last": None,
    "days": [0.0] * SLOTS,
    "hits": [0.0] * SLOTS,
    "own": [0.0] * SLOTS,
    "counted": [0] * SLOTS,
    "hit_days": [0] * SLOTS,
}


def _learned(table: Table, page: Page, diary: Diary) -> Table:
    """With one day more."""
    factor = fading(table["last"], page.day)
    watched = diary.watched(page)
    own = [slot in page.seen for slot in range(SLOTS)]
    hits = [any(own[max(slot - 1, 0) : slot + 2]) for slot in range(SLOTS)]
    days = [hit or slot in watched for slot, hit in enumerate(hits)]
    return {
        "last": page.day.isoformat(),
        "days": faded(table["days"], factor, days),
        "hits": faded(table["hits"], factor, hits),
        "own": faded(table["own"], factor, own),
        "counted": [sum(pair) for pair in zip(table["counted"], days, strict=True)],
        "hit_days": [sum(pair) for pair in zip(table["hit_days"], hits, strict=True)],
    }


def _probability(table: Table, day: date, slot: int) -> float:
    factor = fading(table["last"], day)
    return float((table["hits"][slot] * factor + 0.5) / (table["days"][slot] * factor + 1))
