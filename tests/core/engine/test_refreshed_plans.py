"""Plans with plugins that were made again, because files that they read have changed; and events of schedules."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve, frozen
from tests.core.engine.conftest import EveryMinutes

from rae_auto.engine.commands import RefreshPlans
from rae_auto.engine.effects import Reply
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.reasons import GuardBlocked
from rae_auto.model.run import RunState
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld

MINUTE = timedelta(minutes=1)


@frozen
class Holiday:
    """A guard that always says the same."""

    verdict: Verdict

    def evaluate(self, _: datetime) -> GuardResult:
        return GuardResult(self.verdict, "by the calendar")

    def changes_after(self, _: datetime) -> datetime | None:
        return None


@frozen
class WithEvents(EveryMinutes):
    """A schedule with events."""

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        return {"minute": instant.minute}


def refresh(w: VirtualWorld, *plans: Plan) -> Any:
    (reply,) = [e for e in w.feed(RefreshPlans(plans, ask=1)).effects if isinstance(e, Reply)]
    return reply.value


@pytest.fixture
def guarded(job: Callable[..., Plan]) -> Callable[..., Plan]:
    def make(verdict: Verdict, **fields: Any) -> Plan:
        return evolve(job("a", **fields), guards={"calendar": Holiday(verdict)})

    return make


def test_refreshed_guard_decides_a_run_that_waits_for_it(world: Any, guarded: Callable[..., Plan]) -> None:
    w = world(guarded(Verdict.NO, every=10, guard_timeout="1h"))
    w.advance(10 * MINUTE)
    (run,) = w.engine.runs("a")
    assert isinstance(w.engine.waiting_for(run.run.id), GuardBlocked)
    assert refresh(w, guarded(Verdict.YES, every=10, guard_timeout="1h")) == {"changed": ["a"]}
    assert list(w.active_starts) == [run.run.id]


def test_refreshed_plan_keeps_origin_and_cursors(world: Any, guarded: Callable[..., Plan]) -> None:
    w = world(evolve(guarded(Verdict.YES, every=10), origin=JobOrigin.CONFIG))
    w.advance(15 * MINUTE)
    (before,) = w.engine.jobs()
    cursors = before.state.cursors
    assert refresh(w, evolve(guarded(Verdict.NO, every=10), origin=JobOrigin.CONFIG)) == {"changed": ["a"]}
    (after,) = w.engine.jobs()
    assert (after.state.cursors, after.plan.origin) == (cursors, JobOrigin.CONFIG)
    assert refresh(w, after.plan) == {"changed": []}


def test_refreshed_plan_of_another_definition_is_ignored(world: Any, guarded: Callable[..., Plan]) -> None:
    w = world(guarded(Verdict.YES, timeout="1m"))
    assert refresh(w, guarded(Verdict.NO, timeout="2m")) == {"changed": []}
    w.remove("a")
    assert refresh(w, guarded(Verdict.NO, timeout="1m")) == {"changed": []}
    assert list(w.engine.jobs()) == []


def test_run_of_a_schedule_gets_the_event_of_its_instant(world: Any, job: Callable[..., Plan]) -> None:
    w = world(evolve(job("a", overlap="allow"), schedules={"t": WithEvents(10)}))
    w.advance(20 * MINUTE)
    events = [start.run.event for start in w.active_starts.values()]
    assert events == [{"minute": 10}, {"minute": 20}]
    assert w.run(next(iter(w.active_starts))).scheduled_for == EPOCH + 10 * MINUTE
    w.crash(down=25 * MINUTE)
    late = [entry.run for entry in w.engine.runs("a") if entry.run.state is not RunState.LOST]
    assert late[-1].event == {"minute": 40}
