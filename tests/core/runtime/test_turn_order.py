"""Due runs are decided in slices, and start before what else has arrived is handled."""

import asyncio
import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby

from attrs import frozen

from rae_auto.engine.commands import Trigger
from rae_auto.engine.due_instants import MAX_INSTANTS_A_TURN
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.decision import MANUAL, Occurrence
from rae_auto.model.job import Job
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.schedule import Schedule
from rae_auto.runtime.engine_loop import (
    MAX_INPUTS_A_TURN,
    MAX_INPUTS_BESIDE_DUE_RUNS,
    MAX_TURNS_WITHOUT_INPUTS,
    EngineLoop,
)
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.testing.harness.skipping_loop import SkippingLoop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@frozen
class AtNoon(Schedule):
    """A schedule with one instant."""

    def next_after(self, after: datetime) -> datetime | None:
        return NOON if after < NOON else None


class StoppedClock:
    """A clock that shows the same moment until it is set."""

    moment = Moment(NOON - timedelta(seconds=10), 0.0)

    def now(self) -> Moment:
        return self.moment


async def decided_triggers(
    due: int, by_hand: int, note_commit: Callable[[], None] = lambda: None
) -> list[tuple[str, int]]:
    """Let jobs fall due while requests wait; return the triggers in the order of decisions, with how many in a row."""
    clock, decided = StoppedClock(), []

    async def commit(_: object) -> None:
        note_commit()

    loop = EngineLoop(
        Engine(), clock, commit, lambda step: decided.extend(decision.trigger for decision in step.decisions)
    )
    plans = [Plan(Job(id=f"j{number}", python="a:b"), {"noon": AtNoon()}, JobOrigin.CONFIG) for number in range(due)]
    loop.submit(Restored(Settings(1), tuple(plans)))
    running = asyncio.ensure_future(loop.run())
    await loop.drain(60)
    clock.moment = Moment(NOON, 10.0)
    for number in range(by_hand):
        loop.submit(Trigger(Occurrence(JobId("j0"), MANUAL, f"{number}", NOON)))
    async with asyncio.timeout(60):
        while len(decided) < due + by_hand:  # noqa: ASYNC110  # each is one turn of the loop
            await asyncio.sleep(0)
    loop.close()
    await running
    return [(trigger, len(list(found))) for trigger, found in groupby(decided)]


def test_drain_says_whether_all_is_durable():
    async def play() -> tuple[bool, bool]:
        store_answers = asyncio.Event()

        async def commit(_: object) -> None:
            await store_answers.wait()

        loop = EngineLoop(Engine(), StoppedClock(), commit, lambda _: None)
        plan = Plan(Job(id="a", python="a:b"), {"noon": AtNoon()}, JobOrigin.CONFIG)
        loop.submit(Restored(Settings(1), (plan,)))
        running = asyncio.ensure_future(loop.run())
        in_vain = await loop.drain(1)
        store_answers.set()
        answered = await loop.drain(1)
        loop.close()
        await running
        return in_vain, answered

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(play()) == (False, True)


def test_due_runs_come_first_but_inputs_get_their_turn():
    in_a_row = MAX_INSTANTS_A_TURN * (MAX_TURNS_WITHOUT_INPUTS + 1)
    due, by_hand = 2 * in_a_row, 2 * MAX_INPUTS_A_TURN + 1
    order = asyncio.run(decided_triggers(due, by_hand))
    assert order[0] == (MANUAL, MAX_INPUTS_A_TURN)
    assert order[1] == ("noon", in_a_row)
    assert order[2] == (MANUAL, MAX_INPUTS_BESIDE_DUE_RUNS)
    assert sum(count for trigger, count in order if trigger == "noon") == due
    assert sum(count for trigger, count in order if trigger == MANUAL) == by_hand


def test_garbage_is_looked_for_rarely_while_due_runs_are_left():
    before, meanwhile = gc.get_threshold(), []
    due = 2 * MAX_INSTANTS_A_TURN
    asyncio.run(decided_triggers(due, 1, lambda: meanwhile.append(gc.get_threshold()[0])))
    assert max(meanwhile) > before[0]
    assert gc.get_threshold() == before


def test_garbage_is_looked_for_rarely_until_a_burst_is_over():
    before, meanwhile = gc.get_threshold(), []

    async def commit(_: object) -> None:
        meanwhile.append(gc.get_threshold()[0])

    async def play() -> None:
        loop = EngineLoop(Engine(), StoppedClock(), commit, lambda _: None)
        loop.submit(Restored(Settings(1), (Plan(Job(id="a", python="a:b"), {}, JobOrigin.CONFIG),)))
        running = asyncio.ensure_future(loop.run())
        for number in range(MAX_INPUTS_A_TURN + 1):
            loop.submit(Trigger(Occurrence(JobId("a"), MANUAL, f"{number}", NOON)))
        assert await loop.drain(60)
        async with asyncio.timeout(60):
            while gc.get_threshold() != before:  # noqa: ASYNC110  # nothing tells that it is over
                await asyncio.sleep(0.01)
        loop.close()
        await running

    asyncio.run(play())
    assert min(meanwhile) > before[0]


def test_a_turn_is_under_way_from_its_inputs_to_its_last_answer():
    seen = []

    async def commit(_: object) -> None:
        seen.append("commit")

    async def play() -> None:
        loop = EngineLoop(
            Engine(), StoppedClock(), commit, lambda _: seen.append("perform"), lambda _: seen.append("publish")
        )
        loop.on_turn = seen.append
        loop.submit(Restored(Settings(1), (Plan(Job(id="a", python="a:b"), {}, JobOrigin.CONFIG),)))
        loop.submit(Trigger(Occurrence(JobId("a"), MANUAL, "1", NOON)))
        running = asyncio.ensure_future(loop.run())
        assert await loop.drain(60)
        loop.close()
        await running

    asyncio.run(play())
    turn = seen[: seen.index(False)]
    assert turn[:2] == [True, "commit"]
    assert turn[-1] == "publish"
    assert turn.count("publish") == turn.count("perform") >= 2


def test_turns_are_noted_where_starts_are_reported(tmp_path):
    async def play() -> bool:
        async with Scheduler(directory=tmp_path) as scheduler:
            runtime = scheduler.runtime
            return runtime.engine_loop.on_turn == runtime.executions.start_reports.note_turn

    assert asyncio.run(play())
